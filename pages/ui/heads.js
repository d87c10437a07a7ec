// All heads of a model: at a glance, and one of them large. Rows attend, columns are attended to.
//
// The numbers come once a run; choosing, filtering and hovering happen here. Once the hand rests, what is chosen goes to
// Python, which keeps it in the address and never sends it back to a place that is already shown.

export default mounted((root) => new Heads(root));

const REST = 250; // ms without a change after which Python is told
const FEW = 16; // tokens up to which both views stand side by side
const NOWHERE = { query: null, key: null };
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

class Heads {
  constructor(root) {
    this.root = root;
    this.values = new Values();
    this.words = new Words(root, this.values);
    const canvas = (name) => this.find(`[data-canvas=${name}]`);
    this.glance = new Glance(canvas("glance"), this.values);
    this.views = { heatmap: new Heatmap(canvas("heatmap"), this.values), lines: new Lines(canvas("lines"), this.values) };
    this.kept = this.spot = NOWHERE; // the token that was clicked, and the one under the pointer or the keys
    this.listen();
    this.watcher = new ResizeObserver(() => this.doc && this.resize());
    this.watcher.observe(this.find(".stage"));
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
    const { values } = this;
    if (data.doc !== this.doc) {
      const other = values.layers !== data.layers || values.heads !== data.heads || values.queries?.length !== data.queries.length;
      values.lay(data);
      this.bin = data.bin;
      if (other) this.kept = this.spot = NOWHERE;
      this.view = { ...(this.doc ? this.view : data.start) };
      this.view.layer = Math.min(this.view.layer, values.layers - 1);
      this.view.head = Math.min(this.view.head, values.heads - 1);
      this.doc = data.doc;
      this.fill();
    }
    this.refresh();
  }

  // ---------------------------------------------------------------- controls

  fill() {
    const { values } = this;
    for (const [name, count] of [["layer", values.layers], ["head", values.heads]]) {
      this.find(`[data-choice=${name}]`).replaceChildren(...Array.from({ length: count }, (_, k) => new Option(k, k)));
    }
    this.find(".first").textContent = `First ${values.first}`;
    this.find(".edited").hidden = !values.after;
    this.find(".pair").hidden = !values.paired;
    this.find(".least").hidden = this.find(".rescale").hidden = values.kind !== "weights";
  }

  listen() {
    for (const control of this.root.querySelectorAll("[data-choice]")) {
      const name = control.dataset.choice;
      control.oninput = () => {
        const number = ["layer", "head", "least"].includes(name) ? Number(control.value) : control.value;
        this.choose({ [name]: control.type === "checkbox" ? control.checked : number });
      };
    }
    for (const name of ["view", "side"]) {
      for (const button of this.root.querySelectorAll(`[data-${name}]`)) {
        button.onclick = () => this.choose({ [name]: button.dataset[name] });
      }
    }
    const { canvas } = this.glance;
    canvas.onclick = (event) => {
      const spot = this.glance.under(event);
      if (spot) this.choose(spot);
    };
    canvas.onkeydown = (event) => this.key(event, ([down, right]) => this.step(down, right));
    for (const view of Object.values(this.views)) {
      view.canvas.onpointermove = (event) => this.point(view.under(event) ?? this.kept);
      view.canvas.onpointerleave = () => this.point(this.kept);
      view.canvas.onclick = (event) => {
        const spot = view.under(event) ?? NOWHERE;
        const again = spot.query === this.kept.query && spot.key === this.kept.key;
        this.kept = again ? NOWHERE : spot;
        this.point(this.kept, true);
      };
      view.canvas.onkeydown = (event) => this.key(event, ([down, right]) => this.walk(view, down, right));
    }
    this.find("details.table").ontoggle = () => this.table();
  }

  key(event, act) {
    if (ARROWS[event.key]) act(ARROWS[event.key]);
    else if (event.key === "Escape") this.point((this.kept = NOWHERE));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  choose(part) {
    Object.assign(this.view, part);
    this.refresh();
    this.words.put(".spoken", `${this.words.title(this.view)}. ${this.find(".numbers").textContent}`);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.send({ ...this.view }), REST);
  }

  step(down, right) {
    const inside = (k, count) => Math.max(0, Math.min(count - 1, k));
    this.choose({
      layer: inside(this.view.layer + down, this.values.layers),
      head: inside(this.view.head + right, this.values.heads),
    });
  }

