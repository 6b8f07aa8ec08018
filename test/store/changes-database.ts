import { randomUUID } from "node:crypto";
import { asc } from "drizzle-orm";
import { expect } from "vitest";
import { type Database, openDatabase } from "../../src/database.ts";
import { everySessionOf } from "../../src/sessions/access.ts";
import { endSessions } from "../../src/sessions/change.ts";
import { listChanges } from "../../src/sessions/changes.ts";
import { hasIdIn } from "../../src/sessions/filter.ts";
import { type Session, sessions } from "../../src/sessions/schema.ts";
import type { Db } from "../../src/sessions/store.ts";
import { createTestDatabase } from "../support/database.ts";
import { createGiven, now } from "../support/given.ts";

/**
 * Opens a database of its own, with at most so many connections: the open transactions of other suites would hold
 * changes back. The suite closes it.
 */
export async function openChanges(maxConnections = 4) {
  const testDatabase = await createTestDatabase();
  const database = openDatabase(testDatabase.url, { maxConnections });
  return {
    database,
    /** Sessions of one instance, and how they change. */
    givenInstance: () => givenInstance(database),
    /** A transaction that stays open until it is told how to end. */
    openTransaction: () => openTransaction(database),
    async close() {
      await database.close();
      await testDatabase.drop();
    },
  };
}

function givenInstance(database: Database) {
  const instanceId = randomUUID();
  const scope = everySessionOf(instanceId);
  return {
    instanceId,
    given: createGiven(database, instanceId),
    list: (after: bigint, limit = 10) => listChanges(database.db, scope, { after, limit }),
    end: ({ id }: Session) =>
      endSessions(database.db, scope, [hasIdIn([id])], { at: now, reason: "logout", by: undefined }),
    readAll: () => database.db.select().from(sessions).where(scope).orderBy(asc(sessions.sequence)),
  };
}

async function openTransaction(database: Database) {
  const opened = Promise.withResolvers<Db>();
  const ending = Promise.withResolvers<void>();
  const undo = new Error("rolled back");
  const transaction = database.db.transaction(async (db) => {
    opened.resolve(db);
    await ending.promise;
  });
  return {
    db: await opened.promise,
    async commit() {
      ending.resolve();
      await transaction;
    },
    async rollback() {
      ending.reject(undo);
      await expect(transaction).rejects.toBe(undo);
    },
  };
}
