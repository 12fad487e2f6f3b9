// A number with several digits: its text, each digit with how sure the reader is, and its box on the paper.

import { excuse, percent } from "./duel.js";

const element = (name, className, ...children) => {
  const made = Object.assign(document.createElement(name), { className });
  made.append(...children);
  return made;
};

export class NumberPanel {
  constructor(host, boxes) {
    this.host = host;
    this.boxes = boxes;
  }

  // `pad` knows the size of what was sent, and where on the paper it lies.
  show({ text, digits }, pad) {
    this.host.querySelector("#text").textContent = text || "–";
    this.host.querySelector("#digits").replaceChildren(...digits.map(chip));
    this.boxes.replaceChildren(...digits.map((digit) => frame(digit, pad)));
    const refused = digits.filter((digit) => digit.accepted === false);
    const doubt = refused.length === 1 ? "One digit is doubtful." : `${refused.length} digits are doubtful.`;
    this.say(digits.length === 0 ? "There is no digit to read." : refused.length ? doubt : "");
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
    const place = this.host.querySelector(".sentence");
    place.textContent = text;
    place.hidden = !text;
  }
}

function chip(digit) {
  const made = element("li", digit.accepted === false ? "refused" : "", element("b", "", digit.digit ?? "?"));
  made.append(element("span", "", percent(digit.confidence)));
  if (digit.accepted === false) made.title = excuse({ top: [], ...digit });
  return made;
}

function frame({ box: [x, y, width, height], accepted }, pad) {
  const [left, top, across, down] = pad.frame();
  const [wide, tall] = pad.size;
  const made = element("i", accepted === false ? "refused" : "");
  Object.assign(made.style, {
    left: `${100 * (left + (x / wide) * across)}%`,
    top: `${100 * (top + (y / tall) * down)}%`,
    width: `${(100 * across * width) / wide}%`,
    height: `${(100 * down * height) / tall}%`,
  });
  return made;
}
