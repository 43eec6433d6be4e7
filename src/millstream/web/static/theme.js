// Light, dark, or as the system has it.

import { announce, mark } from "./dom.js";

const KEY = "millstream-theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAME = { auto: "as the system", light: "light", dark: "dark" };

/** Let the button go through the themes; what was chosen is remembered. */
export function offerThemes(button) {
  const root = document.documentElement;
  const tell = () => {
    const text = `Theme: ${NAME[root.dataset.theme ?? "auto"]}`;
    mark(button, "aria-label", text);
    mark(button, "title", text);
    document.dispatchEvent(new CustomEvent("millstream-theme"));
  };
  button.addEventListener("click", () => {
    const next = NEXT[root.dataset.theme ?? "auto"];
    if (next === "auto") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      if (next === "auto") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, next);
    } catch {
      // Then it lasts until the page is loaded again.
    }
    announce(`Theme: ${NAME[next]}`);
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
}
