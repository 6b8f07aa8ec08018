import { Code } from "@connectrpc/connect";
import type { JWTPayload } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer } from "../../support/server.ts";
import { admin, as, createClients, failureOf } from "../clients.ts";
import { byAgent, byCreator, byIds, byUser, type Query } from "../queries.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);

// Ids that a query builder which pastes text would trip over, or PostgreSQL's own spelling of arrays.
const oddIds = [
  "quote'",
  'double"',
  "back\\slash",
  "comma,",
  "{brace}",
  "NULL",
  "",
  " ",
  "semi;--",
  "emoji🙂",
  "$1",
  "%",
];
const longId = "x".repeat(200);
// 200 characters for people, 400 for JavaScript.
const emojiId = "🙂".repeat(200);

beforeAll(async () => {
  const { given } = server;
  await given.session({ id: "ann-by-carl", userId: "ann", creatorId: "carl", agentFingerprintId: "firefox" });
  await given.session({ id: "ann-by-login", userId: "ann", creatorId: "login", agentFingerprintId: "chrome" });
  await given.session({ id: "bob-by-carl", userId: "bob", creatorId: "carl", agentFingerprintId: "chrome" });
  await given.session({ id: "bare" });
  await given.session({ id: "blank", agentFingerprintId: "", creatorId: "" });
  await given.session({ id: "long", creatorId: longId, agentFingerprintId: longId });
  await given.session({ id: "emoji", creatorId: emojiId, agentFingerprintId: emojiId });
  for (const id of oddIds) await given.session({ id });
});

describe("ListSessions, filter by ids", () => {
  test.each([
    ["no ids match nothing", [], []],
    ["one id matches its session", ["bare"], ["bare"]],
    ["several ids match any of them", ["bare", "ann-by-carl"], ["ann-by-carl", "bare"]],
    ["unknown ids are ignored", ["unknown", "bare"], ["bare"]],
    ["only unknown ids match nothing", ["unknown"], []],
    ["repeated ids match once", ["bare", "bare", "bare"], ["bare"]],
    ["the case of an id matters", ["BARE"], []],
    ["part of an id matches nothing", ["bar", "ann-by-%"], []],
    ["an id with a NUL matches nothing and spoils nothing", ["\0", "bare\0", "bare"], ["bare"]],
    ["ids with quotes and other punctuation match as they are", oddIds, oddIds.toSorted()],
  ])("%s", async (_rule, ids, expected) => {
    expect(await list([byIds(...ids)])).toEqual({ ids: expected, total: expected.length });
  });

  test.each(oddIds.map((id) => [id]))("the id %j matches just itself", async (id) => {
    expect(await list([byIds(id)])).toEqual({ ids: [id], total: 1 });
  });

  test("20,000 ids are not too many", async () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => String(i).padStart(36, "0"));

    expect(await list([byIds(...ids, "bare")])).toEqual({ ids: ["bare"], total: 1 });
  });
});

describe("ListSessions, filter by user", () => {
  test.each([
    ["a user matches all their sessions", "ann", ["ann-by-carl", "ann-by-login"]],
    ["an unknown user matches nothing", "unknown", []],
    ["an empty user matches nothing, not the sessions without a user", "", []],
    ["a user with a NUL matches nothing", "ann\0", []],
    ["a user with quotes matches nothing", "' or ''='", []],
  ])("%s", async (_rule, userId, expected) => {
    expect(await list([byUser(userId)])).toEqual({ ids: expected, total: expected.length });
  });
});

describe("ListSessions, filter by creator", () => {
  test.each<[string, string | undefined, string[]]>([
    ["no creator means the caller", undefined, ["ann-by-carl", "bob-by-carl"]],
    ["a creator matches what they created", "login", ["ann-by-login"]],
    ["an unknown creator matches nothing", "unknown", []],
    ["a creator with a NUL matches nothing", "\0", []],
    ["200 characters are not too many", longId, ["long"]],
    ["200 emoji are not too many", emojiId, ["emoji"]],
  ])("%s", async (_rule, creatorId, expected) => {
    const result = await list([byCreator(creatorId)], { ...admin, sub: "carl" });

    expect(result).toEqual({ ids: expected, total: expected.length });
  });

  test("a caller's own id may be longer than one that is sent", async () => {
    const sub = "s".repeat(255);
    await server.given.session({ id: "by-long-sub", creatorId: sub });

    expect(await list([byCreator()], { sub })).toEqual({ ids: ["by-long-sub"], total: 1 });
  });

  test("an empty creator is refused, though a session has one", async () => {
    expect(await failure([byCreator("")])).toEqual({
      code: Code.InvalidArgument,
      message: "List.Query.Invalid (GRPC-x8n24uh)",
      id: "GRPC-x8n24uh",
    });
  });

  test.each([
    ["201 characters", `${longId}x`],
    ["201 emoji", `${emojiId}🙂`],
  ])("%s are refused", async (_rule, creatorId) => {
    expect(await failure([byCreator(creatorId)])).toEqual({
      code: Code.InvalidArgument,
      message: "queries[0]: id must be at most 200 characters",
      id: undefined,
    });
  });
});

