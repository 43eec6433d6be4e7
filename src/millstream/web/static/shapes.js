// What the API's documents mean to this page.

import { moment } from "./format.js";

export const ENDED = new Set(["succeeded", "partial", "failed", "cancelled"]);

/** What can be done to a job in each status. */
export const ACTIONS = {
  accepted: ["pause", "cancel"],
  queued: ["pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  partial: ["retry"],
  failed: ["retry"],
  cancelled: [],
  succeeded: [],
};

/** A job as `/track` and `/jobs` tell it. */
export function jobOf(document) {
  const chunks = { planned: 0, running: 0, done: 0, failed: 0, ...document.chunks };
  return {
    id: document.message_id,
    status: document.status,
    file: document.file_name,
    container: document.file_container,
    size: document.size_bytes ?? null,
    bytesDone: document.bytes_done ?? 0,
    published: document.records_published ?? 0,
    rejected: document.records_rejected ?? 0,
    chunks,
    rate: document.rate_records_per_s ?? null,
    eta: document.eta_s ?? null,
    error: document.error ?? "",
    waits: document.waits_for ?? "",
    successor: document.successor ?? "",
    created: moment(document.created_at),
    updated: moment(document.updated_at),
    started: moment(document.started_at),
    ended: moment(document.ended_at),
    isEnded: ENDED.has(document.status),
  };
}

/** How much of a job is done, between 0 and 1; null while its size is not known. */
export function share(job) {
  if (job.status === "succeeded") return 1;
  if (job.size === null) return null;
  if (job.size === 0) return job.isEnded ? 1 : 0;
  return Math.min(1, job.bytesDone / job.size);
}

/** A chunk as `/track/chunks` tells it. */
export function chunkOf(document) {
  return {
    seq: document.seq,
    state: document.state,
    start: document.start,
    end: document.end,
    records: document.state === "done" ? document.records_published : document.records,
    rejected: document.records_rejected ?? 0,
    attempts: document.attempts ?? 0,
    error: document.error ?? "",
    started: moment(document.claimed_at),
    finished: moment(document.finished_at),
    nextAttempt: moment(document.next_attempt_at),
  };
}

/** The rows of a page of anything, and the cursor of the next. */
export function pageOf(document, name) {
  return { rows: document[name], cursor: document.next_cursor };
}
