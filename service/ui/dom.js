// Elements: found, made, and given words.

export const byId = (id) => document.getElementById(id);

export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// A place without words is not there.
export function say(place, text) {
  place.textContent = text;
  place.hidden = !text;
}
