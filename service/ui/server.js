// What is asked of the server, and what is said where it does not answer as hoped.

import { byId, say } from "./dom.js";

const ROOT = new URL("..", location.href); // the page is at <root>/ui/
const AGAIN_MS = 1000;

export const address = (path) => new URL(path, ROOT).href;

// What some servers take. It is kept here alone, and goes when the page goes.
export let key = "";

// A failure with a message for people. `status` is 0 where there was no answer at all.
class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const sentence = (text) => {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : whole + ".";
};

// The JSON that a route answers. Throws Failure.
export async function ask(path, request) {
  const headers = { ...request?.headers, ...(key && { "x-api-key": key }) };
  const answer = await fetch(address(path), { ...request, headers }).catch(() => null);
  if (!answer) {
    lost();
    throw new Failure("The server does not answer.", 0);
  }
  byId("lock").hidden = answer.status !== 401;
  const body = await answer.json().catch(() => null);
  if (answer.ok && body) return body;
  const text = body?.error ?? `the server answered with status ${answer.status} and no reason`;
  throw new Failure(sentence(text), answer.status);
}

// At most one question is under way; of those that come meanwhile only the latest is asked.
export class Latest {
  #waiting = null;
  #busy = false;

  constructor(ask, answered, failed) {
    Object.assign(this, { ask, answered, failed });
  }

  async put(question) {
    this.#waiting = question;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#waiting) {
      const next = this.#waiting;
      this.#waiting = null;
      await this.ask(next).then((answer) => this.answered(answer, next), (failure) => this.failed(failure, next));
    }
    this.#busy = false;
  }

  forget() {
    this.#waiting = null;
  }
}

// Silence is told once, and the server is asked until it is back; who listens for "back" then asks anew.
let isLost = false;

function lost() {
  if (isLost) return;
  isLost = true;
  say(byId("silence"), "The server does not answer. It is asked again every second, and your drawing stays.");
  setTimeout(knock, AGAIN_MS);
}

async function knock() {
  const answer = await fetch(address("livez")).catch(() => null);
  if (!answer?.ok) return setTimeout(knock, AGAIN_MS);
  isLost = false;
  say(byId("silence"), "");
  goOn();
}

const goOn = () => document.dispatchEvent(new Event("back"));

byId("lock").onsubmit = (event) => {
  event.preventDefault();
  key = encodeURI(byId("key").value.trim()); // a header takes no other letters
  goOn();
};
