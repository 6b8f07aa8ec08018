import type { Database } from "../database.ts";
import { readableBy } from "../sessions/access.ts";
import { type ImportRecord, packRecords, storeRecords } from "../sessions/bulk.ts";
import type { Instant } from "../sessions/instant.ts";
import { listSessions, type SessionQuery } from "../sessions/store.ts";
import { createDemoData } from "./data.ts";
import { demoInstanceId } from "./people.ts";

// Any number: with another one the demo shows other people.
const seed = 20_261;
// Measured: all of them at once take four times as long.
const batchSize = 500;

const allOfDemo = readableBy({
  instanceId: demoInstanceId,
  userId: "",
  agentId: undefined,
  grants: [{ permission: "session.read", organizationId: undefined }],
});
const firstOnly: SessionQuery = { conditions: [], page: { offset: 0, limit: 1, order: "newest_first" } };

/** Stores the demo's data, unless there is some already; all of it or nothing. Tells whether it did. */
export async function seedDemo({ db }: Database, now: Instant): Promise<boolean> {
  const { total } = await listSessions(db, allOfDemo, firstOnly);
  if (total > 0) return false;
  const data = createDemoData({ seed, now });
  const records: ImportRecord[] = [
    ...data.users.map((user) => ({ kind: "user", user }) as const),
    ...data.sessions.map((session) => ({ kind: "session", session }) as const),
  ];
  await db.transaction(async (tx) => {
    for (let start = 0; start < records.length; start += batchSize) {
      await storeRecords(tx, packRecords(records.slice(start, start + batchSize)));
    }
  });
  return true;
}
