// What all canvases of attention share: their place on the page, numbers from codes, colours, a sharp canvas, lines.
// Put before the scripts that use it by heads.py, graph.py and painter.py.

const HIDDEN = 65535; // the code of a cell that the mask hides

// What Streamlit calls, of what `make` puts into a place on the page: it can receive, send (as a state of this name) and close.
function mounted(make, name = "view") {
  const shown = new WeakMap(); // a module is shared by all places where it is shown
  return ({ data, parentElement, setStateValue }) => {
    const one = shown.get(parentElement) ?? make(parentElement);
    shown.set(parentElement, one);
    one.send = (said) => setStateValue(name, said);
    if (data) one.receive(data);
    return () => {
      one.close();
      shown.delete(parentElement);
    };
  };
}

function decoded(text, low, high) {
  const raw = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const codes = new DataView(raw.buffer);
  const step = (high - low) / (HIDDEN - 1);
  const found = new Float32Array(raw.length / 2);
  for (let k = 0; k < found.length; k += 1) {
    const code = codes.getUint16(2 * k, true);
    found[k] = code === HIDDEN ? NaN : low + code * step;
  }
  return found;
}

class Colours {
  constructor(canvas) {
    const style = getComputedStyle(canvas);
    const of = (name) => style.getPropertyValue(`--st-${name}`).trim();
    this.page = rgb(of("background-color")) ?? [255, 255, 255];
    this.dark = this.page.reduce((sum, part) => sum + part, 0) < 384;
    this.full = rgb(of("primary-color")) ?? [8, 81, 156];
    this.plus = this.dark ? [255, 170, 84] : [179, 88, 6];
    this.minus = this.dark ? [178, 148, 224] : [84, 39, 136];
    this.mark = `rgb(${this.plus})`; // the chosen head and token
    this.text = of("text-color") || "#222";
    this.line = of("border-color") || "#ccc";
    this.font = of("font") || "sans-serif";
    this.ramps = Object.fromEntries(["full", "plus", "minus"].map((name) => [name, this.ramp(this[name])]));
  }

  ramp(full) {
    return Array.from({ length: 256 }, (_, k) => this.page.map((part, c) => Math.round(part + ((full[c] - part) * k) / 255)));
  }

  // The colour of a value as a part of the largest; the root spreads small ones, of which there are many. What is hidden or
  // filtered has the page's.
  of(share, signed) {
    if (!Number.isFinite(share)) return this.page;
    const ramp = !signed ? this.ramps.full : share < 0 ? this.ramps.minus : this.ramps.plus;
    return ramp[Math.min(255, Math.round(Math.sqrt(Math.abs(share)) * 255))];
  }
}

function rgb(colour) {
  const parts = /^#(..)(..)(..)/.exec(colour);
  return parts && parts.slice(1).map((part) => parseInt(part, 16));
}

function fit(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

function stroke(pen, x, y, toX, toY) {
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(toX, toY);
  pen.stroke();
}

// A word cut so that it fits in the room, in the pen's font.
function clipped(pen, word, room) {
  if (pen.measureText(word).width <= room) return word;
  let end = word.length;
  while (end > 1 && pen.measureText(`${word.slice(0, end)}…`).width > room) end -= 1;
  return `${word.slice(0, end)}…`;
}
