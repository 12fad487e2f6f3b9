// What the networks saw and what counted for them, in the pixels of their input.

import { byId, say } from "./dom.js";

const FOR = [255, 150, 64], AGAINST = [70, 150, 255], BELIEF = [255, 190, 120];
const DIM = 0.45; // of the ink, under the pixels that counted

export class Insight {
  constructor() {
    this.note = byId("unexplained");
    this.empty();
  }

  empty() {
    for (const id of ["seen", "why-cnn", "why-rnn", "steps"]) byId(id).hidden = true;
    say(this.note, "Draw something: when the pen rests, the networks explain themselves.");
  }

  // While the drawing goes on, an explanation is of what was there before.
  fade(isStale) {
    byId("insight").classList.toggle("stale", isStale);
  }

  // A prediction that was asked for with explain=true; what a server does not explain is left out, and said.
  show(model, { image, saliency, steps, digit }) {
    this.fade(false);
    if (digit === null) return this.empty();
    if (image) draw("seen", image, (ink) => [ink, ink, ink]);
    if (saliency) draw(`why-${model}`, saliency, (share, y, x) => mixed(share, image?.[y][x] ?? 0));
    if (steps) draw("steps", steps, (share) => BELIEF.map((level) => 16 + (level - 16) * share));
    byId(`why-${model}`).hidden = !saliency;
    if (model === "rnn") byId("steps").hidden = !steps;
    say(this.note, saliency ? "" : "This server shows what its networks read, but does not explain its answers yet.");
  }
}

// Ink in grey, and over it, as strongly as it counted, the colour of for or against.
function mixed(share, ink) {
  const weight = Math.min(1, Math.abs(share));
  return (share > 0 ? FOR : AGAINST).map((level) => DIM * ink * (1 - weight) + level * weight);
}

// Rows of numbers as pixels; `colour` makes red, green and blue of a number, its row and its column.
function draw(id, rows, colour) {
  const figure = byId(id);
  const context = figure.querySelector("canvas").getContext("2d");
  const pixels = context.createImageData(rows[0].length, rows.length);
  rows.flat().forEach((value, place) => {
    const [y, x] = [Math.floor(place / pixels.width), place % pixels.width];
    pixels.data.set([...colour(value, y, x), 255], 4 * place);
  });
  context.putImageData(pixels, 0, 0);
  figure.hidden = false;
}
