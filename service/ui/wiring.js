// A gate's network as a drawing: the wider a line, the larger its weight; the fuller a neuron, the more it says.

const SPACE = "http://www.w3.org/2000/svg";
const LEFT = 30, MIDDLE = 200, RIGHT = 362; // of the columns, in a drawing of 400 x 240
const INPUTS_Y = [70, 170], OUTPUT_Y = 120;
const WIDEST = 7;

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const short = (x) => x.toFixed(1).replace("-", "−");

const verdict = (sum) => `${short(sum)}, so it ${sum > 0 ? "fires" : "stays silent"}.`;

function element(name, attributes, text = "") {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

export class Wiring {
  words = "";

  constructor(svg) {
    this.svg = svg;
  }

  draw(weights, inputs) {
    this.svg.replaceChildren();
    if (weights.hidden_weights) this.#twoLayers(weights, inputs);
    else this.#neuron(weights, inputs);
    this.svg.ariaLabel = `The network with its weights. ${this.words}`;
  }

  #neuron({ weights, bias: [bias] }, inputs) {
    const flat = weights.flat();
    const most = Math.max(...flat.map(Math.abs));
    flat.forEach((weight, place) => {
      this.#line(LEFT, INPUTS_Y[place], RIGHT, OUTPUT_Y, weight / most, inputs[place]);
      const y = INPUTS_Y[place] + (OUTPUT_Y - INPUTS_Y[place]) * 0.42;
      this.#text(MIDDLE - 25, y + (place ? 24 : -14), `× ${short(weight)}`);
    });
    this.#inputs(inputs);
    const sum = flat.reduce((total, weight, place) => total + weight * inputs[place], bias);
    this.#output(sum);
    this.#text(RIGHT - 4, OUTPUT_Y + 52, `bias ${short(bias)}`);
    const terms = flat.map((weight, place) => `${inputs[place]} × ${short(weight)}`).join(" + ");
    this.words = `${terms} + (${short(bias)}) = ${verdict(sum)}`;
  }

  #twoLayers({ hidden_weights: first, hidden_bias: biases, weights: second, bias: [bias] }, inputs) {
    const flat = second.flat();
    const most = Math.max(...first.flat().map(Math.abs));
    const last = Math.max(...flat.map(Math.abs));
    const said = biases.map((start, k) => Math.tanh(start + first.reduce((sum, row, i) => sum + row[k] * inputs[i], 0)));
    const y = (k) => 22 + (k * 196) / (biases.length - 1);
    said.forEach((level, k) => {
      INPUTS_Y.forEach((from, i) => this.#line(LEFT, from, MIDDLE, y(k), first[i][k] / most, inputs[i]));
      this.#line(MIDDLE, y(k), RIGHT, OUTPUT_Y, flat[k] / last, Math.abs(level));
    });
    said.forEach((level, k) => this.#dot(MIDDLE, y(k), 9, level));
    this.#inputs(inputs);
    const sum = said.reduce((total, level, k) => total + level * flat[k], bias);
    this.#output(sum);
    this.words = `${said.length} hidden neurons draw a line each; the last one weighs what they say: ${verdict(sum)}`;
  }

  #inputs(inputs) {
    inputs.forEach((level, place) => {
      this.#dot(LEFT, INPUTS_Y[place], 17, level);
      this.#text(LEFT, INPUTS_Y[place] + 5, "AB"[place], level ? "on" : "");
    });
  }

  #output(sum) {
    this.#dot(RIGHT, OUTPUT_Y, 24, sigmoid(sum)).classList.add("out");
  }

  #line(x1, y1, x2, y2, share, signal) {
    const kind = share > 0 ? "for" : "against";
    const width = 0.75 + WIDEST * Math.abs(share);
    this.svg.append(element("line", { x1, y1, x2, y2, class: kind, "stroke-width": width, opacity: 0.16 + 0.7 * signal }));
  }

  // A neuron that says `level`: full where it is 1, empty at 0, of the other colour below.
  #dot(cx, cy, r, level) {
    this.svg.append(element("circle", { cx, cy, r, class: "ground" }));
    const kind = level >= 0 ? "for" : "against";
    const dot = element("circle", { cx, cy, r, class: `dot ${kind}`, "fill-opacity": Math.abs(level).toFixed(3) });
    this.svg.append(dot);
    return dot;
  }

  #text(x, y, text, kind = "") {
    this.svg.append(element("text", { x, y, class: kind, "text-anchor": "middle" }, text));
  }
}
