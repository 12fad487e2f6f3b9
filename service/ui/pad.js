// The drawing: strokes by mouse, pen, finger or keyboard, on screen in the page's colours and, as a picture for the
// server, black on white. Places are in parts of the paper's height, so that a drawing survives a change of size.

const PEN = { digit: 0.075, number: 0.05 }; // width of a stroke, of the height
const WIRE = { digit: 160, number: 256 }; // height of the picture for the server, pixels
const SMOOTHING = 0.65; // how much of the last width stays, against a trembling hand
const STEP = { coarse: 0.04, fine: 0.01 }; // of an arrow key

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Pad {
  #strokes = [];
  #stroke = null; // the one that is being drawn
  #picture = null; // shown in place of a drawing
  #cursor = null; // of the keyboard: x, y, isDown
  #wire = document.createElement("canvas");

  // `changed()` is called while drawing, and when the pen is lifted.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.mode = "digit";
    this.pointer = null; // the one that is down
    this.screen = canvas.getContext("2d");
    this.wire = this.#wire.getContext("2d", { willReadFrequently: true }); // kept in memory: it is read after each move
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.#lift(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#hideCursor());
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get stroke() {
    return this.#stroke;
  }

  get isEmpty() {
    return this.#strokes.length === 0;
  }

  get aspect() {
    return this.canvas.clientWidth / this.canvas.clientHeight || 1;
  }

  // The drawing as base64 of a PNG.
  png() {
    return this.#wire.toDataURL("image/png").split(",")[1];
  }

  clear() {
    this.#strokes = [];
    this.#stroke = this.#picture = null;
    this.redraw();
    this.changed();
  }

  undo() {
    if (this.#picture) return this.clear();
    this.#strokes.pop();
    this.#stroke = null;
    this.redraw();
    this.changed();
  }

  // Shows an ImageBitmap, or nothing.
  show(picture) {
    this.#strokes = [];
    this.#picture = picture;
    this.redraw();
  }

  // Where the picture lies on the paper, in parts of it: left, top, width, height.
  frame() {
    if (!this.#picture) return [0, 0, 1, 1];
    const { width, height } = this.#picture;
    const scale = Math.min(this.canvas.clientWidth / width, this.canvas.clientHeight / height);
    const across = (width * scale) / this.canvas.clientWidth;
    const down = (height * scale) / this.canvas.clientHeight;
    return [(1 - across) / 2, (1 - down) / 2, across, down];
  }

  // What boxes in answers are measured in: pixels of the picture that was sent.
  get size() {
    const { width, height } = this.#picture ?? this.#wire;
    return [width, height];
  }

  // What is drawn moves to the middle of the other paper.
  turn(mode) {
    const before = this.aspect;
    this.mode = mode;
    this.canvas.closest("[data-mode]").dataset.mode = mode;
    const shift = (this.aspect - before) / 2;
    for (const point of this.#strokes.flat()) point.x += shift;
    this.redraw();
  }

  begin(x, y, width = PEN[this.mode]) {
    if (this.#picture) this.show(null);
    this.#stroke = [{ x, y, width }];
    this.#strokes.push(this.#stroke);
    this.#ink(this.#stroke, 0);
    this.changed();
    return this.#stroke;
  }

  extend(x, y, width = PEN[this.mode]) {
    const last = this.#stroke.at(-1);
    if (Math.hypot(x - last.x, y - last.y) < 0.004) return; // closer than anyone can see
    this.#stroke.push({ x, y, width: SMOOTHING * last.width + (1 - SMOOTHING) * width });
    this.#ink(this.#stroke, this.#stroke.length - 1);
  }

  end() {
    this.#stroke = null;
    this.changed();
  }

  redraw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const height = WIRE[this.mode];
    [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round);
    [this.#wire.width, this.#wire.height] = [Math.round(height * this.aspect), height];
    this.wire.fillStyle = "#fff";
    this.wire.fillRect(0, 0, this.#wire.width, height);
    this.#pens();
    if (this.#picture) this.#paint();
    for (const stroke of this.#strokes) stroke.forEach((_, index) => this.#ink(stroke, index));
  }

  #pens() {
    const ink = getComputedStyle(this.canvas).color;
    for (const [context, colour] of [[this.screen, ink], [this.wire, "#000"]]) {
      context.lineCap = context.lineJoin = "round";
      context.strokeStyle = colour;
    }
  }

  #paint() {
    const [left, top, across, down] = this.frame();
    const { width, height } = this.canvas;
    this.screen.drawImage(this.#picture, left * width, top * height, across * width, down * height);
  }

  // A piece of a stroke, from middle to middle of its points: the curve through them has no corners.
  #ink(stroke, index) {
    const [before, here] = [stroke[Math.max(0, index - 1)], stroke[index]];
    const from = index < 2 ? before : middle(stroke[index - 2], before);
    const to = index === 0 ? here : middle(before, here);
    for (const context of [this.screen, this.wire]) {
      const unit = context.canvas.height;
      context.lineWidth = here.width * unit;
      context.beginPath();
      context.moveTo(from.x * unit, from.y * unit);
      context.quadraticCurveTo(before.x * unit, before.y * unit, to.x * unit, to.y * unit);
      context.stroke();
    }
  }

  #place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.height, (event.clientY - box.top) / box.height];
  }

  // Only a pen knows pressure, whatever others report.
  #width(event) {
    const pressure = event.pointerType === "pen" && event.pressure ? event.pressure : 0.5;
    return PEN[this.mode] * (0.5 + pressure);
  }

  #down(event) {
    if (event.button !== 0 || this.pointer !== null) return; // a second finger
    this.#hideCursor();
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    this.begin(...this.#place(event), this.#width(event));
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length ? moves : [event]) this.extend(...this.#place(move), this.#width(move));
    this.changed();
  }

  #lift(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    if (this.#stroke) this.end();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key === "z") this.undo();
      return;
    }
    const arrow = ARROWS[event.key];
    if (arrow) this.#steer(arrow, event.shiftKey ? STEP.fine : STEP.coarse);
    else if (event.key === " ") this.#tap();
    else if (event.key === "Backspace") this.undo();
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
  }

  #steer([right, down], step) {
    const cursor = this.#showCursor();
    cursor.x = Math.min(Math.max(cursor.x + right * step, 0), this.aspect);
    cursor.y = Math.min(Math.max(cursor.y + down * step, 0), 1);
    this.#showCursor();
    if (!this.#stroke) return;
    this.extend(cursor.x, cursor.y);
    this.changed();
  }

  #tap() {
    const cursor = this.#showCursor();
    if (this.#stroke) this.end();
    else this.begin(cursor.x, cursor.y);
    this.#showCursor();
  }

  #showCursor() {
    this.#cursor ??= { x: this.aspect / 2, y: 0.2, mark: document.createElement("i") };
    const { mark, x, y } = this.#cursor;
    mark.className = this.#stroke ? "pen down" : "pen";
    mark.style.left = `${(100 * x) / this.aspect}%`;
    mark.style.top = `${100 * y}%`;
    this.canvas.after(mark);
    return this.#cursor;
  }

  #hideCursor() {
    this.#cursor?.mark.remove();
    this.#cursor = null;
    if (this.#stroke && this.pointer === null) this.end();
  }
}

const middle = (one, other) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
