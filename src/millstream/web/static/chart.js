// Small charts over time, as SVG that is drawn here.

import { h, s, say } from "./dom.js";
import { decimal, duration } from "./format.js";

const HEIGHT = 132;
const PAD = { left: 46, right: 8, top: 10, bottom: 20 };

/** The smallest "round" number that is not below `value`: 1, 2 or 5 times a power of ten. */
export function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value * (1 - 1e-9));
}

/** What finished when: `bins` of equal length from `from` to `to`, the sums of `value` spread over each item's time. */
export function histogram(items, { from, to, bins, value }) {
  const sums = new Array(bins).fill(0);
  const width = (to - from) / bins;
  if (!(width > 0)) return sums;
  for (const item of items) {
    const number = value(item);
    if (!item.finished || !number) continue;
    const end = Math.min(to, item.finished);
    const start = Math.max(from, Math.min(item.started ?? end, end - 1));
    const first = Math.max(0, Math.min(bins - 1, Math.floor((start - from) / width)));
    const last = Math.max(first, Math.min(bins - 1, Math.floor((end - from) / width)));
    for (let bin = first; bin <= last; bin += 1) {
      const overlap = Math.min(end, from + (bin + 1) * width) - Math.max(start, from + bin * width);
      sums[bin] += number * Math.max(0, first === last ? 1 : overlap / (end - start));
    }
  }
  return sums;
}

export class Chart {
  #values = [];
  #span = 0;
  #watch;

  /** `kind` is "area" or "bars"; `tone` a class that colours it; `unit` is said after numbers. */
  constructor({ title, kind, tone, unit, empty }) {
    this.title = title;
    this.kind = kind;
    this.unit = unit;
    this.empty = empty;
    this.svg = s("svg", { class: `chart ${tone}`, height: HEIGHT, role: "img" });
    this.note = h("p", { class: "chart-note", text: empty });
    this.now = h("span", { class: "chart-now" });
    this.element = h("figure", { class: "chart-box" }, h("figcaption", {}, title, this.now), this.svg, this.note);
    this.#watch = new ResizeObserver(() => this.#draw());
    this.#watch.observe(this.element);
  }

  /** Let go of what observes the page. */
  close() {
    this.#watch.disconnect();
  }

  /** Show `values` over `span` seconds; `now` is a text beside the title. */
  show(values, span, now = "") {
    this.#values = values;
    this.#span = span;
    say(this.now, now);
    this.#draw();
  }

  #draw() {
    const values = this.#values;
    const top = Math.max(0, ...values);
    const has = top > 0;
    this.svg.toggleAttribute("hidden", !has);
    this.note.hidden = has;
    if (!has) return;
    const width = Math.max(160, this.element.clientWidth);
    const high = this.kind === "bars" ? Math.max(1, ceiling(top)) : ceiling(top);
    const x = (part) => PAD.left + part * (width - PAD.left - PAD.right);
    const y = (value) => PAD.top + (1 - value / high) * (HEIGHT - PAD.top - PAD.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.setAttribute("width", width);
    const told = `${this.title}: at most ${decimal(top)} ${this.unit} over ${duration(this.#span)}`;
    this.svg.setAttribute("aria-label", told);
    const grid = [0, 0.5, 1].map((part) => [
      s("line", { class: "rule", x1: x(0), x2: x(1), y1: y(part * high), y2: y(part * high) }),
      part === 0.5 ? null : s("text", { class: "tick", x: PAD.left - 6, y: y(part * high) + 4, "text-anchor": "end" }, decimal(part * high)),
    ]);
    const times = [0, 0.5, 1].map((part) => s("text", {
      class: "tick", x: x(part), y: HEIGHT - 5, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle",
    }, part === 0 ? "start" : duration(part * this.#span)));
    this.svg.replaceChildren(...grid.flat().filter(Boolean), ...times, ...this.#marks(x, y));
  }

  #marks(x, y) {
    const values = this.#values;
    if (this.kind === "bars") {
      const wide = (x(1) - x(0)) / values.length;
      return values.map((value, bin) => value > 0 && s("rect", {
        class: "spike", x: x(bin / values.length) + 0.5, width: Math.max(1.5, wide - 1),
        y: Math.min(y(value), y(0) - 2), height: Math.max(2, y(0) - y(value)),
      })).filter(Boolean);
    }
    const last = Math.max(1, values.length - 1);
    const points = values.map((value, bin) => `${x(bin / last).toFixed(1)} ${y(value).toFixed(1)}`);
    const line = `M${points.join("L")}`;
    return [s("path", { class: "area", d: `${line}L${x(1)} ${y(0)}L${x(0)} ${y(0)}Z` }), s("path", { class: "line", d: line })];
  }
}
