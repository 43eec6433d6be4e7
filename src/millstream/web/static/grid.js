// The chunks of a job as a grid that fills.
//
// One canvas, whatever their number: cells shrink, and where they would become too small to tell apart, one cell stands
// for several neighbours. A state has a colour and a shape: planned is hollow, running half full, done full, failed
// crossed out, done with rejected records has a notch. Where nothing is planned yet there is a dot.

import { h, mark, say } from "./dom.js";
import { bytes, count, plural, time } from "./format.js";

const LARGEST = 22;
const SMALLEST = 9;
const HEIGHT = 336;
const STATES = ["failed", "running", "planned", "done"];
const INKS = { ahead: "--line-strong", planned: "--muted", running: "--accent", done: "--ok-fill", rejects: "--ok-fill",
  failed: "--bad", notch: "--warn-fill", ground: "--surface", focus: "--ink" };

/** What a number of chunks in one cell is drawn as: the state that a person must see first. */
export function leading(cell) {
  if (cell.failed) return "failed";
  if (cell.running) return "running";
  if (cell.done && cell.done === cell.size) return cell.rejected ? "rejects" : "done";
  if (cell.done || cell.planned) return "planned";
  return "ahead";
}

/** How `total` chunks are laid out in `width` pixels: `{side, columns, rows, per}`, `per` chunks to a cell. */
export function layout(total, width) {
  for (let side = LARGEST; side >= SMALLEST; side -= 1) {
    const columns = Math.max(1, Math.floor(width / side));
    const rows = Math.ceil(total / columns);
    if (rows * side <= HEIGHT) return { side, columns, rows: Math.max(1, rows), per: 1 };
  }
  const columns = Math.max(1, Math.floor(width / SMALLEST));
  const room = columns * Math.floor(HEIGHT / SMALLEST);
  const per = Math.ceil(total / room);
  return { side: SMALLEST, columns, rows: Math.ceil(total / per / columns), per };
}

/** The chunks in cells: counts per state, how many of them are known, and the first error. */
export function cells(chunks, total, per) {
  const all = [];
  for (let first = 0; first < total; first += per) {
    const last = Math.min(total, first + per) - 1;
    const cell = { first, last, size: last - first + 1, planned: 0, running: 0, done: 0, failed: 0, rejected: 0, error: "" };
    for (let seq = first; seq <= last; seq += 1) {
      const chunk = chunks[seq];
      if (!chunk) continue;
      cell[chunk.state] += 1;
      cell.rejected += chunk.rejected;
      cell.error ||= chunk.error;
    }
    all.push(cell);
  }
  return all;
}

/** A cell in words. */
export function describe(cell, chunks) {
  if (cell.size > 1) {
    const parts = STATES.filter((state) => cell[state]).map((state) => `${count(cell[state])} ${state}`);
    const ahead = cell.size - STATES.reduce((sum, state) => sum + cell[state], 0);
    if (ahead) parts.push(`${count(ahead)} not planned yet`);
    if (cell.rejected) parts.push(`${plural(cell.rejected, "record")} rejected`);
    const error = cell.error ? ` First error: ${cell.error}` : "";
    return `Chunks ${count(cell.first)} to ${count(cell.last)}: ${parts.join(", ")}.${error}`;
  }
  const chunk = chunks[cell.first];
  if (!chunk) return `Chunk ${count(cell.first)}: not planned yet.`;
  const parts = [chunk.state === "planned" && chunk.attempts ? "waits for another attempt" : chunk.state];
  parts.push(`bytes ${count(chunk.start)} to ${count(chunk.end)} (${bytes(chunk.end - chunk.start)})`);
  if (chunk.records !== null) parts.push(plural(chunk.records, "record"));
  if (chunk.rejected) parts.push(`${count(chunk.rejected)} rejected`);
  if (chunk.attempts > 1) parts.push(`attempt ${count(chunk.attempts)}`);
  if (chunk.finished) parts.push(`at ${time(chunk.finished / 1000)}`);
  return `Chunk ${count(cell.first)}: ${parts.join(", ")}.${chunk.error ? ` ${chunk.error}` : ""}`;
}

