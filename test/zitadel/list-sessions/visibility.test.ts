import { randomUUID } from "node:crypto";
import type { JWTPayload } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGiven, hour, minute, now } from "../../support/given.ts";
import { startTestServer } from "../../support/server.ts";
import { admin, as, createClients } from "../clients.ts";
import { byAgent, byCreator, byIds, byUser, type Query } from "../queries.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);
const elsewhere = createGiven(server.database, randomUUID());

const all = ["anonymous", "bare", "blank", "of-ann", "of-bob", "of-nobody", "of-zoe"];

beforeAll(async () => {
  const { given } = server;
  await given.session({ id: "of-ann", userId: "ann", organizationId: "org-1", agentFingerprintId: "firefox" });
  await given.session({ id: "of-bob", userId: "bob", organizationId: "org/2", creatorId: "login" });
  await given.session({ id: "of-zoe", userId: "zoe", organizationId: "org-3", creatorId: "ann" });
  await given.session({ id: "of-nobody", userId: "nil", organizationId: "" });
  await given.session({ id: "anonymous", creatorId: "login", agentFingerprintId: "chrome" });
  await given.session({ id: "blank", creatorId: "", agentFingerprintId: "" });
  await given.session({ id: "bare" });
  // Everything that could open them to one of the callers below, but in another instance, and one under the same id.
  await elsewhere.session({ id: "bare", userId: "ann", creatorId: "login", agentFingerprintId: "chrome" });
  await elsewhere.session({ id: "other", userId: "bob", creatorId: "carl", agentFingerprintId: "firefox" });
});

describe("ListSessions, who sees what", () => {
  test.each<[string, JWTPayload, string[]]>([
    ["a stranger sees nothing", { sub: "stranger" }, []],
    ["a creator sees what they created", { sub: "login" }, ["anonymous", "of-bob"]],
    ["a user sees their own, and what they created", { sub: "ann" }, ["of-ann", "of-zoe"]],
    ["a user agent shows its sessions", { sub: "stranger", agent_id: "chrome" }, ["anonymous"]],
    ["a user agent shows those of other users too", { sub: "stranger", agent_id: "firefox" }, ["of-ann"]],
    ["an unknown user agent shows nothing", { sub: "stranger", agent_id: "opera" }, []],
    ["an empty user agent shows nothing, not those without one", { sub: "stranger", agent_id: "" }, []],
    ["session.read shows all of the instance", { sub: "stranger", scope: "session.read" }, all],
    ["session.read on an organization shows its users'", { sub: "stranger", scope: "session.read/org-1" }, ["of-ann"]],
    [
      "session.read on several organizations shows all of theirs",
      { sub: "stranger", scope: "session.read/org-1 session.read/org-3" },
      ["of-ann", "of-zoe"],
    ],
    ["the id of an organization may hold a slash", { sub: "stranger", scope: "session.read/org/2" }, ["of-bob"]],
    ["session.read on an unknown organization shows nothing", { sub: "stranger", scope: "session.read/org" }, []],
    ["an empty organization shows nothing, though a user is of it", { sub: "stranger", scope: "session.read/" }, []],
    [
      "session.read on an organization adds to one's own",
      { sub: "login", scope: "session.read/org-1" },
      ["anonymous", "of-ann", "of-bob"],
    ],
    [
      "session.read on the instance counts beside an organization",
      { sub: "x", scope: "session.read/org-1 session.read" },
      all,
    ],
    [
      "session.write and session.delete show nothing",
      { sub: "stranger", scope: "session.write session.delete/org-1" },
      [],
    ],
    [
      "a session that is visible for many reasons is listed once",
      { sub: "ann", agent_id: "firefox", scope: "session.read/org-1" },
      ["of-ann", "of-zoe"],
    ],
    ["quotes in a user id open nothing", { sub: "' or ''='" }, []],
  ])("%s", async (_rule, claims, expected) => {
    expect(await list(claims)).toEqual({ ids: expected, total: expected.length });
  });

  test.each<[string, Query]>([
    ["its id", byIds("of-ann")],
    ["its user", byUser("ann")],
    ["its creator", byCreator("ann")],
    ["its user agent", byAgent("firefox")],
  ])("whoever knows %s neither finds nor counts a hidden session", async (_name, query) => {
    expect(await list({ sub: "stranger" }, query)).toEqual({ ids: [], total: 0 });
  });

  test("hidden sessions leave no gaps in pages", async () => {
    const request = { query: { limit: 1, offset: 1n } };
    const response = await sessions.listSessions(request, await as(server, { sub: "login" }));

    expect(response.sessions.map(({ id }) => id)).toEqual(["anonymous"]);
    expect(response.details?.totalResult).toBe(2n);
  });
});

describe("ListSessions, other instances", () => {
  test("a session of the same id is told apart", async () => {
    const response = await sessions.listSessions({ queries: [{ query: byIds("bare") }] }, await as(server, admin));

    const found = response.sessions.map(({ id, factors, userAgent }) => ({ id, factors, userAgent }));
    expect(found).toEqual([{ id: "bare", factors: undefined, userAgent: undefined }]);
  });

  test("a session that is only there is not found", async () => {
    expect(await list(admin, byIds("other"))).toEqual({ ids: [], total: 0 });
  });
});

describe("ListSessions, ended and expired sessions", () => {
  beforeAll(async () => {
    const { given } = server;
    await given.session({ id: "live", userId: "eve", expiresAt: now + 1_000_000n * hour });
    await given.session({ id: "expired", userId: "eve", expiresAt: now - hour });
    await given.session({ id: "ended", userId: "eve", endedAt: now - minute, endReason: "logout" });
    await given.session({ id: "ended-without-reason", userId: "eve", endedAt: now - minute });
  });

  test.each<[string, JWTPayload, Query]>([
    ["to those who see all", admin, byUser("eve")],
    ["to their own user", { sub: "eve" }, byUser("eve")],
    ["to those who know their ids", admin, byIds("live", "expired", "ended", "ended-without-reason")],
  ])("expired ones are listed, ended ones are not: %s", async (_name, claims, query) => {
    expect(await list(claims, query)).toEqual({ ids: ["expired", "live"], total: 2 });
  });
});

async function list(claims: JWTPayload, ...queries: Query[]) {
  const request = { queries: queries.map((query) => ({ query })) };
  const response = await sessions.listSessions(request, await as(server, claims));
  return { ids: response.sessions.map(({ id }) => id).toSorted(), total: Number(response.details?.totalResult) };
}
