import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Database } from "../src/database.ts";
import { createLog } from "../src/log.ts";
import { type RetentionCount, type RetentionOptions, runRound, startRetention } from "../src/retention.ts";
import { everySessionOf } from "../src/sessions/access.ts";
import { extendSession } from "../src/sessions/change.ts";
import { maxInstant } from "../src/sessions/instant.ts";
import { endExpired, eraseEnded } from "../src/sessions/retention.ts";
import { type NewSession, type Session, sessions } from "../src/sessions/schema.ts";
import type { Db } from "../src/sessions/store.ts";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "./support/database.ts";
import { createGiven, hour, now } from "./support/given.ts";
import { audience, startTestIssuer } from "./support/issuer.ts";
import { startKratosServer } from "./support/kratos.ts";
import { startCommand } from "./support/rollcall.ts";

// Ended sessions are kept for an hour, expired ones for two.
const keptMs = { endedMs: 3_600_000, expiredMs: 7_200_000 };
const endedCutoff = now - hour;
const expiredCutoff = now - 2n * hour;

// Of its own, so that whoever waits for a lock in it is one of ours.
let testDatabase: TestDatabase;
let database: Database;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = openTestDatabase(testDatabase.url);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

describe("a round", () => {
  const live = { endedAt: null, endReason: null };
  const expired = { endedAt: now, endReason: "expired" };
  test.each<[string, Partial<NewSession>, Partial<Session> | undefined]>([
    ["ends a session whose time ran out exactly then", { expiresAt: expiredCutoff }, expired],
    ["leaves one whose time ran out a microsecond later", { expiresAt: expiredCutoff + 1n }, live],
    ["leaves one that never expires", { expiresAt: null }, live],
    ["leaves one that is in use", { expiresAt: now + 1n }, live],
    ["erases a session that was ended exactly then", { endedAt: endedCutoff }, undefined],
    ["keeps one that was ended a microsecond later", { endedAt: endedCutoff + 1n }, { endedAt: endedCutoff + 1n }],
    [
      "keeps when and why an expired one was ended before",
      { expiresAt: expiredCutoff, endedAt: endedCutoff + 1n, endReason: "logout" },
      { endedAt: endedCutoff + 1n, endReason: "logout" },
    ],
  ])("%s", async (_name, session, expected) => {
    const { given, round, read } = givenInstance();
    const { id } = await given.session({ createdAt: now - 3n * hour, ...session });

    await round();

    if (expected === undefined) expect(await read(id)).toBeUndefined();
    else expect(await read(id)).toMatchObject(expected);
  });

  test("ends a session by nobody, as a change that has a number", async () => {
    const { given, round, read } = givenInstance();
    const { id, sequence } = await given.session({ expiresAt: expiredCutoff });

    expect(await round()).toEqual({ ended: 1, erased: 0 });

    const ended = await read(id);
    expect(ended).toMatchObject({ endedBy: null, changedAt: now });
    expect(ended?.sequence).toBeGreaterThan(sequence);
  });

  test("erases a session that it ended before, once that was long enough ago", async () => {
    const { given, round } = givenInstance();
    await given.session({ expiresAt: expiredCutoff });
    await round();

    expect(await round({ now: () => now + hour - 1n })).toEqual({ ended: 0, erased: 0 });
    expect(await round({ now: () => now + hour })).toEqual({ ended: 0, erased: 1 });
  });

  test("leaves other instances alone", async () => {
    const { given, read } = givenInstance();
    const expired = await given.session({ expiresAt: expiredCutoff });
    const ended = await given.session({ endedAt: endedCutoff });

    await givenInstance().round();

    expect([await read(expired.id), await read(ended.id)]).toEqual([expired, ended]);
  });

  test.each([0, 1, 4, 5])("lets %i sessions of each kind go, two at a time", async (count) => {
    const { given, round } = givenInstance();
    for (let i = 0; i < count; i += 1) {
      await given.session({ expiresAt: expiredCutoff - BigInt(i) });
      // All at once: a batch may be any of them.
      await given.session({ endedAt: endedCutoff });
    }

    expect(await round({ batchSize: 2 })).toEqual({ ended: count, erased: count });
    expect(await round({ batchSize: 2 })).toEqual({ ended: 0, erased: 0 });
  });

  test("takes those first that have been over the longest", async () => {
    const { given, instanceId, read } = givenInstance();
    const scope = everySessionOf(instanceId);
    const [expired, longExpired] = [
      await given.session({ expiresAt: now - 1n }),
      await given.session({ expiresAt: 1n }),
    ];
    const [ended, longEnded] = [await given.session({ endedAt: now - 1n }), await given.session({ endedAt: 1n })];

    await endExpired(database.db, scope, { cutoff: now, limit: 1, at: now });
    await eraseEnded(database.db, scope, { cutoff: now - 1n, limit: 1 });

    expect([await read(expired.id), await read(longExpired.id)]).toMatchObject([{ endedAt: null }, { endedAt: now }]);
    expect([await read(ended.id), await read(longEnded.id)]).toEqual([ended, undefined]);
  });

  test("logs one line with what it did, and none if it did nothing", async () => {
    const { given, round, log } = givenInstance();
    await given.session({ expiresAt: expiredCutoff });
    await given.session({ expiresAt: expiredCutoff });
    await given.session({ endedAt: endedCutoff });

    await round({ batchSize: 1 });
    await round();

    expect(log.lines).toEqual([expect.objectContaining({ level: 30, msg: "retention", ended: 2, erased: 1 })]);
  });

  test("leaves no way back for the token of a session that it ended", async () => {
    const server = await startKratosServer({ databaseUrl: testDatabase.url });
    onTestFinished(() => server.close());
    const { round } = givenInstance(server.instanceId);
    const ended = await server.signIn({}, { expiresAt: expiredCutoff });
    const kept = await server.signIn({}, { expiresAt: expiredCutoff + 1n });

    await round();
    for (const { session } of [ended, kept]) await extend(database.db, session);

    expect((await server.ask("GET", "/sessions/whoami", ended)).status).toBe(401);
    expect((await server.ask("GET", "/sessions/whoami", kept)).status).toBe(200);
  });
});

