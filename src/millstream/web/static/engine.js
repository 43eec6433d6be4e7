// Pipelines and workers of a running engine.

import * as api from "./api.js";
import { Chart } from "./chart.js";
import { command, h, mark, reconcile, say } from "./dom.js";
import { bytes, count, decimal, duration, moment, plural } from "./format.js";
import { empty, figure, pill, table } from "./parts.js";

const STATES = ["open", "ready", "running", "waiting", "done", "discarded", "dead"];
const MEANING = { open: "being filled", ready: "wait for a worker", running: "claimed from the ledger", waiting: "wait for another attempt",
  done: "worked", discarded: "given up", dead: "failed too often" };
const NOUN = { minibatch: "minibatches of a stream", bucket: "buckets of files", chunk: "chunks of files", plan: "chunks of files" };
const DOTS = 64;
const SAMPLES = 300;
const ENDED = ["done", "discarded", "dead"];

export class EngineView {
  title = "Engine";
  #known = new Map();
  #rows = new Map();
  #samples = [];

  constructor() {
    const none = "since this page was opened.";
    this.speed = new Chart({ title: "Batches worked per second", kind: "area", tone: "tone-accent", unit: "batches per second",
      empty: `None ${none}` });
    this.queue = new Chart({ title: "Batches that wait for a worker", kind: "area", tone: "tone-accent", unit: "batches",
      empty: `None ${none}` });
    this.charts = h("div", { class: "pair" }, ...[this.speed, this.queue].map((chart) => h("section", { class: "card chart-card" }, chart.element)));
    this.note = h("p", { class: "note", "data-tone": "warn", hidden: true,
      text: "All work is paused; `millstream resume` lets it go." });
    this.figures = ["Workers busy", "Waiting for a worker", "Oldest waiting", "Dead letters"].map(figure);
    this.pool = h("div", { class: "workers", role: "img" });
    this.list = h("div", { class: "pipelines" });
    const { element, body } = table("Claimed batches", [{ name: "Batch" }, { name: "Pipeline" }, { name: "Records", number: true },
      { name: "Size", number: true }, { name: "Attempt", number: true }, { name: "Since", number: true }]);
    this.body = body;
    this.running = h("section", { class: "card", "aria-labelledby": "card-running" },
      h("div", { class: "card-head" }, h("h2", { id: "card-running", text: "Claimed batches" })), element);
    this.nothing = h("div");
    this.root = h("div", {}, h("div", { class: "page-head" }, h("h1", { text: "Engine" })), this.note,
      h("div", { class: "figures" }, ...this.figures.map((each) => each.element)), this.pool, this.nothing, this.list, this.charts, this.running);
  }

  /** Read and show. */
  async refresh() {
    this.#show(await api.pipelines());
  }

  /** Whether an event changes what is shown. */
  concerns() {
    return true;
  }

  close() {
    this.speed.close();
    this.queue.close();
  }

  #show(document) {
    const { pipelines, pool, running } = document;
    this.note.hidden = !document.paused;
    const now = moment(document.now) ?? Date.now();
    const sum = (state) => pipelines.reduce((all, each) => all + (each.states[state] ?? 0), 0);
    const [busy, ready, oldest, dead] = this.figures;
    busy.update(pool ? `${count(pool.busy)} / ${count(pool.workers)}` : count(sum("running")), pool ? poolNote(pool) : "batches being worked");
    // What is claimed beyond the number of workers waits as well, in the engine's own queue.
    const queued = sum("ready") + (pool ? Math.max(0, sum("running") - pool.busy) : 0);
    ready.update(count(queued), sum("waiting") ? `${count(sum("waiting"))} wait for another attempt` : "batches");
    const waits = pipelines.map((each) => each.oldest_waiting_s).filter((each) => each !== null && each !== undefined);
    oldest.update(waits.length ? duration(Math.max(...waits)) : "–", waits.length ? "since it was ready" : "every ready batch is claimed");
    dead.update(count(sum("dead")), sum("dead") ? "see Dead letters" : "none", sum("dead") ? "bad" : null);
    this.#work(pool);
    if (pipelines.length) this.nothing.replaceChildren();
    else if (!this.nothing.firstChild) this.nothing.append(nothing());
    reconcile(this.list, this.#known, pipelines, { key: (each) => each.name, make: pipelineCard });
    this.charts.hidden = !pipelines.length;
    this.#sample(now, ENDED.reduce((all, state) => all + sum(state), 0), queued);
    this.running.hidden = !running.length;
    reconcile(this.body, this.#rows, running.map((batch) => ({ batch, now })), { key: (each) => each.batch.id, make: batchRow });
  }

  /** The charts show what was seen since the page was opened: the ledger keeps no history of its queue. */
  #sample(at, ended, queued) {
    const last = this.#samples.at(-1);
    if (last && at - last.at < 500) return;
    this.#samples.push({ at, ended, queued });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const [first] = this.#samples;
    const span = (at - first.at) / 1000;
    const pairs = this.#samples.slice(1).map((sample, before) => [this.#samples[before], sample]);
    const rates = pairs.map(([before, sample]) => Math.max(0, ((sample.ended - before.ended) * 1000) / (sample.at - before.at)));
    if (pairs.length < 2) return;
    this.speed.show(rates, span, `${decimal(rates.at(-1))} per second`);
    this.queue.show(this.#samples.map((sample) => sample.queued), span, plural(queued, "batch", "batches"));
  }

  #work(pool) {
    this.pool.hidden = !pool?.workers;
    if (!pool?.workers) return;
    mark(this.pool, "aria-label", `${plural(pool.busy, "worker")} busy of ${pool.workers}`);
    const dots = Math.min(DOTS, pool.workers);
    const full = Math.ceil((pool.busy / pool.workers) * dots);
    while (this.pool.childElementCount < dots) this.pool.append(h("span", { class: "worker" }));
    while (this.pool.childElementCount > dots) this.pool.lastChild.remove();
    [...this.pool.children].forEach((dot, at) => mark(dot, "data-busy", at < full));
  }
}

