// Batches that failed too often, and a way to try them again.

import * as api from "./api.js";
import { announce, command, h, reconcile, say } from "./dom.js";
import { ago, bytes, count, moment, plural } from "./format.js";
import { empty } from "./parts.js";
import { pageOf } from "./shapes.js";

const PAGE = 100;

export class DeadView {
  title = "Dead letters";
  #known = new Map();
  #limit = PAGE;

  constructor() {
    this.list = h("ul", { class: "dead", "aria-label": "Dead letters" });
    this.note = h("div");
    this.more = h("button", { type: "button", text: "Show more", hidden: true });
    this.root = h("div", {}, h("div", { class: "page-head" }, h("h1", { text: "Dead letters" })),
      h("p", { class: "muted lead", text: "Batches whose attempts are spent. They are kept until somebody decides." }),
      this.note, this.list, this.more);
    this.more.addEventListener("click", () => {
      this.#limit += PAGE;
      this.refresh();
    });
  }

  /** Read and show. */
  async refresh() {
    const rows = [];
    let cursor;
    do {
      const page = pageOf(await api.dead({ cursor, limit: Math.min(PAGE, this.#limit - rows.length) }), "batches");
      rows.push(...page.rows);
      cursor = page.cursor;
    } while (cursor && rows.length < this.#limit);
    this.more.hidden = !cursor;
    if (rows.length) this.note.replaceChildren();
    else if (!this.note.firstChild) this.note.replaceChildren(nothing());
    reconcile(this.list, this.#known, rows, { key: (row) => row.id, make: (row) => item(row, () => this.refresh()) });
  }

  /** Whether an event changes what is shown. */
  concerns() {
    return true;
  }

  close() {}
}

function nothing() {
  return empty("No dead letters", h("p", { text: "Everything that failed so far was worked by another attempt." }),
    h("p", { class: "muted", text: "When a batch has failed too often, it appears here with its error. The same in a terminal:" }),
    command(() => "millstream dead", "list dead batches").element);
}

function item(row, onDone) {
  const button = h("button", { type: "button", text: "Retry", "aria-label": `Retry ${row.id}` });
  const name = h("code", { class: "id", text: row.id });
  const facts = h("p", { class: "muted" });
  const why = h("p", { class: "reason" });
  const element = h("li", { class: "card letter" }, h("div", { class: "job-head" }, name, button), why, facts);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await api.retryBatch(row.id);
      announce(`${row.id} is ready again.`);
      document.dispatchEvent(new CustomEvent("millstream-retried"));
      const next = element.nextElementSibling ?? element.previousElementSibling;
      await onDone();
      (next?.querySelector("button") ?? document.getElementById("main")).focus();
    } finally {
      button.disabled = false;
    }
  });
  const update = (now) => {
    const died = moment(now.finished_at);
    const size = now.size_bytes;
    const parts = [now.pipeline, now.kind, `${plural(now.attempts ?? 0, "attempt")}`];
    if (now.records) parts.push(now.kind === "bucket" ? plural(now.records, "file") : plural(now.records, "record"));
    if (size) parts.push(bytes(size));
    if (died !== null) parts.push(`died ${ago(died / 1000)}`);
    say(facts, parts.join(" · "));
    say(why, now.error || "no reason was given");
  };
  return { element, update };
}

/** The number of dead batches beside the name of the section. */
export function badge(number) {
  const element = document.getElementById("dead-count");
  element.hidden = !number;
  say(element, number ? count(number) : "");
}
