// A pattern of attention that can be painted: rows attend, columns are attended to.
//
// Python owns the painting. This script shows it, changes it at once under the hand, and sends the whole of it: never a
// difference, never more than one message at a time. What comes back is taken over where the hand has rested since.

export default mounted((root) => new Painter(root), "painting");

const PATIENCE = 5000; // ms after which a message that nobody answered counts as lost
const REST = 800; // ms without a change after which the rest of the page may follow
const KEYS = { "+": "raise", "=": "raise", "-": "lower", 0: "block", Delete: "restore", Backspace: "restore" };
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

class Painter {
  constructor(root) {
    this.root = root;
    this.cells = new Cells();
    this.picture = new Picture(root, this.cells);
    this.canvas = this.picture.canvas;
    this.doc = null;
    this.brush = "raise";
    this.strength = 0.2;
    this.hand = null; // what the pointer does: { last, seen } while it paints, { label } while it presses one
    this.seq = this.ack = 0;
    this.dirty = this.unsettled = false;
    this.listen();
    this.watcher = new ResizeObserver(() => this.doc && this.picture.layout()); // also when a hidden tab is opened
    this.watcher.observe(this.find(".stage"));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  close() {
    this.watcher.disconnect();
    clearTimeout(this.retry);
    clearTimeout(this.rest);
  }

  // ---------------------------------------------------------------- messages

  receive(data) {
    const another = data.doc !== this.doc;
    this.ack = another ? data.ack : Math.max(this.ack, data.ack);
    if (another) {
      Object.assign(this, { doc: data.doc, seq: data.ack, hand: null, dirty: false, unsettled: false });
      this.picture.cursor = { query: 0, key: 0 };
    }
    this.tokens = this.picture.tokens = data.tokens;
    this.verdict = data.verdict;
    this.cells.lay(data);
    if (another || (!this.hand && !this.dirty && this.ack >= this.seq)) this.cells.takeOver(data.cells, another);
    this.canvas.setAttribute("aria-label", data.label);
    this.find(".hidden-key").hidden = !data.visible.includes("0");
    this.picture.layout();
    this.refresh();
    this.flush();
    this.answer(another);
  }

  changed() {
    this.dirty = this.unsettled = true;
    this.refresh();
    this.flush();
    this.answer();
  }

  // What the model answers, dimmed until it is the answer to what is painted now; spoken once the hand rests.
  answer(another) {
    const waiting = this.dirty || this.ack < this.seq;
    const now = this.find(".now");
    now.textContent = this.verdict;
    now.classList.toggle("waiting", waiting);
    if (another) this.tell();
    if (another) this.heard = this.verdict;
    if (waiting || this.hand || this.heard === this.verdict) return;
    this.heard = this.verdict;
    this.say(`${this.count()}: ${this.verdict}`);
  }

  flush() {
    clearTimeout(this.retry);
    clearTimeout(this.rest);
    const waiting = this.ack < this.seq;
    if (waiting && performance.now() - this.sentAt < PATIENCE) {
      this.retry = setTimeout(() => this.flush(), PATIENCE + 50);
    } else if (this.dirty || waiting) {
      this.dirty = false;
      this.post(false);
    } else if (this.unsettled && !this.hand) {
      this.rest = setTimeout(() => {
        this.unsettled = false;
        this.post(true);
      }, REST);
    }
  }

  post(settled) {
    this.seq += 1;
    this.sentAt = performance.now();
    this.send({ doc: this.doc, seq: this.seq, stroke: this.cells.stroke, settled, cells: this.cells.all() });
    this.retry = setTimeout(() => this.flush(), PATIENCE + 50);
  }

  // ---------------------------------------------------------------- buttons

  listen() {
    const { canvas } = this;
    canvas.onpointerdown = (event) => this.press(event);
    canvas.onpointermove = (event) => this.move(event);
    canvas.onpointerup = (event) => this.release(event);
    canvas.onpointercancel = canvas.onlostpointercapture = () => this.release(null);
    canvas.onpointerleave = () => this.hand || this.tell();
    canvas.onkeydown = (event) => this.key(event);
    canvas.onfocus = canvas.onblur = () => this.picture.draw();
    const brushes = [...this.root.querySelectorAll("[data-brush]")];
    for (const button of brushes) {
      button.onclick = () => {
        this.brush = button.dataset.brush;
        for (const one of brushes) one.setAttribute("aria-pressed", String(one === button));
      };
    }
    this.find("input").oninput = (event) => {
      this.strength = Number(event.target.value);
      this.find("output").textContent = this.strength.toFixed(2);
    };
    this.find("[data-do=undo]").onclick = () => this.step(this.cells.undo());
    this.find("[data-do=redo]").onclick = () => this.step(this.cells.redo());
    this.find("[data-do=reset]").onclick = () => this.step(this.cells.reset());
  }

  step(happened) {
    if (!happened) return;
    this.changed();
    this.tell();
    this.say(this.count());
  }

  refresh() {
    this.find("[data-do=undo]").disabled = !this.cells.done.length;
    this.find("[data-do=redo]").disabled = !this.cells.undone.length;
    this.find("[data-do=reset]").disabled = !this.cells.painted.size;
    this.picture.draw();
  }

  // ---------------------------------------------------------------- pointer

  press(event) {
    const spot = this.picture.under(event);
    if (event.button || !spot) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    if (spot.query === null || spot.key === null) {
      this.hand = { label: spot };
      return;
    }
    this.cells.begin();
    this.hand = { last: spot, seen: new Set() };
    this.paintTo(spot);
  }

  move(event) {
    const spot = this.picture.under(event);
    if (spot && spot.query !== null && spot.key !== null) {
      if (this.hand?.seen) this.paintTo(spot);
      this.tell(spot);
    } else if (!this.hand) {
      this.tell();
    }
  }

  paintTo(spot) {
    const before = this.hand.seen.size;
    for (const [query, key] of line(this.hand.last, spot)) {
      const place = this.cells.place(query, key);
      if (this.hand.seen.has(place)) continue; // once a stroke
      this.hand.seen.add(place);
      this.cells.touch(query, key, this.brush, this.strength);
    }
    this.hand.last = this.picture.cursor = spot;
    if (this.hand.seen.size !== before) this.changed();
    this.tell(spot);
  }

  release(event) {
    const hand = this.hand;
    if (!hand) return;
    this.hand = null;
    const spot = event && this.picture.under(event);
    if (hand.label && spot && spot.query === hand.label.query && spot.key === hand.label.key) this.paintLine(spot);
    if (hand.seen) {
      this.cells.end();
      this.refresh();
      this.say(this.count());
    }
    this.flush();
    this.answer();
  }

  // A whole row or column, where its label was clicked.
  paintLine({ query, key }) {
    this.cells.begin();
    for (let k = 0; k < this.cells.n; k += 1) this.cells.touch(query ?? k, key ?? k, this.brush, this.strength);
    this.cells.end();
    this.changed();
    this.tell();
    this.say(this.count());
  }

  // ---------------------------------------------------------------- keys

  key(event) {
    const letter = event.key.toLowerCase();
    const chord = event.ctrlKey || event.metaKey;
    const brush = KEYS[event.key] ?? ([" ", "Enter"].includes(event.key) ? this.brush : null);
    if (ARROWS[event.key]) {
      this.walk(ARROWS[event.key]);
    } else if (chord && (letter === "y" || (letter === "z" && event.shiftKey))) {
      this.step(this.cells.redo());
    } else if (chord && letter === "z") {
      this.step(this.cells.undo());
    } else if (!chord && brush) {
      const { query, key } = this.picture.cursor;
      this.cells.begin();
      this.cells.touch(query, key, brush, this.strength);
      this.cells.end();
      this.changed();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.tell(this.picture.cursor);
    this.say(this.describe(this.picture.cursor));
  }

  walk([down, right]) {
    const inside = (k) => Math.max(0, Math.min(this.cells.n - 1, k));
    const { query, key } = this.picture.cursor;
    this.picture.cursor = { query: inside(query + down), key: inside(key + right) };
    this.picture.draw();
  }

  // ---------------------------------------------------------------- words

  describe({ query, key }) {
    const names = `“${this.tokens[query]}” → “${this.tokens[key]}”`;
    if (!this.cells.seen(query, key)) return `${names}: hidden by the mask`;
    const now = this.cells.row(query)[key].toFixed(3);
    const was = this.cells.was(query, key).toFixed(3);
    return `${names}: ${now}${now === was ? "" : ` (was ${was})`}`;
  }

  count() {
    const n = this.cells.painted.size;
    return n === 1 ? "1 painted cell" : `${n} painted cells`;
  }

  tell(spot) {
    const rest = this.cells.painted.size ? this.count() : "Drag to paint; click a label for its whole line.";
    this.find(".readout").textContent = spot ? this.describe(spot) : rest;
  }

  say(words) {
    this.find(".spoken").textContent = words;
  }
}

// The cells from one to another, so that a quick stroke leaves no holes (Bresenham).
function* line(from, to) {
  let { query, key } = from;
  const across = Math.abs(to.key - key);
  const down = -Math.abs(to.query - query);
  const right = key < to.key ? 1 : -1;
  const below = query < to.query ? 1 : -1;
  let error = across + down;
  for (;;) {
    yield [query, key];
    if (key === to.key && query === to.query) return;
    const twice = 2 * error;
    if (twice >= down) {
      error += down;
      key += right;
    }
    if (twice <= across) {
      error += across;
      query += below;
    }
  }
}
