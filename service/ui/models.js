// What the server has loaded, with what each model's manifest says of it.

import { address, ask } from "./server.js";

const byId = (id) => document.getElementById(id);

const cell = (text, className = "") => Object.assign(document.createElement("td"), { textContent: text, className });

export async function showModels() {
  try {
    const { models } = await ask("v1/models");
    const used = models.filter((model) => model.default || model.state !== "READY");
    byId("listing").tBodies[0].replaceChildren(...await Promise.all(used.map(row)));
    complain("");
  } catch (failure) {
    complain(failure.message);
    document.addEventListener("back", showModels, { once: true });
  }
}

async function row(model) {
  const path = `v1/models/${model.name}?version=${model.version}`;
  const { manifest } = await ask(path);
  const made = document.createElement("tr");
  const link = Object.assign(document.createElement("a"), { href: address(path), textContent: `${model.name}/${model.version}` });
  const name = Object.assign(document.createElement("th"), { scope: "row" });
  name.append(link);
  const state = Object.assign(document.createElement("td"), { className: `state ${model.state.toLowerCase()}` });
  state.textContent = model.state.toLowerCase() + (model.reason ? `: ${model.reason}` : "");
  made.append(name, ...facts(manifest), state);
  return made;
}

function facts(manifest) {
  if (!manifest) return ["–", "–", "–", "–"].map((text) => cell(text));
  const { network, metrics, cost } = manifest;
  const { test } = metrics;
  const accuracy = test ? `${(100 * test.accuracy).toFixed(2)} % of ${test.n.toLocaleString("en")}` : "truth table";
  const parameters = network.parameters.toLocaleString("en");
  return [cell(network.kind.replaceAll("_", "-")), cell(parameters, "n"), cell(accuracy, "n"),
    cell(`${cost.us_per_input.toFixed(0)} µs`, "n")];
}

function complain(text) {
  byId("models-trouble").textContent = text;
  byId("models-trouble").hidden = !text;
}
