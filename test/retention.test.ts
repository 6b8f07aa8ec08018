import { eq } from "drizzle-orm";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import type { RetentionCount } from "../src/retention.ts";
import { everySessionOf } from "../src/sessions/access.ts";
import { extendSession } from "../src/sessions/change.ts";
import { maxInstant } from "../src/sessions/instant.ts";
import { endExpired, eraseEnded } from "../src/sessions/retention.ts";
import { type NewSession, type Session, sessions } from "../src/sessions/schema.ts";
import type { Db } from "../src/sessions/store.ts";
import { hour, now } from "./support/given.ts";
import { startKratosServer } from "./support/kratos.ts";
import { endedCutoff, expiredCutoff, openRetention } from "./support/retention.ts";

const retention = await openRetention();
afterAll(() => retention.close());
const { database, databaseUrl, givenInstance, lockRow, waitUntilBlocked } = retention;

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
    const server = await startKratosServer({ databaseUrl });
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

function extend(db: Db, { instanceId, id }: Session): Promise<unknown> {
  return extendSession(db, everySessionOf(instanceId), id, { expiresAt: maxInstant, at: now });
}

async function update(db: Db, { id }: Session, changes: Partial<Session>): Promise<void> {
  await db.update(sessions).set(changes).where(eq(sessions.id, id));
}
