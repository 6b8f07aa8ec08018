import { expect, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";
import { now } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";
import { admin, as, createClients, failureOf } from "./clients.ts";
import { byAgent } from "./queries.ts";

const rpc = "/zitadel.session.v2.SessionService/ListSessions";

test("no token, secret, e-mail or name of a person stands in the log", async () => {
  const server = await startTestServer();
  const { sessions, auth } = createClients(server);
  const email = "ann.secret@example.com";
  const user = await server.given.user({ loginName: email, displayName: "Ann Secret", userName: email });
  await server.given.session({ userId: user.id, agentFingerprintId: "firefox" });
  const good = await server.issuer.token({ sub: user.id, agent_id: "firefox", email, name: "Ann Secret" });
  const expired = await server.issuer.token({ exp: 1, email });

  const headers = { authorization: `Bearer ${good}`, "user-agent": "secret-agent", cookie: "sid=secret-cookie" };
  await sessions.listSessions({}, { headers });
  await auth.listMyUserSessions({}, { headers });
  await failureOf(sessions.listSessions({}, { headers: { authorization: `Bearer ${expired}` } }));
  await failureOf(sessions.listSessions({}, { headers: { authorization: `Basic ${good}` } }));
  await fetch(`${server.url}/v2/sessions/an-id?sessionToken=secret-token`, { headers });
  await fetch(`${server.url}/nowhere?access_token=secret-token`, { headers });
  await fetch(`${server.url}${rpc}`, { method: "POST", headers, body: `{"secret-body` });
  await server.close();

  expect(server.log).toHaveLength(7);
  const log = JSON.stringify(server.log);
  for (const secret of [...good.split("."), ...expired.split("."), email, "Ann Secret", "secret-"]) {
    expect(log).not.toContain(secret);
  }
});

test("a failure of ours is told to the log and not to the caller", async () => {
  const database = openTestDatabase();
  const server = await startTestServer({ directory: { database, now: () => now } });
  const { sessions } = createClients(server);
  const caller = await as(server, { ...admin, email: "ann.secret@example.com" });
  await database.close();

  const failure = await failureOf(sessions.listSessions({ queries: [{ query: byAgent("firefox") }] }, caller));
  await server.close();

  expect(failure).toMatchObject({ message: "Errors.Internal (QUERY-Sfg42)", id: "QUERY-Sfg42" });
  expect(server.log).toMatchObject([{ code: "internal", userId: "admin", err: expect.anything() }]);
  expect(JSON.stringify(server.log)).not.toMatch(/ann\.secret|eyJ/);
});
