import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { startTestServer, type TestServer } from "../support/server.ts";

const protocols = [
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl })],
  ["Connect", (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
] as const;

let database: TestDatabase;
let server: TestServer;
let lock: Awaited<ReturnType<TestDatabase["lockSessions"]>>;
let headers: { authorization: string };

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startTestServer({ databaseUrl: database.url });
  headers = { authorization: `Bearer ${await server.issuer.token()}` };
});
afterAll(async () => {
  await server.close();
  await database.drop();
});
beforeEach(async () => {
  lock = await database.lockSessions();
});
afterEach(() => lock.release());

describe.each(protocols)("a query over %s", (_name, createTransport) => {
  test("is cancelled in PostgreSQL when the deadline passes, and the client is told so", async () => {
    const client = createClient(SessionService, createTransport(server.url));
    const answer = client.listSessions({}, { headers, timeoutMs: 500 });
    answer.catch(() => {});
    await waitForQueries(1);

    await expect(answer).rejects.toThrow(/deadline_exceeded/);
    await waitForQueries(0);
  });

  test("is cancelled in PostgreSQL when the client goes away", async () => {
    const client = createClient(SessionService, createTransport(server.url));
    const leave = new AbortController();
    const answer = client.listSessions({}, { headers, signal: leave.signal });
    answer.catch(() => {});
    await waitForQueries(1);

    leave.abort();

    await expect(answer).rejects.toThrow(/canceled/);
    await waitForQueries(0);
    await vi.waitFor(() => expect(server.log.at(-1)).toMatchObject({ level: 30, code: "canceled" }));
  });
});

test("a request without a deadline gets the server's", async () => {
  const hasty = await startTestServer({ databaseUrl: database.url, deadlineMs: 300 });
  const authorization = `Bearer ${await hasty.issuer.token()}`;

  const response = await fetch(`${hasty.url}/v2/sessions/search`, { method: "POST", headers: { authorization } });

  expect([response.status, await response.json()]).toEqual([504, { code: 4, message: "took too long" }]);
  await waitForQueries(0);
  await hasty.close();
});

test("a REST client's Grpc-Timeout is its deadline", async () => {
  const response = await fetch(`${server.url}/v2/sessions/search`, {
    method: "POST",
    headers: { ...headers, "grpc-timeout": "300m" },
  });

  expect([response.status, await response.json()]).toMatchObject([504, { code: 4 }]);
  await waitForQueries(0);
});

test("requests that wait for a connection are forgotten when their clients go away", async () => {
  const leave = new AbortController();
  const client = createClient(SessionService, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1" }));
  const answers = Array.from({ length: 20 }, () => client.listSessions({}, { headers, signal: leave.signal }));
  const settled = Promise.allSettled(answers);
  await waitForQueries(4);

  leave.abort();
  await settled;
  await waitForQueries(0);

  // The table is still locked: had they been kept, they would hang in front of this one.
  const answer = client.listSessions({}, { headers });
  await waitForQueries(1);
  await lock.release();
  expect((await answer).sessions).toEqual([]);
});

/** Waits until so many queries of the server's are running. */
async function waitForQueries(count: number): Promise<void> {
  await vi.waitFor(async () => expect(await database.countQueries()).toBe(count), { timeout: 10_000, interval: 20 });
}
