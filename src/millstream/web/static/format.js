// Numbers, sizes and times for people.

const whole = new Intl.NumberFormat("en");
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** 1,234,567 */
export function count(number) {
  return number === null || number === undefined ? "–" : whole.format(Math.round(number));
}

/** 1.2 M; exact below ten thousand. */
export function short(number) {
  if (number === null || number === undefined) return "–";
  if (Math.abs(number) < 10_000) return whole.format(Math.round(number));
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(number) >= size) return `${trim(number / size)} ${unit}`;
  }
  return whole.format(number);
}

function trim(number) {
  return number >= 100 ? number.toFixed(0) : number.toFixed(1).replace(/\.0$/, "");
}

/** 0.4, 12, 1.2 k. */
export function decimal(number) {
  return number < 10 ? trim(number) : short(number);
}

/** 4.2 MB, in powers of 1000. */
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  let value = size;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${trim(value)} ${UNITS[unit]}`;
}

/** 62 of a share between 0 and 1; the few bytes of a header, which no chunk holds, are forgiven. */
export function percent(share) {
  return Math.min(100, Math.floor(share * 100 + 0.05));
}

/** 1 h 4 min, 12 s. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const rest = Math.max(0, seconds);
  if (rest < 1) return rest < 0.05 ? "0 s" : "< 1 s";
  if (rest < 90) return `${Math.round(rest)} s`;
  if (rest < 5400) return `${Math.round(rest / 60)} min`;
  if (rest < 172_800) return `${Math.floor(rest / 3600)} h ${Math.round((rest % 3600) / 60)} min`;
  return `${Math.round(rest / 86_400)} days`;
}

/** Milliseconds of a time as the API writes it (ISO 8601, or Unix seconds), null without one. */
export function moment(time) {
  if (time === null || time === undefined || time === "") return null;
  const at = typeof time === "number" ? time * 1000 : Date.parse(time);
  return Number.isNaN(at) ? null : at;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** 14:02:11, with the day when it is not today. */
export function time(at) {
  const stamp = moment(at);
  if (stamp === null) return "–";
  const date = new Date(stamp);
  return date.toDateString() === new Date().toDateString() ? clock.format(date) : day.format(date);
}

/** 3 min ago. */
export function ago(at) {
  const stamp = moment(at);
  if (stamp === null) return "–";
  const seconds = (Date.now() - stamp) / 1000;
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

/** One batch, 3 batches. */
export function plural(number, noun, nouns = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

/** A word that a shell takes as one. */
export function quoted(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
