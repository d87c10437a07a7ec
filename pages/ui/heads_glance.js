// Small maps of all heads in one canvas.
// Put before heads.js, which uses it, by heads.py.

const EDGE = 22; // px for the numbers of layers and heads
const GAP = 3; // px between small maps
const LARGEST_MAP = 64;

class Glance {
  constructor(canvas, values) {
    this.canvas = canvas;
    this.values = values;
    this.sheet = document.createElement("canvas"); // all maps, one pixel a cell
  }

  // The pixels of all heads, anew where the numbers, the filters or the colours changed.
  paint(view, colours) {
    const { values } = this;
    const places = values.places(view);
    const [across, down] = [places.columns.length, places.rows.length];
    this.places = places;
    this.reach = 1;
    this.sheet.width = Math.max(1, across * values.heads);
    this.sheet.height = Math.max(1, down * values.layers);
    if (!across || !down) return;
    const [from, signed, reach] = [values.of(values.sideOf(view)), values.signed(view), values.reach(view, places)];
    this.reach = reach;
    const pen = this.sheet.getContext("2d");
    const picture = pen.createImageData(this.sheet.width, this.sheet.height);
    const pixels = picture.data;
    for (let number = 0; number < values.layers * values.heads; number += 1) {
      const cells = values.filtered(view, from, number * values.size, places);
      const [top, left] = [Math.floor(number / values.heads) * down, (number % values.heads) * across];
      for (let row = 0; row < down; row += 1) {
        let at = 4 * ((top + row) * this.sheet.width + left);
        for (let column = 0; column < across; column += 1) {
          const colour = colours.of(cells[row * across + column] / reach, signed);
          pixels[at] = colour[0];
          pixels[at + 1] = colour[1];
          pixels[at + 2] = colour[2];
          pixels[at + 3] = 255;
          at += 4;
        }
      }
    }
    pen.putImageData(picture, 0, 0);
  }

  layout(room) {
    const { layers, heads } = this.values;
    this.side = Math.max(6, Math.min(LARGEST_MAP, Math.floor((room - EDGE) / heads) - GAP));
    this.pen = fit(this.canvas, EDGE + heads * (this.side + GAP), EDGE + layers * (this.side + GAP));
    this.canvas.dataset.geometry = JSON.stringify({ left: EDGE, top: EDGE, step: this.side + GAP });
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const index = (offset) => Math.floor((offset - EDGE) / (this.side + GAP));
    const [head, layer] = [index(event.clientX - box.left), index(event.clientY - box.top)];
    const inside = head >= 0 && layer >= 0 && head < this.values.heads && layer < this.values.layers;
    return inside ? { layer, head } : null;
  }

  corner(layer, head) {
    return [EDGE + head * (this.side + GAP), EDGE + layer * (this.side + GAP)];
  }

  draw(view, spot, colours) {
    const { pen, side, values, places } = this;
    const { layers, heads } = values;
    const [across, down] = [places.columns.length, places.rows.length];
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.numbers(colours);
    pen.imageSmoothingEnabled = across > side;
    pen.imageSmoothingQuality = "high";
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    for (let layer = 0; layer < layers; layer += 1) {
      for (let head = 0; head < heads; head += 1) {
        const [x, y] = this.corner(layer, head);
        if (across && down) pen.drawImage(this.sheet, head * across, layer * down, across, down, x, y, side, side);
        pen.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
      }
    }
    this.token(spot, colours);
    pen.strokeStyle = colours.mark;
    pen.lineWidth = 2.5;
    const all = values.members(view);
    const [x, y] = this.corner(Math.floor(all[0] / heads), all[0] % heads);
    const [right, bottom] = this.corner(Math.floor(all.at(-1) / heads), all.at(-1) % heads);
    pen.strokeRect(x - 1, y - 1, right - x + side + 2, bottom - y + side + 2);
  }

  // The chosen token's row and column stand out in every map: the rest is paler.
  token({ query, key }, colours) {
    const { pen, side, places } = this;
    const row = places.rows.indexOf(query);
    const column = places.columns.indexOf(key);
    const [high, wide] = [side / places.rows.length, side / places.columns.length];
    if (row < 0 && column < 0) return;
    const parts = (place, size) => (place < 0 ? [[0, side]] : [[0, place * size], [(place + 1) * size, side]]);
    pen.fillStyle = `rgb(${colours.page})`;
    pen.globalAlpha = 0.72;
    for (let layer = 0; layer < this.values.layers; layer += 1) {
      for (let head = 0; head < this.values.heads; head += 1) {
        const [x, y] = this.corner(layer, head);
        for (const [top, bottom] of parts(row, high)) {
          for (const [left, right] of parts(column, wide)) pen.fillRect(x + left, y + top, right - left, bottom - top);
        }
      }
    }
    pen.globalAlpha = 1;
  }

  numbers(colours) {
    const { pen, side } = this;
    const every = Math.ceil(15 / (side + GAP));
    pen.font = `11px ${colours.font}`;
    pen.fillStyle = colours.text;
    pen.textBaseline = "middle";
    for (let head = 0; head < this.values.heads; head += every) {
      pen.textAlign = "center";
      pen.fillText(head, this.corner(0, head)[0] + side / 2, EDGE - 10);
    }
    for (let layer = 0; layer < this.values.layers; layer += every) {
      pen.textAlign = "right";
      pen.fillText(layer, EDGE - 6, this.corner(layer, 0)[1] + side / 2);
    }
  }
}