describe("a session that changes while the batch waits for it", () => {
  test("stays if it was extended", async () => {
    const { given, round, read } = givenInstance();
    const session = await given.session({ expiresAt: expiredCutoff });
    await given.session({ expiresAt: expiredCutoff });

    const count = await changeMeanwhile(session, round, (db) => extend(db, session));

    expect(count).toEqual({ ended: 1, erased: 0 });
    expect(await read(session.id)).toMatchObject({ expiresAt: maxInstant, endedAt: null });
  });

  test("stays if it was opened again", async () => {
    const { given, round, read } = givenInstance();
    const session = await given.session({ endedAt: endedCutoff });
    await given.session({ endedAt: endedCutoff });

    const count = await changeMeanwhile(session, round, (db) => update(db, session, { endedAt: null }));

    expect(count).toEqual({ ended: 0, erased: 1 });
    expect(await read(session.id)).toMatchObject({ endedAt: null });
  });

  test("is ended as it then is, if it is still due", async () => {
    const { given, round, read } = givenInstance();
    const session = await given.session({ expiresAt: expiredCutoff });

    await changeMeanwhile(session, round, (db) => update(db, session, { agentIp: "1.2.3.4" }));

    expect(await read(session.id)).toMatchObject({ endReason: "expired", agentIp: "1.2.3.4" });
  });
});

describe("several workers", () => {
  test("of one instance never have a batch at the same time", async () => {
    const { given, round } = givenInstance();
    const first = await given.session({ expiresAt: expiredCutoff - 1n });
    await given.session({ expiresAt: expiredCutoff });
    await given.session({ endedAt: endedCutoff });
    const lock = await lockRow(first);
    const one = round({ batchSize: 1 });
    await waitUntilBlocked();

    const other = await round();
    await lock.commit();

    expect(other).toEqual({ ended: 0, erased: 0 });
    expect(await one).toEqual({ ended: 2, erased: 1 });
  });

  test("of one instance share the work", async () => {
    const { given, round } = givenInstance();
    for (let i = 0; i < 60; i += 1)
      await given.session({ expiresAt: expiredCutoff, endedAt: i % 2 ? endedCutoff : null });
    const total = { ended: 0, erased: 0 };

    // Who meets another leaves the rest to it, and both may do that to each other; not when nobody else is there.
    for (const workers of [3, 3, 1]) {
      const counts = await Promise.all(Array.from({ length: workers }, () => round({ batchSize: 3 })));
      for (const count of counts) {
        total.ended += count.ended;
        total.erased += count.erased;
      }
    }

    expect(total).toEqual({ ended: 30, erased: 30 });
  });

  test("of several instances do not wait for each other", async () => {
    const { given, round } = givenInstance();
    const other = givenInstance();
    await other.given.session({ expiresAt: expiredCutoff });
    const lock = await lockRow(await given.session({ expiresAt: expiredCutoff }));
    const blocked = round();
    await waitUntilBlocked();

    expect(await other.round()).toEqual({ ended: 1, erased: 0 });

    await lock.commit();
    expect(await blocked).toEqual({ ended: 1, erased: 0 });
  });
});

