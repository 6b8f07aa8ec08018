import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, describe, expect, test } from "vitest";
import { everySessionOf } from "../../src/sessions/access.ts";
import { endSessions, eraseSessions } from "../../src/sessions/change.ts";
import type { Db } from "../../src/sessions/store.ts";
import { openTestDatabase } from "../support/database.ts";
import { createGiven, now } from "../support/given.ts";

const database = openTestDatabase();
afterAll(() => database.close());

const end = { at: now, reason: "test", by: undefined };

// Each switches off a way in which PostgreSQL joins the rows to those that were chosen: it takes the next one then.
const plans = [
  [],
  ["enable_hashjoin"],
  ["enable_hashjoin", "enable_mergejoin"],
  ["enable_hashjoin", "enable_mergejoin", "enable_hashagg", "enable_sort"],
  ["enable_hashjoin", "enable_mergejoin", "enable_material", "enable_memoize"],
  ["enable_nestloop", "enable_hashagg"],
];

describe.each<[string, (db: Db, instanceId: string) => Promise<number>]>([
  [
    "endSessions",
    async (db, instanceId) => (await endSessions(db, everySessionOf(instanceId), [], { ...end, limit: 3 })).ended,
  ],
  ["eraseSessions", (db, instanceId) => eraseSessions(db, everySessionOf(instanceId), [], 3)],
])("%s", (_name, change) => {
  test.each(plans.map((off) => [off.join(" ") || "nothing", off]))(
    "keeps to its limit, with %s off",
    async (_off, off) => {
      const instanceId = randomUUID();
      const given = createGiven(database, instanceId);
      for (let i = 0; i < 8; i++) await given.session();

      const counts = await database.db.transaction(async (db) => {
        for (const name of off) await db.execute(sql.raw(`set local ${name} = off`));
        return [await change(db, instanceId), await change(db, instanceId), await change(db, instanceId)];
      });

      expect(counts).toEqual([3, 3, 2]);
    },
  );
});
