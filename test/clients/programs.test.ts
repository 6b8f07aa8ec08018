import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { bufCurl } from "./buf-curl.ts";
import { curl } from "./curl.ts";
import { runScenario, scenariosOf } from "./run-scenario.ts";

const programs = [
  bufCurl("grpc"),
  bufCurl("grpcweb"),
  bufCurl("connect"),
  curl("curl, HTTP/1.1", "1.1"),
  curl("curl, HTTP/2", "2", "--http2-prior-knowledge"),
];

const listMyUserSessions = "zitadel.auth.v1.AuthService/ListMyUserSessions";

const server = await startTestServer();
afterAll(() => server.close());
// There is something to leave out.
beforeAll(() => server.given.session());

// A process for each call, so only one of every kind of answer.
describe.each(programs)("$name", (kind) => {
  const client = kind.open(server.url);
  const few = scenariosOf(kind).filter(({ name }) => /^(L14|L17|B4)\b/.test(name));

  test.each(few)("$name", async (scenario) => {
    await runScenario(server, client, scenario);
  });

  test("ListMyUserSessions lists the account in the caller's agent", async () => {
    const agentFingerprintId = randomUUID();
    const { id } = await server.given.session({ userId: "ann", agentFingerprintId });
    const token = await server.issuer.token({ sub: "ann", agent_id: agentFingerprintId });

    const outcome = await client.call(listMyUserSessions, {}, token);

    expect(outcome).toMatchObject({
      answer: { result: [{ sessionId: id, userId: "ann", authState: "SESSION_STATE_ACTIVE" }] },
    });
  });

  test("a call without a token is refused", async () => {
    const outcome = await client.call("zitadel.session.v2.SessionService/ListSessions", {});

    expect(outcome).toEqual({ failure: { code: 16, message: "auth header missing", details: [] } });
  });
});
