// The page: which view is shown, when it is read again, and whether the server is there.
//
// One event stream tells that something changed; what changed is then asked for, at most once in a while, so that a
// thousand events cost one request. A slow tick reads rates and times that change without an event.

import * as api from "./api.js";
import { badge, DeadView } from "./dead.js";
import { askForKey } from "./dialogs.js";
import { announce, h, mark, say } from "./dom.js";
import { EngineView } from "./engine.js";
import { duration } from "./format.js";
import { JobView } from "./job.js";
import { JobsView } from "./jobs.js";
import { empty } from "./parts.js";
import { Live } from "./stream.js";
import { offerThemes } from "./theme.js";

const SOON_MS = 150;
const PAUSE_MS = 700;
const TICK_MS = 5000;
const ENGINE_TICK_MS = 1500;
const hasJobs = document.documentElement.dataset.serves !== "engine";
const main = document.getElementById("main");
const banner = document.getElementById("banner");

let view = null;
let timer = null;
let isReading = false;
let isStale = false;
let wasLost = false;
let forget = null;
let isOperator = true;
const troubles = { connection: "", asking: "", reading: "" };

function viewOf(hash) {
  const [, name = "", id = ""] = /^#\/([a-z]*)\/?([A-Za-z0-9-]{0,64})$/.exec(hash) ?? [];
  if (name === "dead") return ["dead", () => new DeadView()];
  if (name === "engine" || !hasJobs) return ["engine", () => new EngineView()];
  if (name === "jobs" && id) return ["jobs", () => new JobView(id)];
  return ["jobs", () => new JobsView()];
}

function show({ isFirst = false } = {}) {
  const [tab, make] = viewOf(location.hash);
  view?.close();
  view = make();
  for (const link of document.querySelectorAll(".tabs a")) mark(link, "aria-current", link.dataset.tab === tab ? "page" : null);
  document.title = `${view.title} · Millstream`;
  main.replaceChildren(view.root);
  if (!isFirst) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  isStale = true;
  read();
}

/** Read again soon; calls in between are one. */
function soon() {
  isStale = true;
  if (timer === null && !document.hidden) timer = setTimeout(read, SOON_MS);
}

async function read() {
  clearTimeout(timer);
  timer = null;
  if (isReading || document.hidden) return;
  isReading = true;
  isStale = false;
  const shown = view;
  try {
    await shown.refresh();
    if (shown === view) complain("");
  } catch (error) {
    if (shown === view) failed(error);
  } finally {
    isReading = false;
  }
  if (shown !== view) read();
  else if (isStale && timer === null) timer = setTimeout(read, PAUSE_MS);
}

function failed(error, about = "reading") {
  if (!(error instanceof api.Problem)) throw error;
  if (error.status === 0 && about === "reading") return; // told by the state of the stream
  if (error.status === 401 || error.status === 403) {
    if (error.status === 401) askForKey(changedKey, api.hasKey() ? "The server does not know this key." : "This server asks for a key.");
    complain(error.message, about);
    return;
  }
  if (error.status === 404 && about === "reading" && view instanceof JobView) {
    view.root.replaceChildren(empty("There is no such job", h("p", { text: "It may have been removed, or belong to another key." }),
      h("p", {}, h("a", { href: "#/jobs", text: "All jobs" }))));
    return;
  }
  complain(error.status === 429 && error.retryAfter ? `${error.message} (again in ${duration(error.retryAfter)})` : error.message, about);
}

/** Say what is wrong, "" when it is right again: with the connection, with what was asked for, with what was read. */
function complain(text, about = "reading") {
  troubles[about] = text;
  const shown = troubles.connection || troubles.asking || troubles.reading;
  banner.hidden = !shown;
  say(banner, shown);
}

function changedKey() {
  complain("");
  complain("", "asking");
  isOperator = true;
  countDead();
  live.retry();
  soon();
}

const WORDS = { live: "Live", polling: "Every few seconds", lost: "Connection lost", connecting: "Connecting", locked: "Key needed" };

function told(state, wait) {
  const link = document.getElementById("link");
  mark(link, "data-state", state);
  say(document.getElementById("link-text"), WORDS[state]);
  mark(main, "data-old", state === "lost");
  if (state === "lost" && wait !== null) {
    complain(`Connection lost: the server does not answer. What is shown is what was last known. Trying again in ${duration(Math.ceil(wait / 1000))}.`, "connection");
    wasLost = true;
  }
  if (state === "live" && wasLost) {
    wasLost = false;
    complain("", "connection");
    announce("Connected again");
  }
  if (state === "live" && wait === null) soon();
}

/** Count dead letters, for operators; with another key the engine is not to be seen. */
async function countDead() {
  if (!isOperator) return;
  try {
    const { pipelines } = await api.pipelines();
    badge(pipelines.reduce((sum, each) => sum + each.states.dead, 0));
  } catch (error) {
    if (error.status === 403) isOperator = false; // else it is an extra: what is wrong is told by the view that is shown
  }
  document.querySelector("[data-tab=engine]").hidden = !isOperator;
}

// What a button asked for and was refused ends here.
addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof api.Problem)) return;
  event.preventDefault();
  failed(event.reason, "asking");
  clearTimeout(forget);
  forget = setTimeout(() => complain("", "asking"), 10_000);
});
addEventListener("hashchange", () => show());
document.addEventListener("millstream-retried", countDead);
addEventListener("online", () => live.retry());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) soon();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("key-button").addEventListener("click", () => askForKey(changedKey));
offerThemes(document.getElementById("theme-button"));
document.getElementById("key-button").hidden = !hasJobs;
document.querySelector("[data-tab=jobs]").hidden = !hasJobs;
say(document.getElementById("foot-text"), `Millstream at ${location.host}`);

const live = new Live("/api/events", {
  onState: told,
  onEvent: (event) => {
    if (view?.concerns(event)) soon();
  },
});
show({ isFirst: true });
live.run();
countDead();
setInterval(() => {
  if (document.hidden || live.state === "lost" || live.state === "locked") return;
  soon();
  countDead();
}, TICK_MS);
// An engine without jobs tells nothing by itself: its batches are no jobs, and have no events here.
setInterval(() => {
  if (view instanceof EngineView && !document.hidden && live.state !== "lost" && live.state !== "locked") soon();
}, ENGINE_TICK_MS);