describe("the worker", () => {
  test("goes on with the next round after one that failed", async () => {
    const { given, options, log } = givenInstance();
    const session = await given.session({ expiresAt: expiredCutoff });
    const lock = await lockRow(session);
    const worker = startRetention({ ...options, roundMs: 1 });
    await waitUntilBlocked();

    await database.client`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query like '%pg_try_advisory%' and wait_event_type = 'Lock'`;
    const failed = await log.line("retention failed");
    await lock.commit();

    expect(failed).toMatchObject({ level: 50, err: { message: expect.not.stringContaining("select") } });
    expect(await log.line("retention")).toMatchObject({ ended: 1, erased: 0 });
    await worker.stop();
  });

  test("finishes its batch when it is stopped, starts no other, and leaves the rest to the next worker", async () => {
    const { given, options, round, log } = givenInstance();
    const session = await given.session({ expiresAt: expiredCutoff - 1n });
    await given.session({ expiresAt: expiredCutoff });
    const lock = await lockRow(session);
    const worker = startRetention({ ...options, batchSize: 1 });
    await waitUntilBlocked();

    let isStopped = false;
    const stopped = worker.stop().then(() => {
      isStopped = true;
    });
    await waitUntilBlocked();
    expect(isStopped).toBe(false);
    await lock.commit();
    await stopped;

    expect(log.lines).toMatchObject([{ ended: 1, erased: 0 }]);
    expect(await round()).toEqual({ ended: 1, erased: 0 });
  });

  test("stops in the middle of a pause", async () => {
    const { given, options, log } = givenInstance();
    await given.session({ expiresAt: expiredCutoff });
    const worker = startRetention({ ...options, roundMs: 3_600_000 });
    await log.line("retention");

    await worker.stop();
  });
});

describe("rollcall serve", () => {
  test("lets sessions go from its start, and ends with exit code 0", async () => {
    const { given, instanceId, read } = givenInstance();
    const expired = await given.session({ expiresAt: now - hour });
    const ended = await given.session({ endedAt: now - hour });
    const live = await given.session();

    const rollcall = await startServe(instanceId);
    const line = await rollcall.line(/"msg":"retention"/);
    rollcall.child.kill("SIGTERM");

    expect(JSON.parse(line)).toMatchObject({ ended: 1, erased: 1 });
    expect((await rollcall.ended).code).toBe(0);
    expect([await read(expired.id), await read(ended.id), await read(live.id)]).toMatchObject([
      { endReason: "expired" },
      undefined,
      live,
    ]);
  });

  test("ends though its batch does not", async () => {
    const { given, instanceId } = givenInstance();
    const lock = await lockRow(await given.session({ expiresAt: now - hour }));
    const rollcall = await startServe(instanceId);
    await waitUntilBlocked();

    rollcall.child.kill("SIGTERM");

    expect((await rollcall.ended).code).toBe(0);
    await lock.commit();
  });

  async function startServe(instanceId: string) {
    const issuer = await startTestIssuer();
    const rollcall = startCommand(["serve"], {
      PORT: "0",
      DATABASE_URL: testDatabase.url,
      INSTANCE_ID: instanceId,
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: audience,
      RETENTION_ENDED: "1s",
      RETENTION_EXPIRED: "1s",
    });
    onTestFinished(async () => {
      rollcall.child.kill("SIGKILL");
      await issuer.stop();
    });
    return rollcall;
  }
});

function givenInstance(instanceId: string = randomUUID()) {
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

/** Locks a row as one who is about to change it does. */
async function lockRow({ id }: Session) {
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

/** Changes a session that a round has chosen already and waits for; answers what the round did. */
async function changeMeanwhile(
  session: Session,
  round: () => Promise<RetentionCount>,
  change: (db: Db) => Promise<unknown>,
): Promise<RetentionCount> {
  const lock = await lockRow(session);
  const count = round();
  await waitUntilBlocked();
  await change(lock.db);
  await lock.commit();
  return await count;
}

/** Waits until a batch waits for a lock. */
async function waitUntilBlocked(): Promise<void> {
  await vi.waitFor(async () => expect(await countBlocked()).toBe(1), { timeout: 10_000 });
}

async function countBlocked(): Promise<number> {
  const [found] = await database.client`
    select count(*)::int as blocked from pg_stat_activity
    where datname = current_database() and query like '%pg_try_advisory%' and wait_event_type = 'Lock'`;
  return found?.["blocked"];
}

function extend(db: Db, { instanceId, id }: Session): Promise<unknown> {
  return extendSession(db, everySessionOf(instanceId), id, { expiresAt: maxInstant, at: now });
}

async function update(db: Db, { id }: Session, changes: Partial<Session>): Promise<void> {
  await db.update(sessions).set(changes).where(eq(sessions.id, id));
}
