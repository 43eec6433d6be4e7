// The chunks of a job, read page by page; a page whose chunks are all at their end is not read again.

import * as api from "./api.js";
import { chunkOf, pageOf } from "./shapes.js";

const PAGE = 1000;

export class Chunks {
  /** `all[seq]` is what is known of a chunk. */
  all = [];
  #pages = [];

  constructor(id) {
    this.id = id;
  }

  /** Read what may have changed; answers whether anything was read. */
  async refresh() {
    let cursor;
    for (let number = 0; ; number += 1) {
      const known = this.#pages[number];
      if (known?.isSettled) {
        cursor = known.next;
        continue;
      }
      const page = pageOf(await api.chunks(this.id, { cursor, limit: PAGE }), "chunks");
      const rows = page.rows.map(chunkOf);
      for (const row of rows) this.all[row.seq] = row;
      const isEnded = rows.every((row) => row.state === "done" || row.state === "failed");
      this.#pages[number] = { isSettled: isEnded && page.cursor !== null, next: page.cursor };
      if (page.cursor === null) return;
      cursor = page.cursor;
    }
  }

  /** What failed may run again. */
  forget() {
    this.#pages = [];
  }
}
