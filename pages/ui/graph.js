// Attention as a graph of tokens and layers. The edges come once a question; choosing, filtering and pointing happen here.
// Once the hand rests, what is chosen goes to Python, which keeps it in the address.

export default mounted((root) => new Graph(root));

const REST = 250; // ms without a change after which Python is told
const MOST_ROWS = 300; // of the table
const NONE = { level: -1, place: -1 };
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const percent = (share) => `${(100 * share).toFixed(share && share < 0.0995 ? 1 : 0)} %`;

class Graph {
  constructor(root) {
    this.root = root;
    this.edges = new Edges();
    this.canvas = this.find("canvas");
    this.picture = new Picture(this.canvas, this.edges);
    this.spot = null; // the node under the pointer or the keys
    this.listen();
    this.watcher = new ResizeObserver(() => this.doc && this.resize());
    this.watcher.observe(this.find(".large"));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.rest);
    cancelAnimationFrame(this.frame);
  }

  receive(data) {
    if (data.doc !== this.doc) {
      const { edges } = this;
      const other = this.doc && (data.text !== this.text || edges.part !== data.part || edges.layers !== data.layers);
      edges.lay(data);
      this.text = data.text;
      this.bin = data.bin;
      this.view = { ...(this.doc ? this.view : data.start) };
      const { level, place } = this.view;
      if (other || level > edges.layers || place >= edges.count(Math.max(level, 0))) Object.assign(this.view, NONE);
      this.spot = null;
      this.doc = data.doc;
      this.find(".first").textContent = `First ${data.first}`;
      this.find(".edited").hidden = !edges.after;
    }
    this.refresh();
  }

  // ---------------------------------------------------------------- controls

  listen() {
    for (const control of this.root.querySelectorAll("[data-choice]")) {
      const name = control.dataset.choice;
      control.oninput = () => this.choose({ [name]: control.type === "checkbox" ? control.checked : Number(control.value) });
    }
    for (const button of this.root.querySelectorAll("[data-side]")) button.onclick = () => this.choose({ side: button.dataset.side });
    this.find("[data-clear]").onclick = () => this.choose(NONE);
    this.canvas.onpointermove = (event) => this.point(this.picture.under(event));
    this.canvas.onpointerleave = () => this.point(null);
    this.canvas.onclick = (event) => this.pick(this.picture.under(event));
    this.canvas.onkeydown = (event) => {
      if (ARROWS[event.key]) this.walk(...ARROWS[event.key]);
      else if (event.key === "Enter" || event.key === " ") this.pick(this.spot);
      else if (event.key === "Escape") this.choose(NONE);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    this.find("details.table").ontoggle = () => this.table();
  }

  // A click picks a node, and the same click again lets it go.
  pick(spot) {
    if (!spot) return;
    this.choose(same(this.view, spot) ? NONE : { level: spot.level, place: spot.place });
  }

  choose(part) {
    Object.assign(this.view, part);
    this.refresh();
    this.put(".spoken", `${this.find(".title").textContent}. ${this.find(".numbers").textContent}`);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.send({ ...this.view }), REST);
  }

  walk(across, down) {
    const { rows } = this.picture;
    const at = this.spot ?? (this.view.level >= 0 ? this.view : this.edges.root(this.view));
    const inside = (k, count) => Math.max(0, Math.min(count - 1, k));
    this.point({
      level: inside(at.level + (this.spot ? across : 0), this.edges.layers + 1),
      place: rows[inside(rows.indexOf(at.place) + (this.spot ? down : 0), rows.length)],
    });
    this.put(".spoken", this.find(".readout").textContent);
  }

  point(spot) {
    if (spot === this.spot || same(this.spot, spot ?? NONE)) return;
    this.spot = spot;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  // ---------------------------------------------------------------- drawing

  refresh() {
    const started = performance.now();
    const { view, edges } = this;
    this.colours = new Colours(this.canvas);
    for (const control of this.root.querySelectorAll("[data-choice]")) {
      const value = view[control.dataset.choice];
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
    }
    for (const button of this.root.querySelectorAll("[data-side]")) {
      button.setAttribute("aria-pressed", String(button.dataset.side === edges.sideOf(view)));
    }
    this.find("[data-clear]").disabled = view.level < 0;
    this.found = edges.drawn(view);
    this.shares = edges.shares(view);
    this.find("output").textContent = (view.least * this.found.reach).toPrecision(2);
    this.put(".title", this.title());
    this.put(".numbers", this.figures());
    this.put(".hiding", this.hiding());
    this.resize();
    this.table();
    this.find(".graph").dataset.refreshed = (performance.now() - started).toFixed(1);
  }

  resize() {
    this.picture.layout(this.find(".large").clientWidth || 480, this.view, this.colours);
    const hint = "Arrow keys choose a token in a layer, Enter shows only its sources, Escape shows all.";
    this.canvas.setAttribute("aria-label", `${this.title()}. ${hint}`);
    this.draw();
  }

  draw() {
    const started = performance.now();
    const { view, found, shares, spot, colours } = this;
    this.picture.draw({ view, found, shares, root: this.edges.root(view), spot, colours });
    this.put(".readout", this.readout());
    const { dataset } = this.find(".graph");
    dataset.drawn = (performance.now() - started).toFixed(1);
    dataset.spot = JSON.stringify(spot);
    dataset.edges = found.edges.length;
  }

  // ---------------------------------------------------------------- words

  put(selector, text) {
    const element = this.find(selector);
    if (element.textContent !== text) element.textContent = text;
  }

  named({ level, place }) {
    const text = `“${this.edges.token({ level, place }).text}”`;
    if (this.edges.part === "cross") return `${text} in the ${level ? "decoder" : "encoder"}`;
    return level ? `${text} after layer ${level - 1}` : `${text} in the input`;
  }

  title() {
    const { view, edges } = this;
    const root = this.named(edges.root(view));
    return view.level === 0 ? `From ${this.named(view)} to ${root}` : `What leads to ${root}`;
  }

  number(value) {
    return value.toFixed(value && value < 0.0995 ? 4 : 3);
  }

  readout() {
    const { spot, edges, view } = this;
    if (!spot) return "Point at a token in a layer; click to see only its sources.";
    const said = [this.named(spot)];
    const root = edges.root(view);
    const share = this.shares[spot.level]?.[spot.place];
    if (share !== undefined && !same(spot, root)) said.push(`${percent(share)} of ${this.named(root)}`);
    const down = edges.strongest(view, spot, spot.level > 0).map(({ place, weight }) => {
      const other = { level: spot.level + (spot.level ? -1 : 1), place };
      return `“${edges.token(other).text}” ${this.number(weight)}`;
    });
    if (down.length) said.push(`${spot.level ? "from" : "to"} ${down.join(", ")}`);
    return said.join(" · ");
  }

  figures() {
    const { edges, found, shares, view } = this;
    const most = found.cut ? ", the strongest" : "";
    const drawn = `${found.edges.length.toLocaleString("en")} of ${found.of.toLocaleString("en")} edges drawn${most}`;
    const single = edges.kind === "flow" && view.level < 0;
    const values = single ? edges.totals[edges.sideOf(view) === "after" ? 1 : 0] : [...shares[0]];
    const best = values.map((value, place) => ({ place, value })).sort((a, b) => b.value - a.value);
    const told = best.filter(({ value }) => value > 0).slice(0, 3).map(({ place, value }) => `“${edges.keys[place].text}” ${single ? this.number(value) : percent(value)}`);
    return `${drawn} · most from the input: ${told.join(", ")}${single ? " (flow)" : ""}`;
  }

  // How much of the root lies with tokens that are not shown.
  hiding() {
    const { edges, view, shares } = this;
    const hidden = [...shares[0]].reduce((sum, share, place) => sum + (edges.shown(view, 0, place) ? 0 : share), 0);
    const all = view.specials && view.first;
    const words = this.bin > 1 ? "One place holds several tokens that follow each other. " : "";
    return words + (all ? "" : `The hidden tokens hold ${percent(hidden)} of ${this.named(edges.root(view))}.`);
  }

  table() {
    if (!this.find("details.table").open) return;
    const { edges, found } = this;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const title of [edges.part === "cross" ? "" : "layer", "attends", "attended to", edges.kind === "flow" ? "flow" : "weight"]) {
      const cell = document.createElement("th");
      Object.assign(cell, { textContent: title, scope: "col" });
      head.append(cell);
    }
    const body = table.createTBody();
    const sorted = [...found.edges].sort((a, b) => b.layer - a.layer || b.weight - a.weight);
    for (const { layer, query, key, weight } of sorted.slice(0, MOST_ROWS)) {
      const row = body.insertRow();
      const texts = [edges.part === "cross" ? "" : layer, edges.queries[query].text, edges.keys[key].text, this.number(weight)];
      for (const text of texts) row.insertCell().textContent = text;
    }
    const rest = found.edges.length - MOST_ROWS;
    const note = document.createElement("p");
    note.textContent = rest > 0 ? `The first ${MOST_ROWS} edges; ${rest} more are in the downloads.` : "";
    this.find(".scroll").replaceChildren(table, note);
  }
}
