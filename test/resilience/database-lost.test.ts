import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createTestDatabase, openTestDatabase, type TestDatabase } from "../support/database.ts";
import { audience, startTestIssuer, type TestIssuer } from "../support/issuer.ts";
import { startCommand } from "../support/rollcall.ts";
import { givenTcpProxy } from "../support/tcp-proxy.ts";

let testDatabase: TestDatabase;
let issuer: TestIssuer;
beforeAll(async () => {
  testDatabase = await createTestDatabase();
  issuer = await startTestIssuer();
});
afterAll(async () => {
  await issuer.stop();
  await testDatabase.drop();
});

// An unhandled rejection, which would end the process, fails the run.
test("a cancellation that cannot reach PostgreSQL is given up, and the pool lives on", async () => {
  const proxy = await givenTcpProxy(testDatabase.url);
  const database = openTestDatabase(proxy.url);
  // At once: the driver waits for connections that were cut in the middle of a query.
  onTestFinished(() => database.client.end({ timeout: 0 }));
  const leave = new AbortController();
  const answer = database.during(leave.signal).execute(sql`select pg_sleep(60)`);
  const failed = expect(answer).rejects.toMatchObject({ cause: { code: "CONNECTION_CLOSED" } });
  await waitForQueries(1);

  await proxy.refuse();
  leave.abort();
  // Nothing listens there any more: not for the cancellation either, which went before.
  await expect(database.db.execute(sql`select 1`)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
  proxy.cut();
  await failed;
  await proxy.accept();

  const next = database.during(new AbortController().signal).execute(sql`select 42 as answer`);
  expect(await next).toMatchObject([{ answer: 42 }]);
});

describe("SIGTERM ends the process while the database hangs", () => {
  test.each([
    ["in the middle of a query", true],
    ["before it has taken the first connection", false],
  ])("%s", async (_name, isConnected) => {
    const { proxy, rollcall, ask } = await startServe();
    if (isConnected) expect(await ask()).toBe(200);
    proxy.freeze();
    const answer = expect(ask()).rejects.toThrow();
    await vi.waitFor(() => expect(proxy.countSwallowed()).toBeGreaterThan(0), { timeout: 10_000 });

    rollcall.child.kill("SIGTERM");

    await answer;
    expect((await rollcall.ended).code).toBe(0);
  });
});

async function startServe() {
  const proxy = await givenTcpProxy(testDatabase.url);
  const rollcall = startCommand(["serve"], {
    PORT: "0",
    DATABASE_URL: proxy.url,
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: audience,
    SHUTDOWN_TIMEOUT_MS: "200",
  });
  onTestFinished(() => void rollcall.child.kill("SIGKILL"));
  const { url } = JSON.parse(await rollcall.line(/listening/));
  const headers = { authorization: `Bearer ${await issuer.token()}` };
  const ask = async () => (await fetch(`${url}/v2/sessions/search`, { method: "POST", headers })).status;
  return { proxy, rollcall, ask };
}

/** Waits until so many queries of the server's are running. */
async function waitForQueries(count: number): Promise<void> {
  await vi.waitFor(async () => expect(await testDatabase.countQueries()).toBe(count), { timeout: 10_000 });
}
