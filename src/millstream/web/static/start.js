// The form that starts an ingestion, and the same as a command.

import * as api from "./api.js";
import { command, h, mark, say } from "./dom.js";
import { show } from "./dialogs.js";
import { quoted } from "./format.js";

const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(k|m|g)?(i)?b?\s*$/i;

/** Bytes of a size such as 4MB; null when it is none. */
export function parseSize(text) {
  const found = SIZE.exec(text);
  if (!found) return null;
  const power = { k: 1, m: 2, g: 3 }[found[2]?.toLowerCase()] ?? 0;
  const size = Number(found[1]) * (found[3] ? 1024 : 1000) ** power;
  return Number.isInteger(size) ? size : null;
}

/** The command that asks for the same. */
export function curl(request) {
  const key = api.hasKey() ? " -H 'Authorization: Bearer '\"$MILLSTREAM_KEY\"" : "";
  return `curl -X POST ${quoted(`${location.origin}/read-and-publish-data`)}${key} \\\n  -H 'Content-Type: application/json' \\\n`
    + `  -d ${quoted(JSON.stringify(request))}`;
}

function field(name, label, input, hint) {
  const problem = h("p", { class: "problem", id: `start-${name}-problem`, hidden: true });
  input.id = `start-${name}`;
  input.name = name;
  input.setAttribute("aria-describedby", `start-${name}-problem start-${name}-hint`);
  const element = h("div", { class: "field" }, h("label", { for: input.id, text: label }), input,
    h("p", { class: "hint", id: `start-${name}-hint`, text: hint }), problem);
  const complain = (text) => {
    problem.hidden = !text;
    say(problem, text);
    mark(input, "aria-invalid", text ? "true" : null);
  };
  return { element, input, complain };
}

function choice(options) {
  return h("select", {}, ...options.map(([value, text]) => h("option", { value, text })));
}

function fieldsOf(known) {
  const text = { autocomplete: "off", spellcheck: "false" };
  return {
    file_container: field("file_container", "Container", h("input", { type: "text", list: "start-containers", required: true, ...text,
      value: known[0] ?? "" }), "A name from --container or a [[container]] table of the configuration."),
    file_name: field("file_name", "File", h("input", { type: "text", required: true, ...text }),
      "Its name in the container, such as data.csv or 2024/orders.jsonl.gz."),
    format: field("format", "Format", choice([["", "by its name"], ["csv", "CSV"], ["jsonl", "JSON lines"], ["lines", "Lines of text"]]),
      "What a record is."),
    policy: field("policy", "Malformed records", choice([["", "as the server says"], ["strict", "strict: the job counts as partial"],
      ["skip", "skip: leave them out"], ["pad", "pad: fill short rows"]]), "They are listed with byte range and reason either way."),
    chunk_bytes: field("chunk_bytes", "Chunk size", h("input", { type: "text", placeholder: "4MB", inputmode: "text", ...text }),
      "How much is published, and repeated after a failure, at once."),
  };
}

function read(fields) {
  const request = { file_name: fields.file_name.input.value, file_container: fields.file_container.input.value.trim() };
  for (const name of ["format", "policy"]) if (fields[name].input.value) request[name] = fields[name].input.value;
  const size = fields.chunk_bytes.input.value.trim();
  if (size) request.chunk_bytes = parseSize(size);
  return request;
}

/** Show the form; `known` are containers that were seen, `onStarted(id)` is called with the new job. */
export function askToStart(known, onStarted) {
  const fields = fieldsOf(known);
  const button = h("button", { type: "submit", class: "primary", text: "Start" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const same = command(() => curl(read(fields)), "the same as a command");
  const form = h("form", { novalidate: true }, fields.file_container.element, fields.file_name.element,
    h("div", { class: "row" }, fields.format.element, fields.policy.element, fields.chunk_bytes.element), problem,
    h("div", { class: "buttons end" }, button), h("h3", { text: "The same from a terminal" }), same.element,
    h("datalist", { id: "start-containers" }, ...known.map((name) => h("option", { value: name }))));
  const dialog = show("Start an ingestion", [form]);
  let attempt = crypto.randomUUID?.() ?? String(Math.random());
  form.addEventListener("input", () => {
    attempt = crypto.randomUUID?.() ?? String(Math.random());
    same.update();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    const request = read(fields);
    const wrong = check(request);
    tell(fields, problem, wrong, "");
    if (Object.keys(wrong).length) return;
    button.disabled = true;
    try {
      const accepted = await api.start(request, attempt);
      dialog.close();
      onStarted(accepted.message_id);
    } catch (error) {
      tell(fields, problem, error.fields ?? {}, error.message);
    } finally {
      button.disabled = false;
    }
  });
  (known.length ? fields.file_name : fields.file_container).input.focus();
}

function check(request) {
  const wrong = {};
  if (!request.file_container) wrong.file_container = "Enter the name of a container.";
  if (!request.file_name) wrong.file_name = "Enter the name of a file.";
  if (request.chunk_bytes === null) wrong.chunk_bytes = "Expected a size such as 4MB or 512KiB.";
  return wrong;
}

function tell(fields, problem, wrong, message) {
  let first = null;
  for (const [name, field] of Object.entries(fields)) {
    field.complain(wrong[name] ?? "");
    if (wrong[name]) first ??= field.input;
  }
  problem.hidden = !message || first !== null;
  say(problem, message);
  first?.focus();
}
