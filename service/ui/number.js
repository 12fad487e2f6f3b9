// A number with several digits: its text, each digit with how sure the reader is, and its box on the paper.

import { element, say } from "./dom.js";
import { excuse, percent } from "./duel.js";

export class NumberPanel {
  constructor(host, boxes) {
    this.host = host;
    this.boxes = boxes;
  }

  // `pad` knows the size of what was sent, and where on the paper it lies.
  show({ text, digits }, pad) {
    this.host.querySelector("#text").textContent = text;
    this.host.querySelector("#digits").replaceChildren(...digits.map(chip));
    this.boxes.replaceChildren(...digits.map((digit) => frame(digit, pad)));
    this.say(digits.length ? doubts(digits) : "There is no digit to read.");
  }

  fail({ message, status }) {
    this.empty();
    this.say(status === 404 ? "This server does not read numbers yet. It reads one digit at a time." : message);
  }

  empty() {
    this.show({ text: "", digits: [] });
    this.say("");
  }

  spoken() {
    return ["#text", ".sentence"].map((part) => this.host.querySelector(part).textContent).join(" ");
  }

  say(text) {
    say(this.host.querySelector(".sentence"), text);
  }
}

function doubts(digits) {
  const refused = digits.filter((each) => !each.accepted).map((each) => each.digit);
  const unsure = refused.filter((digit) => digit !== null).join(", ");
  const words = unsure ? [`Doubtful: ${unsure}.`] : [];
  if (refused.includes(null)) words.push("Where it says ?, there is no digit.");
  return words.join(" ");
}

function chip(said) {
  const { digit, accepted, confidence } = said;
  const doubt = accepted ? {} : { className: "refused", title: excuse(said) };
  const sure = digit === null ? "no digit" : percent(confidence);
  return element("li", doubt, element("b", {}, digit ?? "?"), element("span", {}, sure));
}

function frame({ box: [x, y, width, height], accepted }, pad) {
  const [left, top, across, down] = pad.frame();
  const [wide, tall] = pad.size;
  const made = element("i", { className: accepted ? "" : "refused" });
  Object.assign(made.style, {
    left: `${100 * (left + (x / wide) * across)}%`,
    top: `${100 * (top + (y / tall) * down)}%`,
    width: `${(100 * across * width) / wide}%`,
    height: `${(100 * down * height) / tall}%`,
  });
  return made;
}
