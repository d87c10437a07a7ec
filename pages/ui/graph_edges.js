// The numbers of the graph: edges, what a position is made of, and what is drawn of it. Knows no canvas.
// Put before graph.js, which uses it, by graph.py.
//
// A node is { level, place }: level 0 holds the input tokens, level l + 1 the positions after layer l. An edge of layer l runs
// from a query at level l + 1 down to a key at level l.

const MOST = 3000; // edges that are drawn, the strongest; as in graph_figures.py

class Edges {
  lay({ kind, layers, queries, keys, source, sink, part, high, codes, totals }) {
    Object.assign(this, { kind, layers, queries, keys, source, sink, part, totals });
    this.size = queries.length * keys.length;
    [this.before, this.after = null] = codes.map((code) => decoded(code, 0, high));
  }

  sideOf(view) {
    return this.after && view.side === "after" ? "after" : "before";
  }

  count(level) {
    return level ? this.queries.length : this.keys.length;
  }

  token({ level, place }) {
    return level ? this.queries[place] : this.keys[place];
  }

  weight(from, layer, query, key) {
    return from[layer * this.size + query * this.keys.length + key];
  }

  // The root of the picture: the position the graph is looked at from, or the picked one where that has something below it.
  root(view) {
    return view.level > 0 && view.level <= this.layers ? { level: view.level, place: view.place } : { level: this.layers, place: this.source };
  }

  // Whether a place of a level is shown: special tokens and the first one may be hidden, but never where one looks from.
  shown(view, level, place) {
    const token = this.token({ level, place });
    if (this.part === "cross" ? level && place === this.source : place === this.root(view).place) return true;
    return (view.specials || !token.special) && (view.first || place > 0);
  }

  // How much of the root goes by each position below it: `Graph.shares` in attnlab_core/graph.py says the same.
  shares(view) {
    const from = this[this.sideOf(view)];
    const { level, place } = this.root(view);
    const found = Array.from({ length: level + 1 }, (_, l) => new Float64Array(this.count(l)));
    found[level][place] = 1;
    for (let layer = level - 1; layer >= 0; layer -= 1) {
      for (let query = 0; query < this.queries.length; query += 1) {
        if (!found[layer + 1][query]) continue;
        let out = 0;
        for (let key = 0; key < this.keys.length; key += 1) out += this.weight(from, layer, query, key) || 0;
        const part = found[layer + 1][query] / (this.kind === "flow" ? out || 1 : Math.max(out, 1));
        for (let key = 0; key < this.keys.length; key += 1) found[layer][key] += part * (this.weight(from, layer, query, key) || 0);
      }
    }
    return found;
  }

  // The edges that are drawn, and on which scale: those from the root down that are at least `least` of the strongest one, and
  // the strongest of each position, so that no way ends before the input. Of a picked input token, only those that lead to it.
  drawn(view) {
    const from = this[this.sideOf(view)];
    const { level, place } = this.root(view);
    const seen = Array.from({ length: level + 1 }, (_, l) => Array.from({ length: this.count(l) }, (_, k) => this.shown(view, l, k)));
    const all = [];
    let [own, reach] = [0, 0];
    for (let layer = 0; layer < level; layer += 1) {
      for (let query = 0; query < this.queries.length; query += 1) {
        if ((layer === level - 1 && query !== place) || !seen[layer + 1][query]) continue;
        let best = null;
        for (let key = 0; key < this.keys.length; key += 1) {
          const weight = this.weight(from, layer, query, key);
          if (!(weight > 0) || !seen[layer][key]) continue;
          const edge = { layer, query, key, weight, best: false };
          all.push(edge);
          if (!best || weight > best.weight) best = edge;
          if (query === key && this.part !== "cross") own = Math.max(own, weight);
          else reach = Math.max(reach, weight); // what stays in its own column would hide all others
        }
        if (best) best.best = true;
      }
    }
    reach ||= own || 1e-6;
    let strong = all.filter((edge) => edge.best || edge.weight >= view.least * reach);
    const cut = strong.length > MOST;
    if (cut) strong = strong.sort((a, b) => b.best - a.best || b.weight - a.weight).slice(0, MOST);
    return { edges: this.joined(view, strong), reach, of: all.length, cut };
  }

  // Those edges that hang together with the root from above and, of a picked input token, with it from below.
  joined(view, strong) {
    const { level, place } = this.root(view);
    const byLayer = Array.from({ length: level }, () => []);
    for (const edge of strong) byLayer[edge.layer].push(edge);
    let met = new Set([place]);
    for (let layer = level - 1; layer >= 0; layer -= 1) {
      byLayer[layer] = byLayer[layer].filter((edge) => met.has(edge.query));
      met = new Set(byLayer[layer].map((edge) => edge.key));
    }
    if (view.level === 0) {
      met = new Set([view.place]);
      for (let layer = 0; layer < level; layer += 1) {
        byLayer[layer] = byLayer[layer].filter((edge) => met.has(edge.key));
        met = new Set(byLayer[layer].map((edge) => edge.query));
      }
    }
    return byLayer.flat();
  }

  // The strongest of what goes into or out of a node, on this side.
  strongest(view, { level, place }, down, most = 3) {
    const from = this[this.sideOf(view)];
    const layer = down ? level - 1 : level;
    if (layer < 0 || layer >= this.layers) return [];
    const found = [];
    for (let other = 0; other < this.count(down ? level - 1 : level + 1); other += 1) {
      const weight = down ? this.weight(from, layer, place, other) : this.weight(from, layer, other, place);
      if (weight > 0) found.push({ place: other, weight });
    }
    return found.sort((a, b) => b.weight - a.weight).slice(0, most);
  }
}
