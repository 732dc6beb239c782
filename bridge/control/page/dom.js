// Elements made of parts. What comes from elsewhere enters the page as text here, and nowhere else as anything else.

/** Make an element; `props` are attributes, `text`, or listeners (`onclick`); false and null leave one out. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Give an element this text, unless it has it: what is selected or being read aloud stays undisturbed. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute, unless it is so already. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === "") element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function byId(id) {
  return document.getElementById(id);
}
