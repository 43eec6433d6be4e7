// One job: how far it is, its chunks, what it did over time, and what went wrong.

import * as api from "./api.js";
import { Chart, histogram } from "./chart.js";
import { Chunks } from "./chunks.js";
import { announce, copyButton, h, mark, say } from "./dom.js";
import { confirm } from "./dialogs.js";
import { ago, bytes, count, duration, percent, plural, short } from "./format.js";
import { ChunkGrid } from "./grid.js";
import { bar, card, figure, pill } from "./parts.js";
import { ACTIONS, jobOf, share } from "./shapes.js";
import { FailedTable, RejectsTable } from "./troubles.js";

const BINS = 60;
const STANDSTILL_MS = 15_000;
const WORDS = { pause: "Pause", resume: "Resume", cancel: "Cancel", retry: "Retry what failed" };
const LEGEND = [["planned", "planned"], ["running", "running"], ["done", "done"], ["rejects", "done, some records rejected"],
  ["failed", "failed"], ["ahead", "not planned yet"]];

export class JobView {
  title = "Job";
  #chunks;
  #job = null;
  #timer;

  constructor(id) {
    this.id = id;
    this.#chunks = new Chunks(id);
    this.grid = new ChunkGrid();
    this.rate = new Chart({ title: "Records per second", kind: "area", tone: "tone-accent", unit: "records per second",
      empty: "Shown as soon as chunks are done." });
    this.errors = new Chart({ title: "Rejected records and failed chunks", kind: "bars", tone: "tone-bad", unit: "at once",
      empty: "None so far." });
    this.failed = new FailedTable();
    this.rejects = new RejectsTable(id);
    this.root = this.#build();
    this.#timer = setInterval(() => this.#clock(), 1000);
  }

