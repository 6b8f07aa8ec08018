import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { everySessionOf } from "../../src/sessions/access.ts";
import { packRecords, storeRecords } from "../../src/sessions/bulk.ts";
import { endSessions, extendSession } from "../../src/sessions/change.ts";
import { listChanges } from "../../src/sessions/changes.ts";
import { hasIdIn } from "../../src/sessions/filter.ts";
import { bareSession, type Session, sessions } from "../../src/sessions/schema.ts";
import type { Db } from "../../src/sessions/store.ts";
import { hour, now } from "../support/given.ts";
import { openChanges } from "./changes-database.ts";

const writerCount = 8;
const changes = await openChanges(writerCount + 2);
afterAll(() => changes.close());
const { database, givenInstance, openTransaction } = changes;

// Few, so that writers meet; in the order in which all of them lock.
const sessionIds = ["a", "b", "c", "d", "e", "f"];
const task = fc.record({
  ids: fc.subarray(sessionIds, { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom("insert", "import", "end", "extend" as const),
  mark: fc.integer({ min: 1, max: 1_000_000 }),
  /** One statement for each id, in one transaction; or one for all of them. */
  isSplit: fc.boolean(),
  /** Whether other things happen between a statement and the next, or the end. */
  pauses: fc.boolean(),
  isUndone: fc.boolean(),
});
type Task = typeof task extends fc.Arbitrary<infer T> ? T : never;

test("whoever follows the changes of several writers misses none, and goes only forward", async () => {
  const tasks = fc.array(task, { minLength: 4, maxLength: 8 });
  const writers = fc.array(tasks, { minLength: writerCount, maxLength: writerCount });
  await fc.assert(
    fc.asyncProperty(writers, fc.integer({ min: 1, max: 5 }), async (writers, limit) => {
      const { instanceId, readAll } = givenInstance();
      const looks = new EventEmitter().setMaxListeners(writerCount);
      const writing = Promise.all(writers.map((tasks) => run(tasks, instanceId, looks)));

      const followed = await follow(instanceId, limit, writing, looks);

      expect(followed).toEqual(await readAll());
    }),
    // Another run of the same tasks is another race: there is nothing to learn from a smaller one.
    { numRuns: 15, endOnFailure: true },
  );
});

/** What a reader knows of every session, by number, once all is written and the reader has nothing more to read. */
async function follow(
  instanceId: string,
  limit: number,
  writing: Promise<unknown>,
  looks: EventEmitter,
): Promise<Session[]> {
  const known = new Map<string, Session>();
  const scope = everySessionOf(instanceId);
  let isWritten = false;
  const written = writing.finally(() => {
    isWritten = true;
  });
  let after = 0n;
  for (let isLast = false; !isLast; ) {
    // Before the look: the last one must begin after the last write.
    const mayBeLast = isWritten;
    const page = await listChanges(database.db, scope, { after, limit });
    for (const { session } of page.sessions) {
      expect(session.sequence).toBeGreaterThan(after);
      after = session.sequence;
      known.set(session.id, session);
    }
    expect(page.upTo).toBeGreaterThanOrEqual(after);
    after = page.upTo;
    isLast = mayBeLast && page.sessions.length < limit;
    looks.emit("look");
  }
  await written;
  return [...known.values()].sort((a, b) => Number(a.sequence - b.sequence));
}

async function run(tasks: readonly Task[], instanceId: string, looks: EventEmitter): Promise<void> {
  for (const { ids, isSplit, pauses, isUndone, ...change } of tasks) {
    const statements = isSplit ? ids.map((id) => [id]) : [ids];
    if (statements.length === 1 && !pauses && !isUndone) await write(database.db, instanceId, ids, change);
    else {
      const transaction = await openTransaction();
      for (const ids of statements) {
        await write(transaction.db, instanceId, ids, change);
        // The reader has looked twice, and other writers have gone on meanwhile.
        for (let i = 0; pauses && i < 2; i += 1) await once(looks, "look");
      }
      await transaction[isUndone ? "rollback" : "commit"]();
    }
  }
}

async function write(db: Db, instanceId: string, ids: string[], { kind, mark }: Pick<Task, "kind" | "mark">) {
  const scope = everySessionOf(instanceId);
  const row = { ...bareSession, instanceId, createdAt: now, changedAt: now, expiresAt: now + BigInt(mark) };
  switch (kind) {
    case "insert":
      return await db.insert(sessions).values(ids.map(() => ({ ...row, id: randomUUID() })));
    case "import":
      return await storeRecords(db, packRecords(ids.map((id) => ({ kind: "session", session: { ...row, id } }))));
    case "end":
      return await endSessions(db, scope, [hasIdIn(ids)], { at: now, reason: String(mark), by: undefined });
    case "extend":
      for (const id of ids) await extendSession(db, scope, id, { expiresAt: now + hour + BigInt(mark), at: now });
      return;
    default:
      throw new Error(`unknown kind: ${kind satisfies never}`);
  }
}
