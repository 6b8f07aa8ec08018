import { randomUUID } from "node:crypto";
import type { JWTPayload } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createGiven } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";
import { as, createClients } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { auth } = createClients(server);
const { given } = server;

describe("the user agent of a caller", () => {
  // A user agent of its own for every test, and a session of Ann's in it.
  let agentId: string;
  let sid: string;
  beforeEach(async () => {
    agentId = randomUUID();
    sid = (await given.session({ userId: "ann", agentFingerprintId: agentId })).id;
  });
  beforeAll(async () => {
    // What a caller without an agent must not be shown.
    await given.session({ userId: "zoe", agentFingerprintId: "" });
    await given.session({ userId: "zoe" });
    await given.session({ id: "blank-of-ann", userId: "ann", agentFingerprintId: "" });
    await given.session({ id: "bare-of-ann", userId: "ann" });
  });

  test("is the claim agent_id", async () => {
    expect(await listUsers({ sub: "stranger", agent_id: agentId })).toEqual(["ann"]);
  });

  test("is that of the session which the claim sid names", async () => {
    expect(await listUsers({ sub: "ann", sid })).toEqual(["ann"]);
  });

  test("is the claim agent_id, if there is a sid too", async () => {
    await given.session({ userId: "bob", agentFingerprintId: `${agentId}-2` });

    expect(await listUsers({ sub: "ann", sid, agent_id: `${agentId}-2` })).toEqual(["bob"]);
  });

  test.each<[string, JWTPayload]>([
    ["an empty text", { agent_id: "" }],
    ["a number", { agent_id: 7 }],
    ["a list", { agent_id: ["firefox"] }],
    ["a text with a NUL", { agent_id: "\0" }],
  ])("is not a claim agent_id that is %s: then sid counts", async (_name, claims) => {
    expect(await listUsers({ sub: "ann", sid, ...claims })).toEqual(["ann"]);
  });

  test("is not that of a session of another user", async () => {
    expect(await listUsers({ sub: "bob", sid })).toEqual([]);
  });

  test("is not that of a session of another instance", async () => {
    const elsewhere = createGiven(server.database, randomUUID());
    const session = await elsewhere.session({ userId: "ann", agentFingerprintId: agentId });

    expect(await listUsers({ sub: "ann", sid: session.id })).toEqual([]);
  });

  test.each<[string, JWTPayload]>([
    ["no agent_id and no sid", {}],
    ["an empty agent_id", { agent_id: "" }],
    ["an unknown sid", { sid: "unknown" }],
    ["an empty sid", { sid: "" }],
    ["a sid with a NUL", { sid: "\0" }],
    ["a sid that is no text", { sid: 7 }],
    ["the sid of a session with an empty fingerprint", { sid: "blank-of-ann" }],
    ["the sid of a session without a fingerprint", { sid: "bare-of-ann" }],
  ])("is none with %s, and the result is empty", async (_name, claims) => {
    expect(await listUsers({ sub: "ann", ...claims })).toEqual([]);
  });
});

/** The users of the caller's user agent: of ListMyUserSessions nothing else decides them. */
async function listUsers(claims: JWTPayload): Promise<string[]> {
  const { result } = await auth.listMyUserSessions({}, await as(server, claims));
  return result.map(({ userId }) => userId);
}
