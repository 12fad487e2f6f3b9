// The line that asks the same from a shell, with a button that copies it.

import { element } from "./dom.js";
import { key } from "./server.js";

const SHOWN = 44; // characters of a picture's base64 that are shown; all are copied

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const curl = (url, type) => `curl -s ${quoted(url)}${key && ' -H "X-API-Key: $KEY"'} -H 'Content-Type: ${type}'`;

export class CurlLine {
  #line = "";

  constructor(host) {
    this.code = element("code");
    this.button = element("button", { type: "button", onclick: () => this.#copy() }, "Copy");
    const title = { tabIndex: 0, role: "group", ariaLabel: `From a shell: ${host.dataset.for}` };
    host.append(element("pre", title, this.code), this.button);
  }

  // A picture on the way as base64.
  drawing(url, base64) {
    const line = (text) => `echo ${text} | base64 -d | ${curl(url, "image/png")} --data-binary @-`;
    const middle = base64.length > SHOWN ? `${base64.slice(0, SHOWN / 2)}…${base64.slice(-SHOWN / 2)}` : base64;
    this.#set(line(base64), line(middle));
  }

  file(url, name, type) {
    this.#set(`${curl(url, type)} --data-binary ${quoted("@" + name)}`);
  }

  json(url, body) {
    this.#set(`${curl(url, "application/json")} -d ${quoted(JSON.stringify(body))}`);
  }

  #set(line, shown = line) {
    this.#line = line;
    this.code.textContent = shown;
    this.button.textContent = "Copy";
  }

  async #copy() {
    const isCopied = await navigator.clipboard?.writeText(this.#line).then(() => true, () => false);
    this.button.textContent = isCopied || this.#copyBySelection() ? "Copied" : "Not allowed";
  }

  // Pages on plain http have no clipboard of their own.
  #copyBySelection() {
    const field = element("textarea", { value: this.#line, className: "unseen" });
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    this.button.focus();
    return isCopied;
  }
}
