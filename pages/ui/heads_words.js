// What is said in words beside the pictures. Put before heads.js, which uses it, by heads.py.

const percent = (share) => `${(100 * share).toFixed(share && share < 0.0995 ? 1 : 0)} %`;

class Words {
  constructor(root, values) {
    this.root = root;
    this.values = values;
  }

  put(selector, text) {
    const element = this.root.querySelector(selector);
    if (element.textContent !== text) element.textContent = text;
    element.hidden = !text;
  }

  title({ layer, head, merge }) {
    const [over, how] = merge.split("-");
    const what = { mean: "Mean", max: "Largest" }[how];
    return {
      one: `Layer ${layer}, head ${head}`,
      heads: `${what} over the heads of layer ${layer}`,
      layers: `${what} over the layers of head ${head}`,
      all: `${what} over all heads`,
    }[over];
  }

  // The value of a cell as it is drawn, with what it was under edits.
  cell(view, { query, key }, sides) {
    const at = query * this.values.keys.length + key;
    const said = (side) => this.number(sides[side][at]);
    const pair = `“${this.values.queries[query].text}” → “${this.values.keys[key].text}”`;
    if (Number.isNaN(sides.before[at])) return `${pair}: hidden by the mask`;
    if (!sides.after) return `${pair}: ${said("before")}`;
    return `${pair}: ${said("before")}, edited ${said("after")} (${this.number(sides.after[at] - sides.before[at], true)})`;
  }

  number(value, sign = false) {
    const digits = Math.abs(value).toFixed(this.values.kind === "weights" ? 3 : 2);
    return `${value < 0 && Number(digits) ? "−" : sign ? "+" : ""}${digits}`;
  }

  // What a chosen token attends to most, or who attends to it most.
  token(view, { query, key }, matrix) {
    const { queries, keys } = this.values;
    const { rows, columns } = this.values.places(view);
    const others = query === null ? rows : columns;
    const value = (k) => matrix[query === null ? k * keys.length + key : query * keys.length + k];
    const best = others.filter((k) => value(k) === value(k)).sort((a, b) => value(b) - value(a)).slice(0, 3);
    const list = best.map((k) => `“${(query === null ? queries : keys)[k].text}” ${this.number(value(k))}`).join(", ");
    return query === null ? `“${keys[key].text}” is attended to by ${list}` : `“${queries[query].text}” attends to ${list}`;
  }

  spot(view, spot, sides, matrix) {
    if (spot.query !== null && spot.key !== null) return this.cell(view, spot, sides);
    if (spot.query !== null || spot.key !== null) return this.token(view, spot, matrix);
    return "Point at a cell or a token; click to keep it.";
  }

  figures(view, sides, bin) {
    if (this.values.kind !== "weights" || (view.merge.endsWith("max") && view.merge !== "one")) return "";
    const [was, now] = [sides.before, sides.after].map((matrix) => matrix && this.values.figures(matrix));
    const both = (name, say) => (now && say(now[name]) !== say(was[name]) ? `${say(was[name])} → ${say(now[name])}` : say(was[name]));
    const bits = (value) => value.toFixed(2);
    const said = [`Entropy ${both("entropy", bits)} bits`, `to the first ${this.values.first} ${both("first", percent)}`];
    if (this.values.part !== "cross") said.push(`to the previous ${both("previous", percent)}`);
    if (this.values.keys.some((token) => token.special)) said.push(`to special tokens ${both("special", percent)}`);
    return `${said.join(" · ")}${bin > 1 ? " (of bins)" : ""}`;
  }

  // What is left out of the picture, and whether the rest was rescaled.
  hiding(view, matrix) {
    if (this.values.kind !== "weights" || this.values.sideOf(view) === "change") return "";
    const share = this.values.shown(view, matrix);
    const whole = view.specials && view.first && (view.block === "all" || !this.values.paired);
    const rows = view.rescale ? "Each row is rescaled to a sum of one." : "Rows are not rescaled.";
    if (whole) return view.rescale ? rows : "";
    return `Shown here: ${percent(share)} of these rows’ attention. ${rows}`;
  }

  key(view, reach, colours) {
    const signed = this.values.signed(view);
    const css = (parts) => `rgb(${parts})`;
    const ends = signed ? [colours.minus, colours.page, colours.plus] : [colours.page, colours.full];
    const strip = document.createElement("i");
    strip.style.background = `linear-gradient(90deg, ${ends.map(css).join(", ")})`;
    const [low, high] = signed ? [`−${reach.toPrecision(2)}`, `+${reach.toPrecision(2)}`] : ["0", reach.toPrecision(2)];
    const scale = view.merge === "one" ? "one scale for all heads" : "a scale of its own";
    const hidden = this.values.masked ? " · dot: hidden by the mask" : "";
    const what = this.values.kind === "scores" ? "score before the softmax " : "";
    this.root.querySelector(".key").replaceChildren(`${what}${low}`, strip, `${high} · ${scale}${hidden}`);
  }

  table(view, cells, { rows, columns }) {
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    const title = (text, scope, row) => {
      const cell = document.createElement("th");
      Object.assign(cell, { textContent: text, scope });
      row.append(cell);
    };
    title("attends ↓, attended to →", "col", head);
    for (const key of columns) title(this.values.keys[key].text, "col", head);
    const body = table.createTBody();
    rows.forEach((query, r) => {
      const row = body.insertRow();
      title(this.values.queries[query].text, "row", row);
      columns.forEach((_, c) => {
        const value = cells[r * columns.length + c];
        row.insertCell().textContent = Number.isFinite(value) ? this.number(value) : value === -Infinity ? "" : "hidden";
      });
    });
    this.root.querySelector(".scroll").replaceChildren(table);
  }
}
