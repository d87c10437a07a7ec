// The drawing of the graph: tokens down, layers across, the input on the left.
// Put before graph.js, which uses it, by graph.py.

const TOP = 26; // px for the names of the layers
const NARROW = 620; // px below which the tokens stand on the left alone

class Picture {
  constructor(canvas, edges) {
    this.canvas = canvas;
    this.edges = edges;
    this.sheet = document.createElement("canvas");
  }

  layout(room, view, colours) {
    const { edges, canvas } = this;
    const pen = canvas.getContext("2d");
    pen.font = `bold 13px ${colours.font}`;
    const widest = Math.max(...[...edges.keys, ...edges.queries].map((token) => pen.measureText(token.text).width));
    this.label = Math.ceil(Math.min(widest + 14, room * 0.26, 130));
    this.rows = [...Array(Math.max(edges.queries.length, edges.keys.length)).keys()].filter(
      (place) => [0, edges.layers].some((level) => place < edges.count(level) && edges.shown(view, level, place)),
    );
    this.step = this.rows.length > 40 ? 14 : this.rows.length > 20 ? 19 : 27;
    const right = room > NARROW || edges.part === "cross" ? this.label : 14;
    this.width = Math.min(room, this.label + right + 40 + edges.layers * (edges.part === "cross" ? 420 : 150));
    this.across = (this.width - this.label - right - 16) / edges.layers;
    this.right = right;
    this.height = TOP + this.rows.length * this.step + 6;
    this.pen = fit(canvas, this.width, this.height);
    this.painted = null;
    canvas.dataset.geometry = JSON.stringify({ left: this.label + 8, top: TOP, across: this.across, step: this.step, rows: this.rows });
  }

  x(level) {
    return this.label + 8 + level * this.across;
  }

  y(place) {
    return TOP + (this.rows.indexOf(place) + 0.5) * this.step;
  }

  // The node nearest to the pointer, if it is near; labels count as their nodes.
  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const level = Math.max(0, Math.min(this.edges.layers, Math.round((event.clientX - box.left - this.x(0)) / this.across)));
    const place = this.rows[Math.floor((event.clientY - box.top - TOP) / this.step)];
    return place === undefined || place >= this.edges.count(level) ? null : { level, place };
  }

  draw({ view, found, shares, root, spot, colours }) {
    const { pen } = this;
    pen.clearRect(0, 0, this.width, this.height);
    this.names(colours);
    if (this.painted !== found) this.lines(found, colours);
    this.painted = found;
    pen.drawImage(this.sheet, 0, 0, this.width, this.height);
    this.nodes(view, shares, root, spot, colours);
    this.tokens(view, shares, root, spot, colours);
  }

  names(colours) {
    const { pen, edges } = this;
    pen.font = `11px ${colours.font}`;
    pen.fillStyle = colours.text;
    pen.textBaseline = "middle";
    pen.textAlign = "center";
    const every = Math.ceil(24 / this.across);
    for (let level = 0; level <= edges.layers; level += 1) {
      const cross = level ? "decoder" : "encoder";
      const name = edges.part === "cross" ? cross : level ? level - 1 : "input";
      if (level % every === 0 || level === edges.layers) pen.fillText(name, this.x(level), TOP / 2);
    }
  }

  // The lines, on a sheet of their own: they stay while the pointer moves.
  lines({ edges, reach }, colours) {
    const pen = fit(this.sheet, this.width, this.height);
    pen.lineCap = "round";
    pen.strokeStyle = `rgb(${colours.full})`;
    for (const { layer, query, key, weight } of edges) {
      const share = Math.min(1, weight / reach);
      pen.globalAlpha = 0.12 + 0.78 * share;
      pen.lineWidth = 0.6 + 4.4 * share;
      stroke(pen, this.x(layer), this.y(key), this.x(layer + 1), this.y(query));
    }
  }

  nodes(view, shares, root, spot, colours) {
    const { pen, edges } = this;
    const radius = Math.max(2.5, Math.min(6, this.step * 0.3, this.across * 0.3));
    for (let level = 0; level <= edges.layers; level += 1) {
      const most = Math.max(...(shares[level] ?? [0]));
      for (const place of this.rows) {
        if (place >= edges.count(level) || !edges.shown(view, level, place)) continue;
        const share = most > 0 ? (shares[level]?.[place] ?? 0) / most : 0;
        const marked = same(spot, { level, place }) || same(root, { level, place }) || same(view, { level, place });
        pen.beginPath();
        pen.arc(this.x(level), this.y(place), same(spot, { level, place }) ? radius + 2 : radius, 0, 2 * Math.PI);
        pen.fillStyle = `rgb(${colours.of(share * share)})`;
        pen.fill();
        pen.strokeStyle = marked ? colours.mark : colours.line;
        pen.lineWidth = marked ? 2.5 : 1;
        pen.stroke();
      }
    }
  }

  // The tokens on both sides; below those of the input a bar says how much of the root they hold.
  tokens(view, shares, root, spot, colours) {
    const { pen, edges } = this;
    const size = Math.max(10, Math.min(13, this.step - 4));
    const most = Math.max(...shares[0]) || 1;
    for (const place of this.rows) {
      for (const level of this.right > 14 ? [0, edges.layers] : [0]) {
        if (place >= edges.count(level) || !edges.shown(view, level, place)) continue;
        const bold = spot?.place === place || (view.place === place && view.level >= 0) || (level && root.place === place);
        pen.font = `${bold ? "bold " : ""}${size}px ${colours.font}`;
        pen.fillStyle = bold ? colours.mark : colours.text;
        pen.textAlign = level ? "left" : "right";
        pen.textBaseline = "middle";
        const at = level ? this.x(level) + 10 : this.label - 4;
        pen.fillText(clipped(pen, edges.token({ level, place }).text, this.label - 8), at, this.y(place) - (level ? 0 : 1));
        if (level) continue;
        pen.fillStyle = `rgb(${colours.full})`;
        const length = ((this.label - 8) * shares[0][place]) / most;
        pen.fillRect(this.label - 4 - length, this.y(place) + this.step / 2 - 4, length, 2);
      }
    }
  }
}

function same(one, other) {
  return !!one && one.level === other.level && one.place === other.place;
}
