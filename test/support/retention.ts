import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { eq } from "drizzle-orm";
import { expect, vi } from "vitest";
import type { Database } from "../../src/database.ts";
import { createLog } from "../../src/log.ts";
import { type RetentionOptions, runRound } from "../../src/retention.ts";
import { type Session, sessions } from "../../src/sessions/schema.ts";
import type { Db } from "../../src/sessions/store.ts";
import { createTestDatabase, openTestDatabase } from "./database.ts";
import { createGiven, hour, now } from "./given.ts";

// Ended sessions are kept for an hour, expired ones for two.
const keptMs = { endedMs: 3_600_000, expiredMs: 7_200_000 };

/** A session that was ended then, or before, is erased. */
export const endedCutoff = now - hour;

/** A session whose time ran out then, or before, is ended. */
export const expiredCutoff = now - 2n * hour;

/**
 * Opens a database of its own, so that whoever waits for a lock in it is one of ours, with what retention is watched by
 * in it; the suite closes it.
 */
export async function openRetention() {
  const testDatabase = await createTestDatabase();
  const database = openTestDatabase(testDatabase.url);
  return {
    database,
    databaseUrl: testDatabase.url,
    /** Rounds of one instance, its sessions, and what is logged. */
    givenInstance: (instanceId: string = randomUUID()) => createInstance(database, instanceId),
    /** Locks a row as one who is about to change it does. */
    lockRow: (session: Session) => lockRow(database, session),
    /** Waits until a batch waits for a lock. */
    waitUntilBlocked: () => vi.waitFor(async () => expect(await countBlocked(database)).toBe(1), { timeout: 10_000 }),
    async close() {
      await database.close();
      await testDatabase.drop();
    },
  };
}

function createInstance(database: Database, instanceId: string) {
  const log = createTestLog();
  const options: RetentionOptions = {
    db: database.db,
    instanceId,
    ...keptMs,
    now: () => now,
    log: log.logger,
    pauseMs: 0,
  };
  return {
    instanceId,
    options,
    log,
    given: createGiven(database, instanceId),
    round: (others: Partial<RetentionOptions> = {}) => runRound({ ...options, ...others }),
    async read(id: string): Promise<Session | undefined> {
      const [found] = await database.db.select().from(sessions).where(eq(sessions.id, id));
      return found;
    },
  };
}

function createTestLog() {
  const written = new EventEmitter();
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => {
    lines.push(JSON.parse(line));
    written.emit("line");
  };
  return {
    logger: createLog("info", { write }),
    lines,
    /** The first line with this message, once it is there. */
    async line(message: string) {
      for (;;) {
        const found = lines.find(({ msg }) => msg === message);
        if (found) return found;
        await once(written, "line");
      }
    },
  };
}

async function lockRow(database: Database, { id }: Session) {
  const locked = Promise.withResolvers<Db>();
  const changed = Promise.withResolvers<void>();
  const transaction = database.db.transaction(async (db) => {
    await db.select().from(sessions).where(eq(sessions.id, id)).for("update");
    locked.resolve(db);
    await changed.promise;
  });
  return {
    db: await locked.promise,
    async commit() {
      changed.resolve();
      await transaction;
    },
  };
}

async function countBlocked({ client }: Database): Promise<number> {
  const [found] = await client`
    select count(*)::int as blocked from pg_stat_activity
    where datname = current_database() and query like '%pg_try_advisory%' and wait_event_type = 'Lock'`;
  return found?.["blocked"];
}
