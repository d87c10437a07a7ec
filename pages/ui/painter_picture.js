// How the painting looks: a canvas with the cells, their labels, what was painted, and where the keyboard is.
// Put before painter.js, which uses it, by painter.py.

const LARGEST_CELL = 36;
const ROOM_FOR_TRIANGLE = 13; // px of a cell
const SLANT = 24; // px by which the last column's label leans out to the right

class Picture {
  constructor(root, cells) {
    this.root = root;
    this.cells = cells;
    this.canvas = root.querySelector("canvas");
    this.pen = this.canvas.getContext("2d");
    this.tokens = [];
    this.cursor = { query: 0, key: 0 };
  }

  colours() {
    const style = getComputedStyle(this.canvas);
    const of = (name) => style.getPropertyValue(`--st-${name}`).trim();
    const page = rgb(of("background-color")) ?? [255, 255, 255];
    const painted = sum(page) < 384 ? "#ffaa54" : "#b35806";
    this.root.querySelector(".painter").style.setProperty("--painted", painted);
    return {
      page,
      painted,
      full: rgb(of("primary-color")) ?? [8, 81, 156],
      text: of("text-color") || "#222",
      line: of("border-color") || "#ccc",
      font: of("font") || "sans-serif",
    };
  }

  layout() {
    const room = Math.max(240, this.root.querySelector(".stage").clientWidth || 480);
    const n = this.tokens.length;
    this.pen.font = `13px ${this.colours().font}`;
    const widest = Math.max(...this.tokens.map((token) => this.pen.measureText(token).width));
    this.left = Math.ceil(Math.min(widest + 10, room * 0.24, 110));
    this.top = Math.ceil(this.left * 0.87) + 8;
    this.cell = Math.max(6, Math.min(LARGEST_CELL, Math.floor((room - this.left - SLANT) / n)));
    this.width = Math.min(room, this.left + this.cell * n + Math.max(SLANT, this.left / 2));
    this.height = this.top + this.cell * n + 2;
    const ratio = window.devicePixelRatio || 1;
    const geometry = JSON.stringify({ left: this.left, top: this.top, cell: this.cell, tokens: n });
    const size = `${geometry} ${this.width} ${ratio}`;
    if (size !== this.size) {
      this.size = size;
      this.canvas.width = this.width * ratio;
      this.canvas.height = this.height * ratio;
      this.canvas.style.width = `${this.width}px`;
      this.canvas.style.height = `${this.height}px`;
      this.canvas.dataset.geometry = geometry;
      this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.draw();
  }

  // Which cell or label is under the pointer: query and key, one of them null on a label.
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const index = (offset, start) => (offset < start ? null : Math.floor((offset - start) / this.cell));
    const key = index(event.clientX - box.left, this.left);
    const query = index(event.clientY - box.top, this.top);
    const inside = [query, key].every((k) => k === null || k < this.tokens.length);
    return inside && !(query === null && key === null) ? { query, key } : null;
  }

  draw() {
    if (!this.tokens.length) return;
    const colours = this.colours();
    this.pen.clearRect(0, 0, this.width, this.height);
    this.drawLabels(colours);
    this.drawCells(colours);
    this.drawPainted(colours);
    if (this.root.activeElement === this.canvas) this.drawCursor(colours);
  }

  drawLabels({ text, font }) {
    const { pen, cell, left, top } = this;
    const size = Math.max(10, Math.min(13, cell - 1));
    const every = Math.ceil((size + 1) / cell); // where labels would overlap, every second one
    pen.font = `${size}px ${font}`;
    pen.fillStyle = text;
    pen.textBaseline = "middle";
    for (let k = 0; k < this.tokens.length; k += every) {
      const middle = (k + 0.5) * cell;
      pen.textAlign = "right";
      pen.fillText(this.clipped(this.tokens[k], left - 8), left - 6, top + middle);
      pen.save();
      pen.translate(left + middle, top - 5);
      pen.rotate(-Math.PI / 3);
      pen.textAlign = "left";
      pen.fillText(this.clipped(this.tokens[k], left), 0, 0);
      pen.restore();
    }
  }

  clipped(word, room) {
    if (this.pen.measureText(word).width <= room) return word;
    let end = word.length;
    while (end > 1 && this.pen.measureText(`${word.slice(0, end)}…`).width > room) end -= 1;
    return `${word.slice(0, end)}…`;
  }

  corner(query, key) {
    return [this.left + key * this.cell, this.top + query * this.cell];
  }

  gap() {
    return this.cell > 9 ? 1 : 0;
  }

  drawCells({ page, full, line }) {
    const { pen, cell, cells } = this;
    const side = cell - this.gap();
    for (let query = 0; query < cells.n; query += 1) {
      const row = cells.row(query);
      for (let key = 0; key < cells.n; key += 1) {
        const [x, y] = this.corner(query, key);
        if (cells.seen(query, key)) {
          pen.fillStyle = mixed(page, full, row[key]);
          pen.fillRect(x, y, side, side);
          pen.strokeStyle = line;
          pen.lineWidth = 0.5;
          if (side < cell) pen.strokeRect(x + 0.25, y + 0.25, side - 0.5, side - 0.5);
        } else {
          const dot = Math.max(2, cell * 0.2);
          pen.fillStyle = line;
          pen.fillRect(x + (cell - dot) / 2, y + (cell - dot) / 2, dot, dot);
        }
      }
    }
  }

  // Painted cells have an outline and a triangle: colour is never the only sign.
  drawPainted({ painted }) {
    const { pen, cell, cells } = this;
    const side = cell - this.gap();
    pen.strokeStyle = pen.fillStyle = painted;
    pen.lineWidth = cell >= ROOM_FOR_TRIANGLE ? 2 : 1;
    for (const [query, key, value] of cells.all()) {
      const [x, y] = this.corner(query, key);
      pen.strokeRect(x + 1, y + 1, side - 2, side - 2);
      if (cell < ROOM_FOR_TRIANGLE) continue;
      const half = Math.min(4, cell / 5);
      const [cx, cy] = [x + side - 3 - half, y + 3 + half];
      const tip = value >= cells.was(query, key) ? -half : half;
      pen.beginPath();
      pen.moveTo(cx, cy + tip);
      pen.lineTo(cx - half, cy - tip);
      pen.lineTo(cx + half, cy - tip);
      pen.fill();
    }
  }

  drawCursor({ text }) {
    const { pen, cell } = this;
    const [x, y] = this.corner(this.cursor.query, this.cursor.key);
    pen.strokeStyle = text;
    pen.lineWidth = 2;
    pen.setLineDash([4, 3]);
    pen.strokeRect(x - 1, y - 1, cell + 1, cell + 1);
    pen.setLineDash([]);
  }
}

// From the page's colour to the full one; the root spreads small weights, of which there are many.
function mixed(page, full, weight) {
  const depth = Math.sqrt(Math.max(0, Math.min(1, weight)));
  return `rgb(${page.map((part, k) => Math.round(part + (full[k] - part) * depth))})`;
}
