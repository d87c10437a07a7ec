// One head large: as a heatmap, and as lines between two columns of tokens.
// Put before heads.js, which uses it, by heads.py.

const SLANT = 24; // px by which the last column's label leans out to the right
const LARGEST_CELL = 34;
const FAINT = 0.02; // a line paler than this is not drawn

class Large {
  constructor(canvas, values) {
    this.canvas = canvas;
    this.values = values;
  }

  // What is drawn: filtered cells and which tokens they belong to.
  lay(view, cells, places, reach) {
    Object.assign(this, { cells, places, reach });
    this.signed = this.values.signed(view);
  }

  widest(pen, font) {
    pen.font = font;
    const texts = [...this.values.queries, ...this.values.keys].map((token) => token.text);
    return Math.max(...texts.map((text) => pen.measureText(text).width));
  }

  // A label, the chosen token's in bold on a ground of its own so that it can be read over its neighbours.
  label(text, room, x, y, chosen, colours, size) {
    const { pen } = this;
    pen.font = `${chosen ? "bold " : ""}${size}px ${colours.font}`;
    const word = clipped(pen, text, room);
    if (chosen) {
      const width = pen.measureText(word).width;
      pen.fillStyle = `rgb(${colours.page})`;
      pen.fillRect(pen.textAlign === "right" ? x - width - 1 : x - 1, y - size * 0.65, width + 2, size * 1.3);
    }
    pen.fillStyle = chosen ? colours.mark : colours.text;
    pen.fillText(word, x, y);
  }

  // The positions between which the texts of a pair, or a text and its special tokens, part.
  borders(tokens, places) {
    if (!this.values.paired) return [];
    return [...places.keys()].filter((k) => k && tokens[places[k]].segment !== tokens[places[k - 1]].segment);
  }
}

class Heatmap extends Large {
  layout(room, colours) {
    const [down, across] = [this.places.rows.length, this.places.columns.length];
    const pen = this.canvas.getContext("2d");
    this.left = Math.ceil(Math.min(this.widest(pen, `bold 13px ${colours.font}`) + 10, room * 0.26, 120));
    this.top = Math.ceil(this.left * 0.87) + 8;
    const side = (room - this.left - SLANT) / Math.max(across, 1);
    this.cell = Math.min(LARGEST_CELL, side > 6 ? Math.floor(side) : side);
    const width = Math.min(room, this.left + this.cell * across + Math.max(SLANT, this.left / 2));
    this.pen = fit(this.canvas, width, this.top + this.cell * down + 2);
    this.width = width;
    this.height = this.top + this.cell * down + 2;
    this.canvas.dataset.geometry = JSON.stringify({ left: this.left, top: this.top, cell: this.cell });
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const index = (offset, start, places) => (offset < start ? null : (places[Math.floor((offset - start) / this.cell)] ?? undefined));
    const key = index(event.clientX - box.left, this.left, this.places.columns);
    const query = index(event.clientY - box.top, this.top, this.places.rows);
    return query === undefined || key === undefined || (query === null && key === null) ? null : { query, key };
  }

  draw(spot, colours) {
    const { pen, cell, left, top, cells } = this;
    const { rows, columns } = this.places;
    pen.clearRect(0, 0, this.width, this.height);
    this.labels(spot, colours);
    const side = cell - (cell > 9 ? 1 : 0);
    for (let row = 0; row < rows.length; row += 1) {
      for (let column = 0; column < columns.length; column += 1) {
        const value = cells[row * columns.length + column];
        const [x, y] = [left + column * cell, top + row * cell];
        if (value !== value) {
          const dot = Math.max(1, cell * 0.2); // hidden by the mask
          pen.fillStyle = colours.line;
          pen.fillRect(x + (cell - dot) / 2, y + (cell - dot) / 2, dot, dot);
        } else if (value !== -Infinity) {
          pen.fillStyle = `rgb(${colours.of(value / this.reach, this.signed)})`;
          pen.fillRect(x, y, side, side);
        }
      }
    }
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.strokeRect(left - 1.5, top - 1.5, columns.length * cell + 2, rows.length * cell + 2);
    this.cross(spot, colours);
  }

  cross({ query, key }, colours) {
    const { pen, cell, left, top } = this;
    const { rows, columns } = this.places;
    const [wide, high] = [columns.length * cell, rows.length * cell];
    pen.lineWidth = 1;
    pen.strokeStyle = colours.text;
    for (const k of this.borders(this.values.queries, rows)) stroke(pen, left, top + k * cell, left + wide, top + k * cell);
    for (const k of this.borders(this.values.keys, columns)) stroke(pen, left + k * cell, top, left + k * cell, top + high);
    const [row, column] = [rows.indexOf(query), columns.indexOf(key)];
    pen.strokeStyle = colours.mark;
    pen.lineWidth = 1.5;
    if (row >= 0) pen.strokeRect(left - 1, top + row * cell - 1, wide + 1, cell + 1);
    if (column >= 0) pen.strokeRect(left + column * cell - 1, top - 1, cell + 1, high + 1);
  }

