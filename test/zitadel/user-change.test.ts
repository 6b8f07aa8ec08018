import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { as, createClients, failureOf } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);
const manager = await as(server, { sub: "manager", scope: "session.write/org-1" });

let sessionId: string;
beforeAll(async () => {
  await server.given.user({ id: "ann", loginName: "ann@example.com" });
  await server.given.user({ id: "bob", loginName: "bob@example.com", organizationId: "org-2" });
  await server.given.user({ id: "eve", loginName: "eve@example.com", organizationId: "org-2", state: "inactive" });
  await server.given.user({ id: "twin-1", loginName: "Twin@example.com" });
  await server.given.user({ id: "twin-2", loginName: "TWIN@example.com" });
  sessionId = (await server.given.session({ userId: "ann" })).id;
});

describe("who names another user than the session's learns nothing of that one", () => {
  const refusal = { message: "user change not possible", id: undefined };

  test.each([
    ["an active one of another organization", { case: "userId", value: "bob" }],
    ["an inactive one", { case: "userId", value: "eve" }],
    ["nobody", { case: "userId", value: "unknown" }],
    ["an active one by login name", { case: "loginName", value: "bob@example.com" }],
    ["an inactive one by login name", { case: "loginName", value: "eve@example.com" }],
    ["several by login name", { case: "loginName", value: "twin@example.com" }],
    ["nobody by login name", { case: "loginName", value: "unknown@example.com" }],
  ] as const)("%s", async (_name, search) => {
    expect(await failureOf(sessions.setSession({ sessionId, checks: { user: { search } } }, manager))).toMatchObject(
      refusal,
    );
  });
});

test.each([
  ["id", { case: "userId", value: "ann" }],
  ["login name in any letters", { case: "loginName", value: "ANN@example.com" }],
] as const)("the session's own user may be checked again by %s", async (_name, search) => {
  const { sessionToken } = await sessions.setSession({ sessionId, checks: { user: { search } } }, manager);

  expect(sessionToken).not.toBe("");
});

test("the token of a disabled user's session reads it no more, and still ends it", async () => {
  await server.given.user({ id: "dan" });
  const login = await as(server, { sub: "login", scope: "session.write" });
  const user = { search: { case: "userId", value: "dan" } } as const;
  const { sessionId, sessionToken } = await sessions.createSession({ checks: { user } }, login);
  await server.database.client`
    update users set state = 'inactive' where instance_id = ${server.instanceId} and id = 'dan'`;
  const nobody = await as(server, { sub: "nobody" });

  expect(await failureOf(sessions.getSession({ sessionId, sessionToken }, nobody))).toMatchObject({
    id: "QUERY-dsfr3",
  });
  const { details } = await sessions.deleteSession({ sessionId, sessionToken }, nobody);

  expect(details?.sequence).toBeGreaterThan(0n);
});
