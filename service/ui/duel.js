// Ten bars and a verdict for each of the two readers, and the sentence where one refuses.

import { element, say } from "./dom.js";

const NAMES = { cnn: "CNN", rnn: "RNN" };
const NOTHING = { digit: null, top: [], accepted: true };

// The reason of a refusal, as a sentence.
export function excuse({ reason, digit, top }) {
  const [first, second] = top ?? [];
  switch (reason) {
    case "blank":
      return "There is no ink to read.";
    case "ambiguous":
      return second ? `It cannot tell ${first.digit} from ${second.digit}.` : "No digit is likely enough.";
    case "not_a_digit":
      return digit === null ? "This is not a digit." : `This is not a digit; ${digit} would only be a guess.`;
    case "several_digits":
      return "This is more than one digit. Try “A number”.";
    default:
      return `It was refused: ${String(reason).replaceAll("_", " ")}.`;
  }
}

export const percent = (share) => (share > 0.9999 ? "> 99.99 %" : `${(100 * share).toFixed(2)} %`);

export class Duel {
  #last = {};

  constructor(host) {
    this.host = host;
    this.bars = Array.from({ length: 10 }, (_, digit) => this.#row(digit));
    host.querySelector("#bars").append(...this.bars.map((bar) => bar.row));
  }

  // A prediction of `model`, by a given version.
  show(model, prediction, version) {
    this.#last[model] = prediction;
    const part = this.#part(model);
    part.classList.toggle("refused", !prediction.accepted);
    part.querySelector(".digit").textContent = prediction.digit ?? "–";
    part.querySelector(".sure").textContent = prediction.digit === null ? "" : percent(prediction.confidence);
    part.querySelector(".version").textContent = version ? `version ${version}` : "";
    this.#say(model, prediction.accepted ? "" : excuse(prediction));
    this.#fill(model, prediction);
  }

  // Why there is no prediction.
  fail(model, message) {
    this.show(model, NOTHING);
    this.#say(model, message);
  }

  empty() {
    for (const model in NAMES) this.show(model, NOTHING);
  }

  // For who does not see the bars.
  spoken() {
    return Object.entries(this.#last).filter(([, last]) => last !== NOTHING).map(([model, last]) =>
      `${NAMES[model]}: ${last.accepted ? `${last.digit}, ${percent(last.confidence)}.` : excuse(last)}`).join(" ");
  }

  #part(model) {
    return this.host.querySelector(`.verdict.${model}`);
  }

  #say(model, text) {
    say(this.host.querySelector(`.sentence.${model}`), text && `${NAMES[model]}: ${text}`);
  }

  #row(digit) {
    const [cnn, rnn] = ["cnn", "rnn"].map((model) => element("span", { className: `bar ${model}` }, element("i")));
    return { row: element("li", {}, cnn, element("b", {}, digit), rnn), cnn, rnn };
  }

  #fill(model, { top, digit }) {
    const shares = new Array(10).fill(0);
    for (const each of top) shares[each.digit] = each.probability;
    this.bars.forEach((bar, place) => {
      bar[model].firstChild.style.transform = `scaleX(${shares[place]})`;
      bar[model].classList.toggle("best", place === digit);
    });
  }
}
