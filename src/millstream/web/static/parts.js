// Pieces that several views show.

import { h, mark, say } from "./dom.js";
import { percent } from "./format.js";

const SYMBOLS = {
  accepted: "○", queued: "○", running: "▶", paused: "‖", cancelled: "⊘", succeeded: "✓", partial: "◐", failed: "✕",
  open: "◌", ready: "○", waiting: "↻", done: "✓", discarded: "⊘", dead: "✕", planned: "○",
};

/** A state as colour, symbol and word. */
export function pill(state) {
  const symbol = h("span", { class: "symbol", "aria-hidden": "true" });
  const word = h("span");
  const element = h("span", { class: "pill" }, symbol, word);
  const update = (now) => {
    mark(element, "data-state", now);
    say(symbol, SYMBOLS[now] ?? "•");
    say(word, now);
  };
  update(state);
  return { element, update };
}

/** A progress bar; `update(share, words)`, share null while nobody knows. */
export function bar(label) {
  const fill = h("span", { class: "bar-fill" });
  const element = h("div", { class: "bar", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" },
    fill);
  const update = (part, words, state) => {
    mark(element, "aria-valuenow", part === null ? null : percent(part));
    mark(element, "aria-valuetext", words);
    mark(element, "data-state", state);
    mark(element, "data-unknown", part === null);
    fill.style.width = `${part === null ? 0 : (part * 100).toFixed(2)}%`;
  };
  return { element, update };
}

/** A number with its name. */
export function figure(name) {
  const value = h("span", { class: "figure-value", text: "–" });
  const note = h("span", { class: "figure-note" });
  const element = h("div", { class: "figure" }, h("span", { class: "figure-name", text: name }), value, note);
  return {
    element,
    update: (text, more = "", tone = null) => {
      say(value, text);
      say(note, more);
      mark(element, "data-tone", tone);
    },
  };
}

/** A card with a heading; `more` stands at its right. */
export function card(title, { id, more = [] } = {}, ...content) {
  const heading = h("h2", { id, text: title });
  return h("section", { class: "card", "aria-labelledby": id }, h("div", { class: "card-head" }, heading, ...more), ...content);
}

/** What to show where there is nothing. */
export function empty(title, ...content) {
  return h("div", { class: "empty" }, h("h3", { text: title }), ...content);
}

/** A table that scrolls within itself; returns its body, too. */
export function table(caption, columns) {
  const body = h("tbody");
  const heads = columns.map((column) => h("th", { scope: "col", class: column.number ? "number" : null, text: column.name }));
  const element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${caption}, table` },
    h("table", {}, h("caption", { class: "unseen", text: caption }), h("thead", {}, h("tr", {}, ...heads)), body));
  return { element, body };
}