function poolNote(pool) {
  return pool.processes > 1 ? `in ${count(pool.processes)} processes` : "of all workers";
}

function nothing() {
  return empty("No pipeline has run here yet", h("p", { text: "Cut a stream into minibatches, and watch it here:" }),
    command(() => "tail -f app.log | millstream stream - --window 5m --dashboard -- ./load.sh", "cut a stream").element);
}

function pipelineCard(pipeline) {
  const name = h("h2", { text: pipeline.name });
  const kind = h("span", { class: "muted" });
  const facts = h("p", { class: "muted" });
  const segments = new Map(STATES.map((state) => [state, h("span", { class: "segment", "data-state": state })]));
  const stack = h("div", { class: "stack", role: "img" }, ...segments.values());
  const legend = h("ul", { class: "counts" });
  const known = new Map();
  const element = h("section", { class: "card pipeline" }, h("div", { class: "card-head" }, name, kind), stack, legend, facts);
  const update = (now) => {
    say(kind, NOUN[now.kind] ?? now.kind);
    const total = STATES.reduce((sum, state) => sum + (now.states[state] ?? 0), 0);
    for (const [state, segment] of segments) {
      const number = now.states[state] ?? 0;
      segment.hidden = !number;
      segment.style.flexGrow = String(number);
    }
    const there = STATES.filter((state) => now.states[state]);
    mark(stack, "aria-label", total ? there.map((state) => `${count(now.states[state])} ${state}`).join(", ") : "no batches yet");
    reconcile(legend, known, there, { key: (state) => state, make: (state) => counted(state) });
    for (const state of there) known.get(state).number(now.states[state]);
    const parts = [total ? "" : "no batches yet"];
    if (now.records_accepted) parts.push(`${count(now.records_accepted)} records accepted, ${bytes(now.bytes_accepted)}`);
    if (now.oldest_waiting_s !== null && now.oldest_waiting_s !== undefined) parts.push(`oldest waiting for ${duration(now.oldest_waiting_s)}`);
    say(facts, parts.filter(Boolean).join(" · "));
  };
  return { element, update };
}

function counted(state) {
  const number = h("strong");
  const own = pill(state);
  const element = h("li", {}, own.element, number, h("span", { class: "muted", text: MEANING[state] }));
  return { element, update: () => {}, number: (value) => say(number, count(value)) };
}

function batchRow() {
  const cells = ["", "", "number", "number", "number", "number"].map((kind) => h("td", { class: kind || null }));
  const element = h("tr", {}, ...cells);
  const update = ({ batch, now }) => {
    const since = moment(batch.started_at ?? batch.claimed_at);
    const texts = [batch.id, batch.pipeline, count(batch.records), bytes(batch.size_bytes), count(batch.attempts),
      since === null ? "–" : duration((now - since) / 1000)];
    cells.forEach((cell, at) => say(cell, texts[at]));
  };
  return { element, update };
}
