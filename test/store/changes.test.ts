import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { asc, eq } from "drizzle-orm";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, openDatabase } from "../../src/database.ts";
import { everySessionOf, sessionsOf } from "../../src/sessions/access.ts";
import { packRecords, storeRecords } from "../../src/sessions/bulk.ts";
import { endSessions, eraseSessions, extendSession } from "../../src/sessions/change.ts";
import { listChanges } from "../../src/sessions/changes.ts";
import { hasIdIn } from "../../src/sessions/filter.ts";
import { bareSession, type Session, sessions } from "../../src/sessions/schema.ts";
import type { Db } from "../../src/sessions/store.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { createGiven, hour, now } from "../support/given.ts";

const writerCount = 8;

// Of its own: the open transactions of other suites would hold changes back.
let testDatabase: TestDatabase;
let database: Database;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openDatabase(testDatabase.url, { maxConnections: writerCount + 2 });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

describe("listChanges", () => {
  test("tells nothing of an instance in which nothing happened, and where to go on", async () => {
    const other = await createGiven(database, randomUUID()).session();
    const { list } = givenInstance();

    const { sessions, upTo } = await list(0n);

    expect(sessions).toEqual([]);
    expect(upTo).toBeGreaterThanOrEqual(other.sequence);
  });

  test("never goes back behind the number that it was asked for", async () => {
    const { list } = givenInstance();

    expect((await list(1_000_000_000_000n)).upTo).toBe(1_000_000_000_000n);
  });

  test("tells sessions with their users, ended ones too, in the order of their changes", async () => {
    const { given, list, end } = givenInstance();
    const ann = await given.user();
    const ended = await given.session({ userId: ann.id });
    const open = await given.session();
    await end(ended);

    const changed = (await list(0n)).sessions;

    expect(changed).toMatchObject([
      { session: open, user: null },
      { session: { id: ended.id, endReason: "logout" }, user: ann },
    ]);
  });

  test("tells only what is in scope", async () => {
    const { given, instanceId } = givenInstance();
    const [ann, bob] = [await given.user(), await given.user()];
    const hers = await given.session({ userId: ann.id });
    await given.session({ userId: bob.id });

    const scope = sessionsOf(instanceId, ann.id);

    expect(idsOf(await listChanges(database.db, scope, { after: 0n, limit: 10 }))).toEqual([hers.id]);
  });

  test.each([
    ["that the pages do not divide", 5, [2, 2, 1]],
    ["that the pages divide", 4, [2, 2, 0]],
  ])("goes through a number of sessions %s", async (_name, count, lengths) => {
    const { given, list } = givenInstance();
    const all: string[] = [];
    for (let i = 0; i < count; i += 1) all.push((await given.session()).id);

    let after = 0n;
    const pages: string[][] = [];
    for (const _length of lengths) {
      const page = await list(after, 2);
      pages.push(idsOf(page));
      after = page.upTo;
    }

    expect(pages.map(({ length }) => length)).toEqual(lengths);
    expect(pages.flat()).toEqual(all);
    expect(idsOf(await list(after, 2))).toEqual([]);
  });

  test("tells a session again that changed between two pages", async () => {
    const { given, list, end } = givenInstance();
    const [one, two, three] = [await given.session(), await given.session(), await given.session()];
    const first = await list(0n, 2);

    await end(one);
    await end(three);
    const second = await list(first.upTo, 2);

    expect([idsOf(first), idsOf(second)]).toEqual([
      [one.id, two.id],
      [one.id, three.id],
    ]);
  });

  test("tells nothing of a session that was erased", async () => {
    const { given, list, instanceId } = givenInstance();
    const erased = await given.session();
    const { upTo } = await list(0n);

    await eraseSessions(database.db, everySessionOf(instanceId), [hasIdIn([erased.id])]);

    expect([idsOf(await list(0n)), idsOf(await list(upTo))]).toEqual([[], []]);
  });

  test.each(["commit", "rollback"] as const)("waits for a change with a lower number until its %s", async (ending) => {
    const { given, instanceId, list } = givenInstance();
    const before = await list(0n);
    const slow = await openTransaction();
    const early = await createGiven({ ...database, db: slow.db }, instanceId).session();
    const late = await given.session();
    expect(late.sequence).toBeGreaterThan(early.sequence);

    const meanwhile = await list(before.upTo);
    await slow[ending]();
    const afterwards = await list(meanwhile.upTo);

    expect(idsOf(meanwhile)).toEqual([]);
    expect(idsOf(afterwards)).toEqual(ending === "commit" ? [early.id, late.id] : [late.id]);
  });

  test("does not wait for a transaction that has changed nothing yet, and tells what it changes later", async () => {
    const { given, instanceId, list } = givenInstance();
    const slow = await openTransaction();
    await slow.db.select().from(sessions).where(eq(sessions.instanceId, instanceId));
    const early = await given.session();

    const meanwhile = await list(0n);
    const late = await createGiven({ ...database, db: slow.db }, instanceId).session();
    await slow.commit();

    expect(idsOf(meanwhile)).toEqual([early.id]);
    expect(idsOf(await list(meanwhile.upTo))).toEqual([late.id]);
  });
});

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

function givenInstance() {
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

function idsOf({ sessions }: Awaited<ReturnType<typeof listChanges>>): string[] {
  return sessions.map(({ session }) => session.id);
}

/** A transaction that stays open until it is told how to end. */
async function openTransaction() {
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
