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
    const refused = digits.filter((digit) => digit.accepted === false).map((digit) => digit.digit ?? "what is no digit");
    this.say(digits.length === 0 ? "There is no digit to read." : refused.length ? `Doubtful: ${refused.join(", ")}.` : "");
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
    return this.host.querySelector(".sentence").textContent || this.host.querySelector("#text").textContent;
  }

  say(text) {
    say(this.host.querySelector(".sentence"), text);
  }
}

function chip(digit) {
  const doubt = digit.accepted === false ? { className: "refused", title: excuse(digit) } : {};
  return element("li", doubt, element("b", {}, digit.digit ?? "?"), element("span", {}, percent(digit.confidence)));
}

function frame({ box: [x, y, width, height], accepted }, pad) {
  const [left, top, across, down] = pad.frame();
  const [wide, tall] = pad.size;
  const made = element("i", { className: accepted === false ? "refused" : "" });
  Object.assign(made.style, {
    left: `${100 * (left + (x / wide) * across)}%`,
    top: `${100 * (top + (y / tall) * down)}%`,
    width: `${(100 * across * width) / wide}%`,
    height: `${(100 * down * height) / tall}%`,
  });
  return made;
}
