// What went wrong in a job: chunks that failed, records that were rejected.

import * as api from "./api.js";
import { h, say } from "./dom.js";
import { bytes, count, plural, time } from "./format.js";
import { card, table } from "./parts.js";
import { pageOf } from "./shapes.js";

const SHOWN = 200;
const PAGE = 50;

export class FailedTable {
  #shown = "";

  constructor() {
    const { element, body } = table("Failed chunks", [{ name: "Chunk", number: true }, { name: "Bytes", number: true },
      { name: "Attempts", number: true }, { name: "When" }, { name: "Why" }]);
    this.body = body;
    this.note = h("p", { class: "muted pad" });
    this.element = card("Failed chunks", { id: "card-failed" }, element, this.note);
    this.element.hidden = true;
  }

  /** Show those that failed, the first `SHOWN` of them. */
  show(chunks) {
    const failed = chunks.filter((chunk) => chunk?.state === "failed");
    this.element.hidden = !failed.length;
    const shown = JSON.stringify(failed);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.body.replaceChildren(...failed.slice(0, SHOWN).map((chunk) => h("tr", {},
      h("td", { class: "number", text: count(chunk.seq) }), h("td", { class: "number", text: `${count(chunk.start)} – ${count(chunk.end)}` }),
      h("td", { class: "number", text: count(chunk.attempts) }), h("td", { text: chunk.finished ? time(chunk.finished / 1000) : "–" }),
      h("td", { class: "reason", text: chunk.error || "no reason was given" }))));
    const more = failed.length - SHOWN;
    say(this.note, more > 0 ? `and ${plural(more, "more")}` : "");
    this.note.hidden = more <= 0;
  }
}

export class RejectsTable {
  #wanted = PAGE;
  #number = null;

  constructor(id) {
    this.id = id;
    const { element, body } = table("Rejected records", [{ name: "Record", number: true }, { name: "Chunk", number: true },
      { name: "Bytes", number: true }, { name: "Length", number: true }, { name: "Why" }]);
    this.body = body;
    this.more = h("button", { type: "button", text: "Show more", hidden: true });
    this.note = h("p", { class: "muted pad" });
    this.element = card("Rejected records", { id: "card-rejects" }, element, this.note, this.more);
    this.element.hidden = true;
    this.more.addEventListener("click", async () => {
      this.#wanted += 4 * PAGE;
      await this.#read();
    });
  }

  /** Read again when there are more than before: `number` were rejected by now. */
  async refresh(number) {
    this.element.hidden = !number;
    if (number === this.#number) return;
    const isFull = this.body.childElementCount >= this.#wanted;
    this.#number = number;
    if (number && !isFull) await this.#read();
  }

  async #read() {
    const rows = [];
    let cursor;
    do {
      const page = pageOf(await api.rejects(this.id, { cursor, limit: Math.min(200, this.#wanted - rows.length) }), "rejects");
      rows.push(...page.rows);
      cursor = page.cursor;
    } while (cursor && rows.length < this.#wanted);
    this.body.replaceChildren(...rows.map((row) => h("tr", {}, h("td", { class: "number", text: count(row.record) }),
      h("td", { class: "number", text: count(row.chunk) }),
      h("td", { class: "number", text: `${count(row.start)} – ${count(row.end)}` }),
      h("td", { class: "number", text: bytes(row.end - row.start) }), h("td", { class: "reason", text: row.reason }))));
    this.more.hidden = !cursor;
    const kept = rows.length < this.#number && !cursor;
    say(this.note, kept ? `${plural(this.#number, "record")} rejected; the first of each chunk are kept with range and reason.` : "");
    this.note.hidden = !kept;
  }
}