describe("ListSessions, filter by user agent", () => {
  test("a caller's own fingerprint may be longer than one that is sent", async () => {
    const fingerprintId = "f".repeat(255);
    await server.given.session({ id: "in-long-agent", agentFingerprintId: fingerprintId });

    const result = await list([byAgent()], { sub: "stranger", agent_id: fingerprintId });

    expect(result).toEqual({ ids: ["in-long-agent"], total: 1 });
  });

  test.each<[string, string | undefined, string[]]>([
    ["no fingerprint means the caller's own", undefined, ["ann-by-carl"]],
    ["a fingerprint matches the sessions of that user agent", "chrome", ["ann-by-login", "bob-by-carl"]],
    ["an unknown fingerprint matches nothing", "unknown", []],
    ["a fingerprint with a NUL matches nothing", "\0", []],
    ["200 characters are not too many", longId, ["long"]],
    ["200 emoji are not too many", emojiId, ["emoji"]],
  ])("%s", async (_rule, fingerprintId, expected) => {
    const result = await list([byAgent(fingerprintId)], { ...admin, agent_id: "firefox" });

    expect(result).toEqual({ ids: expected, total: expected.length });
  });

  test.each<[string, string | undefined, JWTPayload]>([
    ["an empty fingerprint is refused, though a session has one", "", { agent_id: "firefox" }],
    ["no fingerprint is refused if the token has none either", undefined, {}],
    ["no fingerprint is refused if that of the token is empty", undefined, { agent_id: "" }],
  ])("%s", async (_rule, fingerprintId, claims) => {
    expect(await failure([byAgent(fingerprintId)], { ...admin, ...claims })).toEqual({
      code: Code.InvalidArgument,
      message: "List.Query.Invalid (GRPC-x8n23uh)",
      id: "GRPC-x8n23uh",
    });
  });

  test.each([
    ["201 characters", `${longId}x`],
    ["201 emoji", `${emojiId}🙂`],
  ])("%s are refused", async (_rule, fingerprintId) => {
    expect(await failure([byAgent(fingerprintId)])).toMatchObject({ code: Code.InvalidArgument, id: undefined });
  });
});

describe("ListSessions, several filters", () => {
  test.each<[string, Query[], string[]]>([
    ["all must match", [byUser("ann"), byCreator("carl")], ["ann-by-carl"]],
    ["all must match, in either order", [byCreator("carl"), byUser("ann")], ["ann-by-carl"]],
    ["one that matches nothing leaves nothing", [byUser("ann"), byIds()], []],
    ["two lists of ids match what both have", [byIds("bare", "long"), byIds("long", "emoji")], ["long"]],
    ["two users match nothing", [byUser("ann"), byUser("bob")], []],
    ["the same one twice is as good as once", [byUser("bob"), byUser("bob")], ["bob-by-carl"]],
    ["100 are not too many", Array(100).fill(byUser("bob")), ["bob-by-carl"]],
  ])("%s", async (_rule, queries, expected) => {
    expect(await list(queries)).toEqual({ ids: expected, total: expected.length });
  });

  test("101 are refused", async () => {
    expect(await failure(Array(101).fill(byUser("bob")))).toEqual({
      code: Code.InvalidArgument,
      message: "queries: must be at most 100",
      id: undefined,
    });
  });

  test("one without a condition is refused, and the message says which", async () => {
    expect(await failure([byUser("bob"), { case: undefined }])).toEqual({
      code: Code.InvalidArgument,
      message: "queries[1].query: value is required",
      id: undefined,
    });
  });

  test("a refused request is refused also if the caller may see nothing", async () => {
    expect(await failure([{ case: undefined }], { sub: "stranger" })).toMatchObject({ code: Code.InvalidArgument });
  });
});

async function list(queries: Query[], claims: JWTPayload = admin) {
  const request = { queries: queries.map((query) => ({ query })) };
  const response = await sessions.listSessions(request, await as(server, claims));
  return { ids: response.sessions.map(({ id }) => id).toSorted(), total: Number(response.details?.totalResult) };
}

async function failure(queries: Query[], claims: JWTPayload = admin) {
  return await failureOf(list(queries, claims));
}
