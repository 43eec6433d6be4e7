// All jobs, newest first.

import * as api from "./api.js";
import { announce, command, h, mark, reconcile, say } from "./dom.js";
import { ago, bytes, count, duration, percent, plural, short } from "./format.js";
import { bar, empty, figure, pill } from "./parts.js";
import { jobOf, pageOf, share } from "./shapes.js";
import { askToStart, curl } from "./start.js";

const PAGE = 50;
const EXAMPLE = { file_name: "data.csv", file_container: "test" };
const GROUPS = { "": "All", "accepted,queued,running,paused": "Unfinished", "succeeded": "Succeeded", "partial,failed": "With failures",
  cancelled: "Cancelled" };

export class JobsView {
  title = "Jobs";
  #known = new Map();
  #before = new Map();
  #limit = PAGE;

  constructor() {
    this.list = h("ul", { class: "jobs", "aria-label": "Jobs" });
    this.note = h("div");
    this.more = h("button", { type: "button", text: "Show older ones", hidden: true });
    this.filter = h("select", { id: "filter" }, ...Object.entries(GROUPS).map(([value, text]) => h("option", { value, text })));
    this.figures = ["Running", "Waiting", "Records per second", "With failures"].map(figure);
    const start = h("button", { type: "button", class: "primary", id: "start", text: "Start an ingestion" });
    this.root = h("div", {}, h("div", { class: "page-head" }, h("h1", { text: "Jobs" }), h("div", { class: "buttons" },
      h("label", { class: "unseen", for: "filter", text: "Show" }), this.filter, start)),
      h("div", { class: "figures" }, ...this.figures.map((each) => each.element)), this.note, this.list, this.more);
    start.addEventListener("click", async () => askToStart(await api.containers(), (id) => {
      announce("The ingestion was accepted.");
      location.hash = `#/jobs/${id}`;
    }));
    this.more.addEventListener("click", () => {
      this.#limit += PAGE;
      this.refresh();
    });
    this.filter.addEventListener("change", () => this.refresh());
  }

  /** Read and show. */
  async refresh() {
    const status = this.filter.value || undefined;
    const all = [];
    let cursor;
    do {
      const page = pageOf(await api.jobs({ limit: Math.min(PAGE, this.#limit - all.length), cursor, status }), "jobs");
      all.push(...page.rows.map(jobOf));
      cursor = page.cursor;
    } while (cursor && all.length < this.#limit);
    this.more.hidden = !cursor;
    this.#tell(all);
    this.#count(all, Boolean(cursor));
    reconcile(this.list, this.#known, all, { key: (job) => job.id, make: row });
    this.#explain(all.length === 0, status);
  }

  /** Whether an event changes what is shown. */
  concerns() {
    return true;
  }

  close() {}

  #tell(all) {
    const news = [];
    for (const job of all) {
      const before = this.#before.get(job.id);
      if (before && before !== job.status) news.push(`${job.file}: ${job.status}`);
      this.#before.set(job.id, job.status);
    }
    if (news.length) announce(news.length > 3 ? `${news.length} jobs changed` : news.join("; "));
  }

  #count(all, isPart) {
    const of = (...states) => all.filter((job) => states.includes(job.status));
    const [running, waiting, rate, failures] = this.figures;
    const among = isPart ? `of the newest ${count(all.length)}` : "";
    running.update(count(of("running").length), among);
    waiting.update(count(of("accepted", "queued", "paused").length), of("paused").length ? `${of("paused").length} paused` : among);
    rate.update(short(of("running").reduce((sum, job) => sum + (job.rate ?? 0), 0)), "published now");
    const bad = of("partial", "failed").length;
    failures.update(count(bad), among, bad ? "bad" : null);
  }

  #explain(isEmpty, status) {
    if (!isEmpty) this.note.replaceChildren();
    else if (status) this.note.replaceChildren(empty("No job is like that.", h("p", { text: "Choose another filter, or start an ingestion." })));
    else if (!this.note.firstChild) {
      this.note.replaceChildren(empty("No jobs yet",
        h("p", { text: "Ask for a file of a container, and follow it here to its last record:" }),
        command(() => curl(EXAMPLE), "start an ingestion").element,
        h("p", { class: "muted" }, "Containers are the folders and buckets that this server was started with: ",
          h("code", { text: "millstream serve --container test=./files" }), ".")));
    }
  }
}

function row(job) {
  const state = pill(job.status);
  const name = h("a", { class: "job-name", href: `#/jobs/${job.id}` });
  const where = h("span", { class: "muted" });
  const progress = bar(`Progress of ${job.file}`);
  const done = h("span");
  const speed = h("span");
  const left = h("span");
  const when = h("time", { class: "muted" });
  const why = h("p", { class: "job-why" });
  const element = h("li", { class: "job" },
    h("div", { class: "job-head" }, h("span", { class: "job-title" }, name, where), state.element),
    progress.element, h("div", { class: "job-facts" }, done, speed, left, when), why);
  element.addEventListener("click", (event) => {
    if (!event.target.closest("a") && !getSelection().toString()) name.click();
  });
  const update = (now) => {
    state.update(now.status);
    say(name, now.file);
    say(where, `in ${now.container}`);
    const part = share(now);
    const words = part === null ? "size not known yet" : `${percent(part)} %`;
    progress.update(part, words, now.status);
    say(done, `${part === null ? "–" : words}${now.size === null ? "" : ` of ${bytes(now.size)}`}`);
    const rejected = now.rejected ? `, ${count(now.rejected)} rejected` : "";
    say(speed, `${plural(now.published, "record")}${rejected}`);
    say(left, now.status === "running" ? `${short(now.rate ?? 0)}/s${now.eta === null ? "" : `, ${duration(now.eta)} left`}` : "");
    say(when, now.isEnded ? `ended ${ago((now.ended ?? now.updated) / 1000)}` : `accepted ${ago(now.created / 1000)}`);
    const reason = now.waits ? `waits: ${now.waits}` : now.error;
    say(why, reason);
    why.hidden = !reason;
    mark(why, "data-tone", now.waits ? "warn" : "bad");
  };
  return { element, update };
}
