import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSessionToken } from "../../src/auth/token.ts";
import { createTestDatabase } from "../support/database.ts";
import { createKratos, startKratosServer } from "../support/kratos.ts";
import { startTestServer } from "../support/server.ts";

const routes = [
  ["GET", "/sessions"],
  ["GET", "/sessions/whoami"],
  ["DELETE", "/sessions"],
  ["DELETE", "/sessions/a"],
  ["GET", "/admin/sessions"],
  ["POST", "/admin/sessions"],
  ["GET", "/admin/sessions/a"],
  ["DELETE", "/admin/sessions/a"],
  ["PATCH", "/admin/sessions/a/extend"],
  ["GET", "/admin/identities/a/sessions"],
  ["DELETE", "/admin/identities/a/sessions"],
] as const;

const token = createSessionToken();
const url = `postgres://nobody:secret@127.0.0.1:${await closedPort()}/none`;
const unavailable = {
  code: 503,
  status: "Service Unavailable",
  reason: "The sessions cannot be reached.",
  message: "The service is not available at the moment, please try again later",
};

describe("a database that cannot be reached signs nobody out", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeEach(async () => {
    server = await startServer(url);
  });
  afterEach(() => server.close());

  test.each(routes)("%s %s", async (method, path) => {
    const headers = { ...(await server.manager()), "x-session-token": token };

    const { status, json, headers: answered } = await server.ask(method, path, { headers });

    expect({ status, json }).toEqual({ status: 503, json: { error: unavailable } });
    expect(answered.get("ory-error-id")).toBe("");
  });

  test.each([
    ["the cookie", { cookie: `ory_kratos_session=${token}` }],
    ["the bearer", { authorization: `Bearer ${token}` }],
  ])("nor by %s", async (_name, headers) => {
    expect((await server.ask("GET", "/sessions/whoami", { headers })).status).toBe(503);
  });

  test("nor by a JWT that names the session", async () => {
    const headers = { authorization: `Bearer ${await server.issuer.token({ sub: "ann", sid: "a" })}` };

    expect((await server.ask("GET", "/sessions/whoami", { headers })).status).toBe(503);
  });

  test("who brings no token at all needs no database to be refused", async () => {
    expect((await server.ask("GET", "/sessions/whoami")).status).toBe(401);
  });

  test("the log tells why, without the token", async () => {
    await server.ask("GET", "/sessions", { headers: { "x-session-token": token } });

    expect(server.log).toMatchObject([{ status: 503, code: "unavailable", err: expect.anything() }]);
    expect(JSON.stringify(server.log)).not.toMatch(new RegExp(`${token}|secret`));
  });

  test("and it is told at once, however often it failed before", async () => {
    const durationsMs = [];
    for (let i = 0; i < 10; i += 1) {
      await server.ask("GET", "/sessions", { headers: { "x-session-token": token } });
      durationsMs.push(server.log[i]?.["durationMs"]);
    }

    expect(durationsMs.filter((ms) => Number(ms) > 1_000)).toEqual([]);
  });
});

describe("a database that goes away", () => {
  let statuses: number[];
  beforeAll(async () => {
    const database = await createTestDatabase();
    const dying = await startServer(database.url);
    const { headers } = await dying.signIn();
    const before = (await dying.ask("GET", "/sessions", { headers })).status;
    await database.drop();
    statuses = [before];
    for (let i = 0; i < 5; i += 1) statuses.push((await dying.ask("GET", "/sessions", { headers })).status);
    await dying.close();
  });

  test("is never a 401", () => {
    expect(statuses.filter((status) => status < 500)).toEqual([200]);
  });
});

describe("an issuer that cannot be reached", () => {
  test.each([
    ["GET", "/sessions/whoami"],
    ["GET", "/admin/sessions"],
  ])("signs nobody out: %s %s", async (method, path) => {
    const alone = await startKratosServer();
    const headers = { authorization: `Bearer ${await alone.issuer.token({ sub: "ann", sid: "a" })}` };
    await alone.issuer.stop();
    const { status, json } = await alone.ask(method, path, { headers });
    await alone.issuer.start();
    await alone.close();

    expect({ status, code: json.error.code }).toEqual({ status: 503, code: 503 });
  });
});

async function startServer(databaseUrl: string) {
  const started = await startTestServer({ databaseUrl });
  return { ...started, ...createKratos(started) };
}

async function closedPort(): Promise<number> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  // Safe: it listens on a port, not on a pipe.
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}