  // Up and down move the token that attends, left and right the one attended to; in the lines left and right change sides.
  walk(view, down, right) {
    const { rows, columns } = this.places;
    const { query, key } = this.kept;
    const moved = (places, place, by) => places[Math.max(0, Math.min(places.length - 1, places.indexOf(place) + by))] ?? null;
    if (view === this.views.lines) {
      const side = right ? right > 0 : query === null && key !== null;
      const [places, place] = side ? [columns, key ?? query] : [rows, query ?? key];
      const next = moved(places, place, down);
      this.kept = side ? { query: null, key: next } : { query: next, key: null };
    } else {
      this.kept = { query: moved(rows, query, query === null ? 1 : down), key: moved(columns, key, key === null ? 1 : right) };
    }
    this.point(this.kept, true);
  }

  point(spot, aloud = false) {
    const same = spot.query === this.spot.query && spot.key === this.spot.key;
    this.spot = spot;
    if (!same) this.later();
    if (aloud) this.words.put(".spoken", this.words.spot(this.view, spot, this.sides, this.matrix));
  }

  // ---------------------------------------------------------------- drawing

  // Everything anew: another head, other numbers, other filters, another theme.
  refresh() {
    const started = performance.now();
    const { view, values } = this;
    const colours = (this.colours = new Colours(this.glance.canvas));
    if (values.signed(view)) colours.mark = colours.text; // orange says more, then
    this.controls();
    this.places = values.places(view);
    this.sides = { before: values.matrix(view, "before"), after: values.after && values.matrix(view, "after") };
    this.matrix = values.matrix(view);
    this.cells = values.filtered(view, this.matrix, 0, this.places);
    const painted = JSON.stringify([this.doc, colours.page, values.sideOf(view), view.least, view.specials, view.first, view.rescale, view.block]);
    if (painted !== this.painted) this.glance.paint(view, colours);
    this.painted = painted;
    const reach = view.merge === "one" ? this.glance.reach : values.reachOf(view, this.places);
    for (const one of Object.values(this.views)) one.lay(view, this.cells, this.places, reach);
    this.words.put(".title", this.words.title(view));
    this.words.put(".numbers", this.words.figures(view, this.sides, this.bin));
    this.words.put(".hiding", this.words.hiding(view, this.matrix));
    this.words.key(view, reach, colours);
    this.resize();
    this.table();
    this.root.querySelector(".heads").dataset.refreshed = (performance.now() - started).toFixed(1);
  }

  controls() {
    for (const control of this.root.querySelectorAll("[data-choice]")) {
      const value = this.view[control.dataset.choice];
      if (control.type === "checkbox") control.checked = value;
      else control.value = value;
    }
    this.find("output").textContent = Number(this.view.least).toFixed(2);
    for (const name of ["view", "side"]) {
      for (const button of this.root.querySelectorAll(`[data-${name}]`)) {
        button.setAttribute("aria-pressed", String(button.dataset[name] === this.view[name]));
      }
    }
  }

  resize() {
    const { view, views } = this;
    this.glance.layout(this.find(".glance").clientWidth || 360);
    const wide = this.find(".large").clientWidth || 480;
    const beside = view.view === "both" && wide > 500 && this.places.columns.length <= FEW;
    const room = beside ? Math.floor((wide - 16) / 2) : wide;
    const title = this.words.title(view);
    this.glance.canvas.setAttribute("aria-label", `All heads; chosen: ${title}. Arrow keys choose another.`);
    for (const [name, one] of Object.entries(views)) {
      one.canvas.hidden = view.view !== "both" && view.view !== name;
      one.canvas.setAttribute("aria-label", `${title} as ${name === "lines" ? "lines between tokens" : "a heatmap"}. Arrow keys choose tokens.`);
      if (!one.canvas.hidden) one.layout(room, this.colours);
    }
    this.draw();
  }

  later() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const started = performance.now();
    this.glance.draw(this.view, this.spot, this.colours);
    for (const one of Object.values(this.views)) if (!one.canvas.hidden) one.draw(this.spot, this.colours);
    this.find(".readout").textContent = this.words.spot(this.view, this.spot, this.sides, this.matrix);
    const { dataset } = this.root.querySelector(".heads");
    dataset.drawn = (performance.now() - started).toFixed(1);
    dataset.spot = JSON.stringify(this.spot);
  }

  table() {
    if (this.find("details.table").open) this.words.table(this.view, this.cells, this.places);
  }
}
