import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { startRetention } from "../src/retention.ts";
import { hour, now } from "./support/given.ts";
import { audience, startTestIssuer } from "./support/issuer.ts";
import { endedCutoff, expiredCutoff, openRetention } from "./support/retention.ts";
import { startCommand } from "./support/rollcall.ts";

const retention = await openRetention();
afterAll(() => retention.close());
const { database, databaseUrl, givenInstance, lockRow, waitUntilBlocked } = retention;

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
      DATABASE_URL: databaseUrl,
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
