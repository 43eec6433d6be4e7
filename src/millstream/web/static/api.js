// The HTTP API: requests with the key, and problems as errors that say their field.

const KEY = "millstream-key";
const TIMEOUT_MS = 15_000;

/** What the server said is wrong; `status` 0 when it did not answer. `fields` maps names of fields to what is wrong. */
export class Problem extends Error {
  constructor(status, title, { detail = "", fields = {}, retryAfter = null } = {}) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }
}

let key = null;
try {
  key = sessionStorage.getItem(KEY);
} catch {
  // Without storage the key lives as long as the page.
}

/** Whether a key was entered. */
export function hasKey() {
  return Boolean(key);
}

/** Use this key from now on, until the tab is closed; "" forgets it. */
export function setKey(text) {
  key = text || null;
  try {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  } catch {
    // See above.
  }
}

/** The headers of every request. */
export function headers(more = {}) {
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

/** The problem in an answer that is not ok; never raises. */
export async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Something between the page and the server answered: its status is all there is.
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const fields = {};
  for (const each of Array.isArray(body.errors) ? body.errors : []) {
    fields[each.field] = each.detail;
  }
  return new Problem(response.status, body.title ?? response.statusText, { detail: body.detail, fields, retryAfter });
}

async function ask(method, path, { query = {}, body, more = {} } = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null));
  const url = search.size ? `${path}?${search}` : path;
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: headers(body === undefined ? more : { ...more, "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, "The server does not answer.");
  }
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

/** The page of jobs behind `cursor`, newest first. */
export const jobs = ({ limit = 50, cursor, status } = {}) => ask("GET", "/jobs", { query: { limit, cursor, status } });

/** One job. */
export const track = (id) => ask("GET", "/track", { query: { message_id: id } });

/** A page of its chunks. */
export const chunks = (id, { cursor, limit = 1000, state } = {}) =>
  ask("GET", "/track/chunks", { query: { message_id: id, state, cursor, limit } });

/** A page of its rejected records. */
export const rejects = (id, { cursor, limit = 50 } = {}) =>
  ask("GET", "/track/rejects", { query: { message_id: id, cursor, limit } });

/** Cancel, pause, resume or retry a job. */
export const act = (id, action) => ask("POST", `/jobs/${encodeURIComponent(id)}/${action}`);

/** Start an ingestion; sending it again with the same `attempt` starts no second one. */
export const start = (request, attempt) =>
  ask("POST", "/read-and-publish-data", { body: request, more: { "Idempotency-Key": `"${attempt}"` } });

/** The names of the containers that this caller may use. */
export const containers = async () => (await ask("GET", "/api/containers")).containers;

/** Pipelines and pool of the running engine. */
export const pipelines = () => ask("GET", "/api/pipelines");

/** The batches that are dead. */
export const dead = ({ cursor, limit = 100 } = {}) => ask("GET", "/api/batches/dead", { query: { cursor, limit } });

/** Make a dead batch ready again. */
export const retryBatch = (id) => ask("POST", `/api/batches/${encodeURIComponent(id)}/retry`);
