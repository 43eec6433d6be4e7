// The event stream, read with fetch because EventSource cannot send a key.
//
// While it is open the state is "live". When it ends or falls silent it is opened again, after Last-Event-ID, each time
// a little later. While it cannot be opened though the server answers, the state is "polling": `onEvent` is called
// every few seconds with nothing in particular. While nothing answers it is "lost".

import { headers, problemOf } from "./api.js";

const SILENT_MS = 45_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
const POLL_MS = 3000;

/** Splits the text of an event stream into its events. */
export class Splitter {
  #rest = "";
  #event = {};

  /** The events that `text` completes; comments count as a sign of life only. */
  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#event.data !== undefined) events.push(this.#event);
        this.#event = {};
      } else if (!line.startsWith(":")) {
        const at = line.indexOf(":");
        const name = at < 0 ? line : line.slice(0, at);
        const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
        if (name === "data" && this.#event.data !== undefined) this.#event.data += `\n${value}`;
        else this.#event[name] = value;
      }
    }
    return events;
  }
}

export class Live {
  #url;
  #onEvent;
  #onState;
  #last = null;
  #wake = () => {};
  #abort = null;
  #failures = 0;
  #running = false;
  state = "connecting";

  /** `onState(state, retryInMs)`; `onEvent(event)` gets `{what, message_id, ...}`, `what` is "poll" without a stream. */
  constructor(url, { onEvent, onState }) {
    this.#url = url;
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  /** Go on until the page ends. */
  async run() {
    if (this.#running) return;
    this.#running = true;
    for (;;) {
      let wait = await this.#once();
      this.#failures += 1;
      wait ??= Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this.#failures - 1, 10));
      wait *= 0.75 + Math.random() / 2;
      this.#tell(this.state, wait);
      await this.#sleep(wait);
    }
  }

  /** Try at once: the key changed, or the machine is back on its network. */
  retry() {
    this.#failures = 0;
    this.#abort?.abort();
    this.#wake();
  }

  #tell(state, wait = null) {
    this.state = state;
    this.#onState(state, wait);
  }

  /** One connection until it ends; how long to wait before the next, null for the usual time. */
  async #once() {
    const abort = new AbortController();
    this.#abort = abort;
    let silence = setTimeout(() => abort.abort(), SILENT_MS);
    try {
      const more = { Accept: "text/event-stream" };
      if (this.#last !== null) more["Last-Event-ID"] = this.#last;
      const response = await fetch(this.#url, {
        headers: headers(more), cache: "no-store", credentials: "omit", signal: abort.signal,
      });
      if (!response.ok) return await this.#refused(await problemOf(response));
      this.#failures = 0;
      this.#tell("live");
      const splitter = new Splitter();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        clearTimeout(silence);
        if (done) break;
        silence = setTimeout(() => abort.abort(), SILENT_MS);
        for (const event of splitter.push(value)) this.#take(event);
      }
    } catch {
      // Told below: what went wrong with a connection is all the same.
    } finally {
      clearTimeout(silence);
    }
    // A server that shuts its streams, or one short break, is not worth an alarm yet.
    this.#tell(this.#failures === 0 ? "connecting" : "lost");
    return null;
  }

  #refused(problem) {
    if (problem.status === 401 || problem.status === 403) {
      this.#tell("locked");
      return LONGEST_WAIT_MS;
    }
    if (problem.status >= 500 && problem.status !== 503) {
      this.#tell("lost");
      return null;
    }
    this.#tell("polling");
    this.#onEvent({ what: "poll" });
    return POLL_MS;
  }

  #take(event) {
    if (event.id !== undefined) this.#last = event.id;
    try {
      this.#onEvent(JSON.parse(event.data));
    } catch {
      this.#onEvent({ what: event.event ?? "message" });
    }
  }

  #sleep(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
