// A picture whose patches can be painted: attention to them is lowered or raised. The painting is sent as a whole when the hand
// rests; what comes back says what the model answers now.

export default mounted((root) => new Brush(root), "painting");

const REST = 120; // ms without a change after which Python is told
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const SIGNS = { "-1": "lowered", 0: "as it is", 1: "raised" };

class Brush {
  constructor(root) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.picture = new Image();
    this.picture.onload = () => this.draw();
    Object.assign(this, { doc: null, sign: -1, size: 1, painted: new Map(), past: [], cursor: 0, hand: null, seq: 0, ack: 0 });
    this.listen();
    this.watcher = new ResizeObserver(() => this.doc && this.draw());
    this.watcher.observe(this.find(".stage"));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.rest);
  }

  receive(data) {
    if (data.doc !== this.doc) {
      Object.assign(this, { doc: data.doc, data, past: [], hand: null, cursor: 0 });
      this.painted = new Map(data.painted);
      this.seq = data.ack;
      this.picture.src = data.picture;
    }
    this.data = data;
    this.ack = data.ack;
    this.find(".now").textContent = data.verdict;
    if (this.heard !== data.verdict && this.ack >= this.seq) this.say(data.verdict);
    this.heard = data.verdict;
    this.draw();
  }

  listen() {
    const { canvas } = this;
    const brushes = [...this.root.querySelectorAll("[data-brush]")];
    for (const button of brushes) {
      button.onclick = () => {
        this.sign = Number(button.dataset.brush);
        for (const one of brushes) one.setAttribute("aria-pressed", String(one === button));
      };
    }
    this.find("input").oninput = (event) => {
      this.size = Number(event.target.value);
      this.find("output").textContent = event.target.value;
    };
    this.find("[data-do=undo]").onclick = () => this.undo();
    this.find("[data-do=reset]").onclick = () => this.change(() => this.painted.clear());
    canvas.onpointerdown = (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      this.hand = { before: new Map(this.painted), at: this.spot(event) };
      this.stroke(this.hand.at);
    };
    canvas.onpointermove = (event) => {
      const to = this.spot(event);
      if (this.hand) this.stroke(to);
      else this.cursor = this.under(to) ?? this.cursor;
      this.draw();
    };
    canvas.onpointerup = canvas.onpointercancel = canvas.onlostpointercapture = () => this.lift();
    canvas.onfocus = canvas.onblur = () => this.draw();
    canvas.onkeydown = (event) => this.key(event);
  }

  key(event) {
    if (ARROWS[event.key]) this.walk(...ARROWS[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.change(() => this.dab(this.cursor, this.sign));
    else if (event.key === "Delete" || event.key === "Backspace") this.change(() => this.dab(this.cursor, 0));
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(down, across) {
    const { rows, columns } = this.data;
    const row = Math.max(0, Math.min(rows - 1, Math.floor(this.cursor / columns) + down));
    const column = Math.max(0, Math.min(columns - 1, (this.cursor % columns) + across));
    this.cursor = row * columns + column;
    this.draw();
    this.say(this.told(this.cursor));
  }

  // ---------------------------------------------------------------- painting

  // Where the pointer is, as shares of the picture.
  spot(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  under([x, y]) {
    const found = this.data.boxes.findIndex(([left, top, right, bottom]) => x >= left && x < right && y >= top && y < bottom);
    return found < 0 ? null : found;
  }

  // From where the hand was to where it is, in steps shorter than a patch.
  stroke(to) {
    const [x, y] = this.hand.at;
    const steps = Math.ceil(2 * Math.max(this.data.columns, this.data.rows) * Math.hypot(to[0] - x, to[1] - y)) + 1;
    for (let k = 1; k <= steps; k += 1) {
      const place = this.under([x + ((to[0] - x) * k) / steps, y + ((to[1] - y) * k) / steps]);
      if (place !== null) this.dab(place, this.sign);
    }
    this.hand.at = to;
    this.draw();
  }

  lift() {
    if (!this.hand) return;
    const { before } = this.hand;
    this.hand = null;
    this.keep(before);
  }

  change(what) {
    const before = new Map(this.painted);
    what();
    this.keep(before);
  }

  keep(before) {
    if (same(before, this.painted)) return;
    this.past.push(before);
    this.tell();
  }

  undo() {
    if (!this.past.length) return;
    this.painted = this.past.pop();
    this.tell();
  }

  dab(place, sign) {
    const { columns, rows } = this.data;
    const [row, column] = [Math.floor(place / columns), place % columns];
    const reach = this.size - 1;
    for (let r = Math.max(0, row - reach); r <= Math.min(rows - 1, row + reach); r += 1) {
      for (let c = Math.max(0, column - reach); c <= Math.min(columns - 1, column + reach); c += 1) {
        if (sign) this.painted.set(r * columns + c, sign);
        else this.painted.delete(r * columns + c);
      }
    }
    this.cursor = place;
  }

  tell() {
    this.draw();
    this.say(this.count());
    clearTimeout(this.rest);
    this.rest = setTimeout(() => {
      this.seq += 1;
      this.draw();
      this.send({ doc: this.doc, seq: this.seq, painted: [...this.painted] });
    }, REST);
  }

  // ---------------------------------------------------------------- words

  say(text) {
    this.find(".spoken").textContent = text;
  }

  told(place) {
    return `${this.data.names[place]}: ${SIGNS[this.painted.get(place) ?? 0]}`;
  }

  count() {
    const signs = [...this.painted.values()];
    const [up, down] = [1, -1].map((sign) => signs.filter((one) => one === sign).length);
    return `${down} ${down === 1 ? "patch" : "patches"} lowered, ${up} raised`;
  }

  // ---------------------------------------------------------------- drawing

  draw() {
    if (!this.data) return;
    const { data, canvas, painted } = this;
    const width = Math.min(this.find(".stage").clientWidth || 320, 480);
    const height = Math.round((width * data.height) / data.width);
    const pen = fit(canvas, width, height);
    const colours = new Colours(canvas);
    const root = this.find(".brush").style;
    for (const way of ["plus", "minus"]) root.setProperty(`--${way}`, `rgb(${colours[way]})`);
    pen.imageSmoothingEnabled = false;
    if (this.picture.complete && this.picture.naturalWidth) pen.drawImage(this.picture, 0, 0, width, height);
    data.boxes.forEach(([left, top, right, bottom], place) => {
      const box = [left * width, top * height, (right - left) * width, (bottom - top) * height];
      const sign = painted.get(place);
      if (sign) {
        pen.fillStyle = `rgba(${sign > 0 ? colours.plus : colours.minus}, 0.72)`;
        pen.fillRect(...box);
        pen.fillStyle = colours.dark ? "#111" : "#fff";
        pen.font = `${Math.max(8, 0.42 * box[3])}px sans-serif`;
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        pen.fillText(sign > 0 ? "▲" : "▼", box[0] + box[2] / 2, box[1] + box[3] / 2);
      }
      pen.strokeStyle = "rgba(127, 127, 127, 0.35)";
      pen.lineWidth = 1;
      pen.strokeRect(...box);
    });
    const [left, top, right, bottom] = data.boxes[this.cursor] ?? data.boxes[0];
    pen.strokeStyle = colours.mark;
    pen.lineWidth = 3;
    pen.strokeRect(left * width + 1.5, top * height + 1.5, (right - left) * width - 3, (bottom - top) * height - 3);
    canvas.setAttribute("aria-label", `${data.label}. ${this.count()}. Arrow keys move, Enter paints, Delete erases, Control Z undoes.`);
    this.find(".readout").textContent = this.told(this.cursor);
    this.find(".now").classList.toggle("waiting", this.ack < this.seq);
    this.find("[data-do=undo]").disabled = !this.past.length;
    this.find("[data-do=reset]").disabled = !painted.size;
    Object.assign(this.find(".brush").dataset, { painted: painted.size, settled: String(this.ack >= this.seq) });
  }
}

function same(one, two) {
  return one.size === two.size && [...one].every(([place, sign]) => two.get(place) === sign);
}