export class ChunkGrid {
  #chunks = [];
  #total = 0;
  #cells = [];
  #plan = { side: LARGEST, columns: 1, rows: 1, per: 1 };
  #at = null;
  #frame = null;
  #inks = null;
  #watch;

  constructor() {
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.field = h("div", {
      class: "grid-field", tabindex: "0", role: "application", "aria-roledescription": "grid of chunks",
      "aria-describedby": "grid-keys",
    }, this.canvas, this.tip);
    this.told = h("p", { class: "told", role: "status" });
    this.summary = h("p", { class: "unseen", id: "grid-keys",
      text: "Arrow keys move from chunk to chunk, Home and End to the first and last, F to the next failed one." });
    this.element = h("div", { class: "grid" }, this.field, this.summary, this.told);
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("pointermove", (event) => this.#hover(event));
    this.field.addEventListener("pointerdown", (event) => this.#hover(event));
    this.field.addEventListener("pointerleave", () => this.#point(null));
    this.field.addEventListener("focus", () => this.#point(this.#at ?? 0));
    this.field.addEventListener("blur", () => this.#point(null));
    this.#watch = new ResizeObserver(() => this.#lay());
    this.#watch.observe(this.field);
    this.redraw = () => {
      this.#inks = null;
      this.#draw();
    };
    document.addEventListener("millstream-theme", this.redraw);
    this.#rest();
  }

  /** Let go of what observes the page. */
  close() {
    this.#watch.disconnect();
    document.removeEventListener("millstream-theme", this.redraw);
    cancelAnimationFrame(this.#frame);
  }

  /** Show these: `chunks[seq]` with what is known, `total` of them expected. */
  show(chunks, total) {
    this.#chunks = chunks;
    this.#total = Math.max(total, chunks.length);
    const counts = { planned: 0, running: 0, done: 0, failed: 0 };
    for (const chunk of chunks) if (chunk) counts[chunk.state] += 1;
    const words = Object.entries(counts).map(([state, number]) => `${count(number)} ${state}`).join(", ");
    mark(this.field, "aria-label", `Chunks: ${words}`);
    this.#lay();
  }

  #lay() {
    const width = this.field.clientWidth;
    if (!width) return;
    this.#inks = null;
    this.#plan = layout(Math.max(1, this.#total), width);
    this.#cells = cells(this.#chunks, this.#total, this.#plan.per);
    if (this.#at !== null) this.#point(Math.min(this.#at, this.#cells.length - 1));
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { side, columns, rows } = this.#plan;
    const scale = window.devicePixelRatio || 1;
    const width = columns * side;
    const height = Math.max(1, rows) * side;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const inks = this.#inks ??= mix(this.canvas);
    this.#cells.forEach((cell, number) => {
      paint(pen, (number % columns) * side, Math.floor(number / columns) * side, side, cell, inks);
    });
    if (this.#at !== null && this.#cells[this.#at]) {
      pen.strokeStyle = inks.focus;
      pen.lineWidth = 2;
      pen.strokeRect((this.#at % columns) * side + 1, Math.floor(this.#at / columns) * side + 1, side - 2, side - 2);
    }
  }

  #hover(event) {
    const box = this.canvas.getBoundingClientRect();
    const { side, columns } = this.#plan;
    const column = Math.floor((event.clientX - box.left) / side);
    const row = Math.floor((event.clientY - box.top) / side);
    const number = row * columns + column;
    this.#point(column >= 0 && column < columns && number >= 0 && number < this.#cells.length ? number : null);
  }

  #point(number) {
    const moved = number !== this.#at;
    this.#at = this.#cells.length ? number : null;
    const cell = this.#at === null ? null : this.#cells[this.#at];
    if (!cell) {
      this.tip.hidden = true;
      this.#rest();
    } else {
      const text = describe(cell, this.#chunks);
      say(this.told, text);
      this.#place(text);
    }
    if (moved) this.#draw();
  }

  #place(text) {
    const { side, columns } = this.#plan;
    const left = (this.#at % columns) * side + side / 2;
    this.tip.hidden = false;
    say(this.tip, text.split(".")[0].split(", bytes")[0]);
    const room = this.field.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = `${Math.max(0, Math.min(room, left - this.tip.offsetWidth / 2))}px`;
    this.tip.style.top = `${Math.floor(this.#at / columns) * side - this.tip.offsetHeight - 6}px`;
  }

  #rest() {
    const { per } = this.#plan;
    say(this.told, per > 1 ? `Each cell stands for ${per} chunks. Point at one, or use the arrow keys.`
      : "Point at a chunk, or use the arrow keys, to see its range, records and errors.");
  }

  #key(event) {
    const { columns } = this.#plan;
    const last = this.#cells.length - 1;
    const at = this.#at ?? 0;
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns, Home: 0, End: last,
      PageDown: at + columns * 5, PageUp: at - columns * 5 };
    let next = steps[event.key];
    if (event.key === "f" || event.key === "F") {
      const failed = (cell, number) => cell.failed > 0 && number > at;
      next = this.#cells.findIndex(failed);
      if (next < 0) next = this.#cells.findIndex((cell) => cell.failed > 0);
      if (next < 0) return;
    }
    if (event.key === "Escape") {
      this.field.blur();
      return;
    }
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#point(Math.max(0, Math.min(last, next)));
  }
}

// The colours of the theme, as a canvas takes them: only a property that is a colour says which of its two holds.
function mix(element) {
  const inks = {};
  for (const [kind, name] of Object.entries(INKS)) {
    element.style.color = `var(${name})`;
    inks[kind] = getComputedStyle(element).color;
  }
  element.style.color = "";
  return inks;
}

function paint(pen, left, top, side, cell, inks) {
  const kind = leading(cell);
  const gap = side > 12 ? 2 : 1;
  const x = left + gap;
  const y = top + gap;
  const size = side - 2 * gap;
  pen.fillStyle = inks[kind];
  pen.strokeStyle = inks[kind];
  pen.lineWidth = 1.5;
  if (kind === "ahead") {
    const dot = Math.max(2, side / 7);
    pen.fillRect(left + (side - dot) / 2, top + (side - dot) / 2, dot, dot);
    return;
  }
  if (kind === "planned" || kind === "running") pen.strokeRect(x + 0.75, y + 0.75, size - 1.5, size - 1.5);
  else pen.fillRect(x, y, size, size);
  if (kind === "planned" && cell.done) {
    const part = (size * cell.done) / cell.size;
    pen.fillStyle = inks.done;
    pen.fillRect(x, y + size - part, size, part);
  }
  if (kind === "running") {
    pen.beginPath();
    pen.moveTo(x, y + size);
    pen.lineTo(x + size, y);
    pen.lineTo(x + size, y + size);
    pen.fill();
  }
  if (kind === "rejects") {
    pen.fillStyle = inks.notch;
    pen.beginPath();
    pen.moveTo(x + size * 0.35, y);
    pen.lineTo(x + size, y);
    pen.lineTo(x + size, y + size * 0.65);
    pen.fill();
  }
  if (kind === "failed") {
    const inset = size * 0.24;
    pen.strokeStyle = inks.ground;
    pen.lineWidth = Math.max(1.2, size / 8);
    pen.beginPath();
    pen.moveTo(x + inset, y + inset);
    pen.lineTo(x + size - inset, y + size - inset);
    pen.moveTo(x + size - inset, y + inset);
    pen.lineTo(x + inset, y + size - inset);
    pen.stroke();
  }
}
