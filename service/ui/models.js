// What the server has loaded, with what each model's manifest says of it.

import { byId, element, say } from "./dom.js";
import { address, ask, Latest } from "./server.js";

const cell = (text, className = "") => element("td", { className }, text);

const tell = (failure) => say(byId("models-trouble"), failure?.message);
const latest = new Latest(list, tell, tell);

export const showModels = () => latest.put(true);

async function list() {
  const { models } = await ask("v1/models");
  const used = models.filter((model) => model.default || model.state !== "READY");
  byId("listing").tBodies[0].replaceChildren(...await Promise.all(used.map(row)));
}

async function row(model) {
  const path = `v1/models/${model.name}?version=${model.version}`;
  const { manifest } = await ask(path);
  const link = element("a", { href: address(path) }, `${model.name}/${model.version}`);
  const state = model.state.toLowerCase();
  const words = model.reason ? `${state}: ${model.reason}` : state;
  return element("tr", {}, element("th", { scope: "row" }, link), ...facts(manifest), cell(words, `state ${state}`));
}

function facts(manifest) {
  if (!manifest) return [..."––––"].map((text) => cell(text));
  const { network, metrics, cost } = manifest;
  const { test } = metrics;
  const accuracy = test ? share(test, network.kind === "crnn" ? " lines" : "") : "truth table";
  const parameters = network.parameters.toLocaleString("en");
  return [cell(network.kind.replaceAll("_", "-")), cell(parameters, "n"), cell(accuracy, "n"),
    cell(`${cost.us_per_input.toFixed(0)} µs`, "n")];
}

// A line is right where all of it is.
const share = ({ accuracy, n }, of) => `${(100 * accuracy).toFixed(2)} % of ${n.toLocaleString("en")}${of}`;

document.addEventListener("back", showModels);
