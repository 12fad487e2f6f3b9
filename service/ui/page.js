// What is on the paper goes to the server, and what the server says goes on the page.

import { CurlLine } from "./curl.js";
import { Duel } from "./duel.js";
import { byId, say } from "./dom.js";
import { drawExample } from "./example.js";
import { showGates } from "./gates.js";
import { Insight } from "./insight.js";
import { showModels } from "./models.js";
import { NumberPanel } from "./number.js";
import { Pad } from "./pad.js";
import { acceptPictures, typeOf } from "./picture.js";
import { address, ask, Latest } from "./server.js";

const MODELS = ["cnn", "rnn"];
const REST_MS = 120; // the pen has stopped: time for explanations, which cost more
const THE_PICTURE = [400, 413, 415, 422]; // statuses that are the fault of what was sent, not of a model
const SPOKEN_MS = 600; // and for words to who listens

const duel = new Duel(byId("duel"));
const insight = new Insight();
const number = new NumberPanel(byId("number"), byId("boxes"));
const curl = new CurlLine(document.querySelector('.curl[data-for="read"]'));
const pad = new Pad(byId("pad"), onDrawing);
const camera = acceptPictures(onPicture, complain);
const readers = Object.fromEntries(MODELS.map((model) => [model, new Latest((question) => read(model, question),
  (answer, question) => showDigit(model, answer, question), (failure) => showFailure(model, failure))]));
const numbers = new Latest((question) => post("v1/numbers", question), showNumber, showNumberFailure);
let noNumbers = null; // the failure of a server without that route: it is not asked again

let file = null; // the picture on the paper, where there is one
let resting = 0;
let speaking = 0;

function onDrawing() {
  file = null;
  complain("");
  byId("hint").hidden = !pad.isEmpty;
  clearTimeout(resting);
  if (pad.isEmpty) return forget();
  insight.fade(true);
  put(false);
  if (pad.mode === "digit") resting = setTimeout(() => put(true), REST_MS);
}

async function onPicture(picture) {
  camera.close();
  complain("");
  clearTimeout(resting);
  const bitmap = await createImageBitmap(picture).catch(() => null); // the server reads kinds that browsers do not
  pad.show(bitmap);
  file = picture;
  byId("pace").textContent = "";
  byId("hint").hidden = Boolean(bitmap);
  byId("hint").textContent = bitmap ? "" : `${picture.name}: only the server can open this kind`;
  put(true);
}

// Asks for what is on the paper. A drawing is made a picture when its turn comes, as it is then.
function put(isExplained) {
  const question = { began: performance.now(), isExplained, type: file ? typeOf(file) : "image/png", body: body(file) };
  if (pad.mode === "number" && noNumbers) number.fail(noNumbers);
  else if (pad.mode === "number") numbers.put(question);
  else for (const model of MODELS) readers[model].put(question);
  showLine(question.type);
}

function body(picture) {
  let made = picture;
  return () => (made ??= Uint8Array.from(atob(pad.png()), (letter) => letter.charCodeAt(0)));
}

const route = () => address(pad.mode === "number" ? "v1/numbers" : "v1/digits");

function showLine(type) {
  if (file) curl.file(route(), file.name, type);
  else curl.drawing(route(), pad.png());
}

function forget() {
  for (const reader of [...Object.values(readers), numbers]) reader.forget();
  duel.empty();
  insight.empty();
  number.empty();
  byId("hint").textContent = "Draw here, or drop a picture";
  byId("pace").textContent = "The answer comes while you draw.";
  curl.file(route(), `${pad.mode}.png`, "image/png");
}

function post(path, { body, type }) {
  return ask(path, { method: "POST", headers: { "content-type": type }, body: body() });
}

function read(model, question) {
  return post(`v1/digits?model=${model}&top_k=10&explain=${question.isExplained}`, question);
}

// Cleared while the answer was on its way.
function isBlank() {
  return !file && pad.isEmpty;
}

function showDigit(model, answer, question) {
  if (isBlank() || pad.mode !== "digit") return;
  const [prediction] = answer.predictions;
  duel.show(model, prediction, answer.model.version);
  if (question.isExplained) insight.show(model, prediction);
  answered(question, duel);
}

function showFailure(model, { status, message }) {
  if (status === 0) return; // the banner says so
  const isPicture = THE_PICTURE.includes(status);
  duel.fail(model, isPicture ? "" : message);
  if (isPicture) complain(message);
  insight.empty();
}

function showNumber(answer, question) {
  if (isBlank() || pad.mode !== "number") return;
  number.show(answer, pad);
  answered(question, number);
}

function showNumberFailure(failure) {
  if (failure.status === 404) noNumbers = failure;
  if (failure.status === 0 || pad.mode !== "number") return;
  number.fail(failure);
  speak(number);
}

function answered({ began, isExplained }, panel) {
  if (!isExplained) requestAnimationFrame(() => {
    const { duration } = performance.measure("answer", { start: began });
    byId("pace").textContent = `On screen ${Math.ceil(duration)} ms after the stroke.`;
    performance.clearMeasures("answer");
  });
  speak(panel);
}

function speak(panel) {
  clearTimeout(speaking);
  speaking = setTimeout(() => (byId("say").textContent = panel.spoken()), SPOKEN_MS);
}

function complain(text) {
  say(byId("trouble"), text);
}

const WORDS = {
  digit: ["Draw a digit", "A convolutional and a recurrent network read it while you draw."],
  number: ["Write a number", "A network that was taught whole lines reads them, also where digits touch."],
};

function setMode(mode) {
  pad.turn(mode);
  byId("duel").hidden = byId("insight").hidden = mode === "number";
  byId("number").hidden = mode === "digit";
  byId("boxes").replaceChildren();
  [byId("read-title").textContent, byId("lead").textContent] = WORDS[mode];
  if (isBlank()) forget();
  else put(true);
}

for (const choice of document.querySelectorAll("input[name=mode]")) choice.onchange = () => setMode(choice.value);
byId("undo").onclick = () => pad.undo();
byId("clear").onclick = () => pad.clear();
byId("example").onclick = () => drawExample(pad);
document.addEventListener("back", () => isBlank() || put(true));
setMode(document.querySelector("input[name=mode]:checked").value);
showGates();
showModels();