  labels(spot, colours) {
    const { pen, cell, left, top } = this;
    const size = Math.max(10, Math.min(13, cell - 1));
    const every = Math.ceil((size + 1) / cell); // where labels would overlap, every second one
    const put = (tokens, places, chosen, across) => {
      const draw = (k, bold) => {
        const middle = (k + 0.5) * cell;
        pen.save();
        pen.textBaseline = "middle";
        pen.textAlign = across ? "left" : "right";
        pen.translate(...(across ? [left + middle, top - 6] : [left - 6, top + middle]));
        if (across) pen.rotate(-Math.PI / 3);
        this.label(tokens[places[k]].text, left - 8, 0, 0, bold, colours, size);
        pen.restore();
      };
      for (let k = 0; k < places.length; k += every) if (places[k] !== chosen) draw(k, false);
      if (places.includes(chosen)) draw(places.indexOf(chosen), true);
    };
    put(this.values.queries, this.places.rows, spot.query, false);
    put(this.values.keys, this.places.columns, spot.key, true);
  }
}

class Lines extends Large {
  layout(room, colours) {
    const { rows, columns } = this.places;
    const most = Math.max(rows.length, columns.length, 1);
    const pen = this.canvas.getContext("2d");
    this.column = Math.ceil(Math.max(76, Math.min(this.widest(pen, `bold 13px ${colours.font}`) + 14, room * 0.33, 150)));
    this.step = most > 40 ? 13 : most > 24 ? 16 : 22;
    this.width = Math.min(room, 2 * this.column + 320);
    this.height = EDGE + most * this.step + 4;
    this.pen = fit(this.canvas, this.width, this.height);
    this.canvas.dataset.geometry = JSON.stringify({ column: this.column, top: EDGE, step: this.step });
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, row] = [event.clientX - box.left, Math.floor((event.clientY - box.top - EDGE) / this.step)];
    if (x <= this.column + 6 && this.places.rows[row] !== undefined) return { query: this.places.rows[row], key: null };
    const right = x >= this.width - this.column - 6;
    return right && this.places.columns[row] !== undefined ? { query: null, key: this.places.columns[row] } : null;
  }

  middle(k) {
    return EDGE + (k + 0.5) * this.step;
  }

  draw(spot, colours) {
    const { pen } = this;
    pen.clearRect(0, 0, this.width, this.height);
    pen.lineCap = "round";
    this.strands(spot, colours);
    this.tokens(spot, colours);
    pen.globalAlpha = 1;
  }

  // The lines, those of the chosen token alone where one is chosen: of one that attends or of one attended to.
  strands(spot, colours) {
    const { pen, cells, reach, signed } = this;
    const { rows, columns } = this.places;
    const [start, end] = [this.column, this.width - this.column];
    const one = rows.includes(spot.query) || columns.includes(spot.key);
    for (let row = 0; row < rows.length; row += 1) {
      for (let column = 0; column < columns.length; column += 1) {
        const share = cells[row * columns.length + column] / reach;
        if (!Number.isFinite(share)) continue;
        const mine = !one || rows[row] === spot.query || columns[column] === spot.key;
        const both = one && rows[row] === spot.query && columns[column] === spot.key;
        const alpha = Math.min(1, Math.abs(share)) * (mine ? 1 : 0.06);
        if (alpha < FAINT) continue;
        pen.globalAlpha = alpha;
        pen.strokeStyle = both ? colours.mark : `rgb(${!signed ? colours.full : share < 0 ? colours.minus : colours.plus})`;
        pen.lineWidth = both ? 4 : 2;
        stroke(pen, start, this.middle(row), end, this.middle(column));
      }
    }
    pen.globalAlpha = 1;
  }

  tokens(spot, colours) {
    const { pen, column, width } = this;
    const { rows, columns } = this.places;
    const size = Math.max(10, Math.min(13, this.step - 3));
    pen.font = `11px ${colours.font}`;
    pen.fillStyle = colours.text;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    pen.fillText("attends", column - 6, EDGE / 2);
    pen.textAlign = "left";
    pen.fillText("attended to", width - column + 6, EDGE / 2);
    pen.textAlign = "right";
    rows.forEach((place, k) => this.label(this.values.queries[place].text, column - 10, column - 6, this.middle(k), place === spot.query, colours, size));
    pen.textAlign = "left";
    columns.forEach((place, k) => this.label(this.values.keys[place].text, column - 10, width - column + 6, this.middle(k), place === spot.key, colours, size));
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    const edge = (k) => EDGE + k * this.step;
    for (const k of this.borders(this.values.queries, rows)) stroke(pen, 0, edge(k), column, edge(k));
    for (const k of this.borders(this.values.keys, columns)) stroke(pen, width - column, edge(k), width, edge(k));
  }
}
