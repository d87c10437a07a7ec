// The numbers of all heads: decoded once a run, merged and filtered at will. Knows no canvas.
// Put before heads.js, which uses it, by heads.py.

class Values {
  lay({ layers, heads, queries, keys, low, high, codes, kind, part, first }) {
    Object.assign(this, { layers, heads, queries, keys, kind, part, first });
    this.size = queries.length * keys.length;
    this.before = decoded(codes[0], low, high);
    this.after = codes[1] ? decoded(codes[1], low, high) : null;
    this.change = this.after && this.after.map((value, k) => value - this.before[k]);
    this.masked = this.before.some(Number.isNaN);
    this.paired = [0, 1].every((segment) => keys.some((token) => token.segment === segment));
  }

  of(side) {
    return this.after ? this[side] : this.before;
  }

  sideOf(view) {
    return this.after ? view.side : "before";
  }

  signed(view) {
    return this.kind === "scores" || this.sideOf(view) === "change";
  }

  // The numbers of the heads that are shown large together.
  members({ layer, head, merge }) {
    const over = merge.split("-")[0];
    const found = [];
    for (let l = 0; l < this.layers; l += 1) {
      for (let h = 0; h < this.heads; h += 1) {
        const of = { one: l === layer && h === head, heads: l === layer, layers: h === head, all: true }[over];
        if (of) found.push(l * this.heads + h);
      }
    }
    return found;
  }

  // The large matrix of one side. The change of a merged matrix is the difference of the merged ones.
  matrix(view, side = this.sideOf(view)) {
    if (side === "change" && view.merge !== "one") {
      const [before, after] = ["before", "after"].map((one) => this.matrix(view, one));
      return after.map((value, k) => value - before[k]);
    }
    const [from, all, largestOf] = [this.of(side), this.members(view), view.merge.endsWith("max")];
    if (all.length === 1) return from.slice(all[0] * this.size, (all[0] + 1) * this.size);
    const total = new Float32Array(this.size).fill(largestOf ? -Infinity : 0);
    const seen = new Uint16Array(this.size);
    for (const number of all) {
      const start = number * this.size;
      for (let k = 0; k < this.size; k += 1) {
        const value = from[start + k];
        if (value !== value) continue; // hidden in this head
        seen[k] += 1;
        if (!largestOf) total[k] += value;
        else if (value > total[k]) total[k] = value;
      }
    }
    const weights = this.kind === "weights";
    return total.map((value, k) => (!seen[k] ? NaN : largestOf ? value : value / (weights ? all.length : seen[k])));
  }

  // Which tokens are shown: positions of those that attend and of those attended to. Special tokens are of neither text.
  places({ specials, first, block }) {
    const from = this.paired ? { "first-second": [0], "second-first": [1], within: [0, 1] }[block] : null;
    const to = from && (block === "within" ? from : [1 - from[0]]);
    const kept = (tokens, segments, key) =>
      [...tokens.keys()].filter((k) => (segments?.includes(tokens[k].segment) ?? (specials || !tokens[k].special)) && (first || !key || k > 0));
    return { rows: kept(this.queries, from, false), columns: kept(this.keys, to, true) };
  }

  // Whether a cell of the shown tokens belongs to the chosen block of a pair of texts.
  inBlock(view, query, key) {
    return view.block !== "within" || !this.paired || this.queries[query].segment === this.keys[key].segment;
  }

  // The largest shown number of all heads, without and with edits: it gets the full colour.
  reach(view, places) {
    const top = (from) => {
      let most = 0;
      for (let start = 0; start < from.length; start += this.size) most = Math.max(most, largest(this.filtered(view, from, start, places)));
      return most;
    };
    if (this.sideOf(view) === "change") return top(this.change) || 1e-6;
    return Math.max(top(this.before), this.after ? top(this.after) : 0) || 1e-6;
  }

  // The same of what is shown large, where that is not one of the heads.
  reachOf(view, places) {
    const sides = this.sideOf(view) === "change" ? ["change"] : this.after ? ["before", "after"] : ["before"];
    return Math.max(...sides.map((side) => largest(this.filtered(view, this.matrix(view, side), 0, places)))) || 1e-6;
  }

  // What is drawn of one matrix: its shown cells, row by row. Hidden cells are NaN, filtered ones minus infinity.
  filtered(view, matrix, start = 0, places = this.places(view)) {
    const { rows, columns } = places;
    const n = this.keys.length;
    const found = new Float32Array(rows.length * columns.length);
    const [least, weights] = [this.kind === "weights" ? view.least : 0, this.kind === "weights"];
    const blocked = view.block === "within" && this.paired;
    const rescaled = view.rescale && weights && this.sideOf(view) !== "change";
    let at = 0;
    for (const row of rows) {
      const first = at;
      let total = 0;
      for (const column of columns) {
        let value = matrix[start + row * n + column];
        if (blocked && !this.inBlock(view, row, column)) value = -Infinity;
        else if (value === value) total += value;
        found[at] = value;
        at += 1;
      }
      for (let k = first; k < at; k += 1) {
        if (rescaled && total > 0) found[k] /= total;
        if (least && Math.abs(found[k]) < least) found[k] = -Infinity;
      }
    }
    return found;
  }

  // Figures of a matrix of weights over all its rows, whatever is filtered: entropy in bits, and shares of attention.
  figures(matrix) {
    const [rows, columns] = [this.queries.length, this.keys.length];
    const sums = { entropy: 0, first: 0, previous: 0, special: 0 };
    for (let q = 0; q < rows; q += 1) {
      for (let k = 0; k < columns; k += 1) {
        const value = matrix[q * columns + k];
        if (!(value > 0)) continue;
        sums.entropy -= value * Math.log2(value);
        if (k === 0) sums.first += value;
        if (k === q - 1) sums.previous += value;
        if (this.keys[k].special) sums.special += value;
      }
    }
    const { entropy, first, previous, special } = sums;
    return { entropy: entropy / rows, first: first / rows, previous: previous / Math.max(rows - 1, 1), special: special / rows };
  }

  // How much of the rows' attention the shown cells hold.
  shown(view, matrix) {
    const { rows, columns } = this.places(view);
    const n = this.keys.length;
    let [all, kept] = [0, 0];
    for (const row of rows) {
      for (let key = 0; key < n; key += 1) all += matrix[row * n + key] || 0;
      for (const key of columns) if (this.inBlock(view, row, key)) kept += matrix[row * n + key] || 0;
    }
    return all > 0 ? kept / all : 1;
  }
}

function largest(values) {
  let top = 0;
  for (const value of values) {
    const size = value < 0 ? -value : value;
    if (size > top && size < Infinity) top = size;
  }
  return top;
}