  #build() {
    this.heading = h("h1", { class: "file", text: "…" });
    this.state = pill("accepted");
    this.buttons = h("div", { class: "buttons", role: "group", "aria-label": "What to do with this job" });
    this.where = h("span");
    const id = h("span", { class: "id" }, h("code", { text: this.id }), copyButton(() => this.id, "Copy the id of this job"));
    this.why = h("p", { class: "note", hidden: true });
    this.progress = bar("Progress of this job");
    this.figures = Object.fromEntries(["Done", "Published", "Rejected", "Rate", "Time left", "Chunks"].map((name) => [name, figure(name)]));
    const legend = h("ul", { class: "legend", "aria-label": "What the cells mean" },
      ...LEGEND.map(([kind, text]) => h("li", {}, h("span", { class: `key key-${kind}`, "aria-hidden": "true" }), text)));
    return h("div", {},
      h("p", { class: "crumbs" }, h("a", { href: "#/jobs", text: "← All jobs" })),
      h("div", { class: "page-head" }, h("div", { class: "title" }, this.heading, this.state.element), this.buttons),
      h("p", { class: "facts muted" }, this.where, id), this.why, this.progress.element,
      h("div", { class: "figures six" }, ...Object.values(this.figures).map((each) => each.element)),
      card("Chunks", { id: "card-chunks" }, this.grid.element, legend),
      h("div", { class: "pair" }, card("Speed", { id: "card-speed" }, this.rate.element),
        card("Trouble", { id: "card-trouble" }, this.errors.element)),
      this.failed.element, this.rejects.element);
  }

  /** Read and show. */
  async refresh() {
    const job = jobOf(await api.track(this.id));
    await this.#chunks.refresh();
    this.#show(job);
    this.failed.show(this.#chunks.all);
    await this.rejects.refresh(job.rejected);
  }

  /** Whether an event changes what is shown. */
  concerns(event) {
    if (event.what === "retried" && event.message_id === this.id) this.#chunks.forget();
    return event.message_id === this.id || event.what === "poll" || !event.message_id;
  }

  close() {
    clearInterval(this.#timer);
    this.grid.close();
    this.rate.close();
    this.errors.close();
  }

  #show(job) {
    if (this.#job && this.#job.status !== job.status) announce(`${job.file}: ${job.status}`);
    const isNew = this.#job?.status !== job.status;
    this.#job = job;
    this.title = job.file;
    document.title = `${job.file} · Millstream`;
    say(this.heading, job.file);
    this.state.update(job.status);
    this.#explain(job);
    const part = share(job);
    const isComplete = part !== null && percent(part) === 100 && !job.chunks.failed; // then nothing can be worked again
    if (isNew) this.#offer((ACTIONS[job.status] ?? []).filter((action) => action !== "retry" || !isComplete));
    const done = part === null ? "–" : `${percent(part)} %`;
    this.progress.update(part, done, job.status);
    const { Done, Published, Rejected, Rate, Chunks: chunks } = this.figures;
    Done.update(done, job.size === null ? "size not known yet" : `${bytes(job.bytesDone)} of ${bytes(job.size)}`);
    Published.update(short(job.published), job.published >= 10_000 ? `${count(job.published)} records` : "records");
    Rejected.update(count(job.rejected), "malformed records", job.rejected ? "warn" : null);
    Rate.update(job.rate === null ? "–" : `${short(job.rate)}/s`, job.isEnded ? "records, on average" : "records, last 30 s");
    chunks.update(`${count(job.chunks.done)} / ${count(this.#chunks.all.length)}`, job.chunks.failed ? `${count(job.chunks.failed)} failed` : "done of planned",
      job.chunks.failed ? "bad" : null);
    this.grid.show(this.#chunks.all, this.#expected(job));
    this.#clock();
    this.#draw(job);
  }

  /** How many chunks the whole file will have, by the size of those that are known. */
  #expected(job) {
    const known = this.#chunks.all.filter(Boolean);
    if (job.isEnded || job.size === null || !known.length) return known.length;
    const covered = Math.max(...known.slice(-1).map((chunk) => chunk.end ?? 0), 0);
    if (!covered) return known.length;
    return Math.max(known.length, Math.ceil(((job.size - covered) / covered) * known.length) + known.length);
  }

  #clock() {
    const job = this.#job;
    if (!job) return;
    const times = [`in ${job.container}`, `accepted ${ago(job.created / 1000)}`];
    if (job.isEnded) times.push(`took ${duration(((job.ended ?? job.updated) - job.created) / 1000)}`);
    say(this.where, times.join(" · "));
    const { "Time left": left } = this.figures;
    if (job.isEnded) left.update(job.status === "cancelled" ? "–" : "0 s", "it has ended");
    else if (job.eta === null) left.update("–", job.status === "paused" ? "paused" : "not known yet");
    else left.update(duration(job.eta), "at this rate");
  }

  #explain(job) {
    const parts = [];
    if (job.waits) parts.push(`It waits: ${job.waits}. It goes on by itself.`);
    if (job.error) parts.push(job.error);
    this.why.replaceChildren(...parts.flatMap((text, at) => (at ? [h("br"), text] : [text])));
    if (job.successor) {
      this.why.append(parts.length ? h("br") : "", "The file changed while it was read; ",
        h("a", { href: `#/jobs/${job.successor}`, text: "its new version" }), " takes the place of this job.");
    }
    this.why.hidden = !parts.length && !job.successor;
    mark(this.why, "data-tone", job.error ? "bad" : "warn");
  }

  #draw(job) {
    const finished = this.#chunks.all.filter((chunk) => chunk?.finished);
    if (!finished.length) return;
    const from = finished.reduce((low, chunk) => Math.min(low, chunk.started ?? chunk.finished), Infinity);
    const to = Math.max(from + 1000, this.#until(job, finished));
    const span = (to - from) / 1000;
    const bins = Math.max(8, Math.min(BINS, finished.length * 2));
    const over = { from, to, bins };
    const rates = histogram(finished, { ...over, value: (chunk) => (chunk.state === "done" ? chunk.records : 0) });
    const perS = rates.map((sum) => sum / (span / bins));
    this.rate.show(perS, span, `${short(finished.reduce((sum, chunk) => sum + (chunk.records ?? 0), 0) / span)}/s on average`);
    const troubles = histogram(finished.map((chunk) => ({ ...chunk, started: chunk.finished })),
      { ...over, value: (chunk) => chunk.rejected + (chunk.state === "failed" ? 1 : 0) });
    const told = [[job.rejected, `${count(job.rejected)} rejected`], [job.chunks.failed, plural(job.chunks.failed, "failed chunk")]];
    this.errors.show(troubles, span, told.filter(([number]) => number).map(([, text]) => text).join(", "));
  }

  /** The end of the time that the charts show: chunks that still run are no fall in speed, but a standstill is. */
  #until(job, finished) {
    const last = finished.reduce((high, chunk) => Math.max(high, chunk.finished), 0);
    if (job.isEnded) return last;
    if (Date.now() - last > STANDSTILL_MS) return Date.now();
    return this.#chunks.all.reduce((low, chunk) => (chunk?.state === "running" && chunk.started ? Math.min(low, chunk.started) : low), last);
  }

  #offer(actions) {
    const had = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(...actions.map((action) => {
      const button = h("button", { type: "button", class: action === "cancel" ? "danger" : null, "data-action": action, text: WORDS[action] });
      button.addEventListener("click", () => this.#act(action, button));
      return button;
    }));
    if (had) (this.buttons.firstElementChild ?? this.heading).focus?.();
  }

  async #act(action, button) {
    if (action === "cancel") {
      const sure = await confirm(`Cancel ${this.#job.file}?`,
        "What was published stays; the rest of the file is left out, and this job cannot be taken up again.",
        { yes: "Cancel this job" });
      if (!sure) return;
    }
    button.disabled = true;
    try {
      await api.act(this.id, action);
      if (action === "retry") this.#chunks.forget();
      announce(`${WORDS[action]}: done`);
      await this.refresh();
    } finally {
      button.disabled = false;
    }
  }
}
