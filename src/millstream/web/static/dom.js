// Elements made from values. Text only ever becomes text nodes: names of files are whatever somebody called them.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: `on...` props are listeners, `text` its text, others attributes; children are nodes or text. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Set the text only where it differs, so that selections and screen readers are left alone. */
export function say(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Set or remove an attribute only where it differs. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else {
    const wanted = value === true ? "" : String(value);
    if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
  }
}

/**
 * Make the children of `parent` those of `items`, keeping elements whose key stays: focus survives an update.
 * `make(item)` answers `{element, update(item)}`; the map of what there is lives in `known`.
 */
export function reconcile(parent, known, items, { key, make }) {
  const wanted = new Set(items.map(key));
  for (const [name, part] of known) {
    if (!wanted.has(name)) {
      part.element.remove();
      known.delete(name);
    }
  }
  let before = null;
  for (const item of items) {
    const name = key(item);
    let part = known.get(name);
    if (!part) {
      part = make(item);
      known.set(name, part);
    }
    part.update(item);
    const place = before ? before.nextElementSibling : parent.firstElementChild;
    if (place !== part.element) parent.insertBefore(part.element, place);
    before = part.element;
  }
}

const live = () => document.getElementById("announce");

/** Tell a screen reader. */
export function announce(text) {
  live().textContent = text;
}

/** Copy text, and say so on the button. */
export function copyButton(read, label) {
  const button = h("button", { type: "button", class: "quiet small", text: "Copy", "aria-label": label });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(read());
      say(button, "Copied");
      announce("Copied");
    } catch {
      say(button, "Select it and press Ctrl+C");
    }
    setTimeout(() => say(button, "Copy"), 2000);
  });
  return button;
}

/** A command to type, with a button that copies it; `read` may change over time, `update` shows it. */
export function command(read, label) {
  const code = h("code", { text: read() });
  const element = h("div", { class: "command" }, h("pre", { tabindex: "0", "aria-label": label }, code),
    copyButton(read, `Copy: ${label}`));
  return { element, update: () => say(code, read()) };
}
