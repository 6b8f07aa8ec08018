import type { Database } from "./database.ts";
import type { Instant } from "./sessions/instant.ts";

/** What the handlers of every dialect work on: the store and the time. */
export interface Directory {
  database: Database;
  now: () => Instant;
}
