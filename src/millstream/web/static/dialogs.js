// Dialogs: a question before something is lost, and the API key. Escape closes them, focus returns to where it was.

import { h, say } from "./dom.js";
import { hasKey, setKey } from "./api.js";

function open(dialog, { onClose } = {}) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    onClose?.();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.showModal();
}

/** A dialog with this content, already shown. */
export function show(title, content, { onClose, kind = "" } = {}) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const close = h("button", { type: "button", class: "tool", "aria-label": "Close", text: "✕" });
  const dialog = h("dialog", { class: kind, "aria-labelledby": id },
    h("div", { class: "dialog-body" }, h("div", { class: "dialog-head" }, h("h2", { id, text: title }), close), ...content));
  close.addEventListener("click", () => dialog.close());
  open(dialog, { onClose });
  return dialog;
}

/** Ask; the answer is whether it was confirmed. */
export function confirm(title, text, { yes, no = "Keep it" }) {
  return new Promise((resolve) => {
    let answer = false;
    const keep = h("button", { type: "button", text: no });
    const go = h("button", { type: "button", class: "danger", text: yes });
    const dialog = show(title, [h("p", { text }), h("div", { class: "buttons end" }, keep, go)], {
      kind: "narrow", onClose: () => resolve(answer),
    });
    keep.addEventListener("click", () => dialog.close());
    go.addEventListener("click", () => {
      answer = true;
      dialog.close();
    });
    keep.focus();
  });
}

/** Ask for the API key; `onChange` is called when it changed. */
export function askForKey(onChange, reason = "") {
  if (document.querySelector("dialog.key")) return;
  const field = h("input", { type: "password", id: "key-field", name: "key", autocomplete: "off", spellcheck: "false" });
  const why = h("p", { class: "muted", text: reason || "Only needed if this server was started with keys." });
  const forget = hasKey() && h("button", { type: "button", text: "Forget the key" });
  const form = h("form", { method: "dialog" }, why, h("label", { for: "key-field", text: "API key" }), field,
    h("p", { class: "hint", text: "Kept in this tab only, until it is closed. `millstream key` makes a new one." }),
    h("div", { class: "buttons end" }, forget, h("button", { type: "submit", class: "primary", text: "Use this key" })));
  const dialog = show("API key", [form], { kind: "narrow key" });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field.value.trim()) {
      say(why, "Enter a key first, or close this with Escape.");
      return;
    }
    setKey(field.value.trim());
    dialog.close();
    onChange();
  });
  if (forget) {
    forget.addEventListener("click", () => {
      setKey("");
      dialog.close();
      onChange();
    });
  }
  field.focus();
}
