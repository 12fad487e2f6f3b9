// The gates: switches, the network that decides, what it does between the corners, and the truth table.

import { CurlLine } from "./curl.js";
import { byId, element, say } from "./dom.js";
import { address, ask, Latest } from "./server.js";
import { Wiring } from "./wiring.js";

const FIRST = "xor"; // the one that a neuron alone cannot do
const ORDER = ["and", "or", "nand", "nor", "xor", "xnor"];

const wiring = new Wiring(byId("wiring"));
const curl = new CurlLine(document.querySelector('.curl[data-for="gates"]'));
const latest = new Latest(fire, showOutput, complainOf);
const opening = new Latest(open, () => {}, complainOf); // so no late refusal has the last word
const known = new Map(); // details by gate, which do not change
const inputs = [0, 0];
let details = null;

export const showGates = () => opening.put(true);

async function open() {
  const { gates } = await ask("v1/gates");
  const names = gates.map((gate) => gate.gate).sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
  byId("kinds").querySelectorAll("label").forEach((label) => label.remove());
  byId("kinds").append(...names.map(choice));
  await choose(names.includes(FIRST) ? FIRST : names[0]);
}

function choice(name) {
  const onchange = () => choose(name).catch(complainOf);
  const radio = element("input", { type: "radio", name: "gate", value: name, checked: name === FIRST, onchange });
  return element("label", {}, radio, element("span", {}, name.toUpperCase()));
}

async function choose(name) {
  if (!known.has(name)) known.set(name, await ask(`v1/gates/${name}`));
  if (document.querySelector("input[name=gate]:checked").value !== name) return; // another was chosen meanwhile
  details = known.get(name);
  drawSurface(details.decision_surface);
  byId("surface").ariaLabel = surfaceInWords(details);
  byId("truth").tBodies[0].replaceChildren(...details.truth_table.map(truthRow));
  byId("corners").replaceChildren(...details.truth_table.map(corner));
  await update();
}

function update() {
  const body = { inputs: [[...inputs]] };
  curl.json(address(`v1/gates/${details.gate}`), body);
  wiring.draw(details.weights, inputs);
  byId("sum").textContent = wiring.words;
  for (const each of document.querySelectorAll("#truth tbody tr, #corners i")) {
    each.classList.toggle("here", each.dataset.inputs === String(inputs));
  }
  return latest.put({ gate: details.gate, body });
}

function fire({ gate, body }) {
  const headers = { "content-type": "application/json" };
  return ask(`v1/gates/${gate}`, { method: "POST", headers, body: JSON.stringify(body) });
}

function showOutput({ outputs: [{ output, probability }] }) {
  const [bit, sure] = byId("lamp").children;
  bit.textContent = output;
  sure.textContent = probability.toFixed(4);
  byId("lamp").classList.toggle("on", output === 1);
  complainOf({ message: "" });
}

function truthRow({ inputs: corner, output, probability }) {
  const row = element("tr", {}, ...[...corner, output, probability.toFixed(4)].map((text) => element("td", {}, text)));
  row.dataset.inputs = corner;
  return row;
}

function corner({ inputs: [a, b], output }) {
  const mark = element("i", { className: output ? "on" : "" }, output);
  mark.dataset.inputs = [a, b];
  Object.assign(mark.style, { left: `${25 + 50 * a}%`, bottom: `${25 + 50 * b}%` }); // the plot is from -0.5 to 1.5
  return mark;
}

// The probability of every point as the strength of the colour; up is up.
function drawSurface({ axis, probability }) {
  const canvas = byId("surface");
  canvas.width = canvas.height = axis.length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(axis.length, axis.length);
  [...probability].reverse().flat().forEach((share, place) => {
    pixels.data.set([240, 150, 80, 255 * share], 4 * place);
  });
  context.putImageData(pixels, 0, 0);
}

function surfaceInWords({ gate, truth_table: rows }) {
  const on = rows.filter((row) => row.output).map((row) => `A ${row.inputs[0]} and B ${row.inputs[1]}`);
  return `Decision surface of ${gate.toUpperCase()}: it fires around ${on.join("; ")}`;
}

function complainOf({ message }) {
  say(byId("gate-trouble"), message);
}

["a", "b"].forEach((id, place) => {
  byId(id).onclick = () => {
    inputs[place] = 1 - inputs[place];
    byId(id).ariaChecked = inputs[place] === 1;
    byId(id).querySelector("span").textContent = inputs[place];
    if (details) update();
  };
});
document.addEventListener("back", () => details ? update() : showGates());
