// The painting of one head: cells that were painted over a base pattern, with steps back and forth.
// Put before painter.js, which uses it, by painter.py.

const MOST_STEPS = 100; // that can be undone
const DIGITS = 1000;
const TINY = 1e-6;

class Cells {
  constructor() {
    this.n = 0;
    this.painted = new Map(); // place → value; the place of (query, key) is query * n + key
    this.done = [];
    this.undone = [];
    this.stroke = 0;
  }

  // The pattern below the painting: weights row by row, which cells the mask leaves visible, what each row sums to.
  lay({ base, visible, totals, tokens }) {
    Object.assign(this, { base, visible, totals, n: tokens.length });
  }

  // A painting from Python. Where it is a step back or forward, it is one here, too.
  takeOver(given, another) {
    const painted = new Map(given.map(([query, key, value]) => [this.place(query, key), value]));
    if (another) {
      Object.assign(this, { done: [], undone: [] });
    } else if (same(painted, this.painted)) {
      return;
    } else if (same(painted, this.done.at(-1))) {
      this.done.pop();
      this.undone.push(this.painted);
    } else if (same(painted, this.undone.at(-1))) {
      this.undone.pop();
      this.done.push(this.painted);
    } else {
      Object.assign(this, { done: [], undone: [] });
    }
    this.painted = painted;
  }

  place(query, key) {
    return query * this.n + key;
  }

  at(place) {
    return [Math.floor(place / this.n), place % this.n];
  }

  all() {
    return [...this.painted].map(([place, value]) => [...this.at(place), value]);
  }

  seen(query, key) {
    return this.visible[this.place(query, key)] === "1";
  }

  was(query, key) {
    return this.base[this.place(query, key)];
  }

  // The row as the model will have it: painted cells get their value, the others share what is left.
  row(query) {
    const first = this.place(query, 0);
    const base = this.base.slice(first, first + this.n);
    const painted = base.map((_, key) => this.painted.get(first + key));
    if (painted.every((value) => value === undefined)) return base;
    const total = this.totals[query];
    const wanted = sum(painted.map((value) => value ?? 0));
    const others = total - sum(base.filter((_, key) => painted[key] !== undefined));
    if (wanted <= 0 && others <= TINY) return base; // nothing would be left: the model keeps what it had
    const share = others > TINY ? Math.max(0, total - wanted) / others : 0;
    const full = wanted + share * others; // more than the row has is scaled down
    return base.map((value, key) => ((painted[key] ?? value * share) * total) / full);
  }

  begin() {
    this.done.push(new Map(this.painted));
    if (this.done.length > MOST_STEPS) this.done.shift();
    this.undone = [];
    this.stroke += 1;
  }

  // A stroke that changed nothing is no step.
  end() {
    if (same(this.painted, this.done.at(-1))) this.done.pop();
  }

  touch(query, key, brush, strength) {
    if (!this.seen(query, key)) return;
    const place = this.place(query, key);
    if (brush === "restore") {
      this.painted.delete(place);
      return;
    }
    const now = this.painted.get(place) ?? this.row(query)[key];
    const value = { raise: now + strength, lower: now - strength, block: 0 }[brush];
    this.painted.set(place, Math.round(Math.max(0, Math.min(1, value)) * DIGITS) / DIGITS);
  }

  undo() {
    return this.step(this.done, this.undone);
  }

  redo() {
    return this.step(this.undone, this.done);
  }

  step(from, to) {
    if (!from.length) return false;
    to.push(this.painted);
    this.painted = from.pop();
    this.stroke += 1;
    return true;
  }

  reset() {
    if (!this.painted.size) return false;
    this.begin();
    this.painted = new Map();
    return true;
  }
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function same(one, other) {
  if (!other || one.size !== other.size) return false;
  for (const [place, value] of one) if (other.get(place) !== value) return false;
  return true;
}
