import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { ListQuerySchema } from "../../../gen/zitadel/object/v2/object_pb.ts";
import { SessionFieldName } from "../../../gen/zitadel/session/v2/session_pb.ts";
import { openTestDatabase, testDatabaseUrl } from "../../support/database.ts";
import { createGiven, now } from "../../support/given.ts";
import { startTestServer } from "../../support/server.ts";
import { admin, as, createClients, failureOf } from "../clients.ts";
import { byIds, byUser } from "../queries.ts";

// Without its indexes, in whose order rows come even if nobody asks for it, PostgreSQL must sort what it finds.
const unindexed = openTestDatabase(withSettings({ enable_indexscan: "off", enable_bitmapscan: "off" }));
const database = openTestDatabase();
const server = await startTestServer({ directory: { database, now: () => now } });
const sortingServer = await startTestServer({ directory: { database: unindexed, now: () => now } });
afterAll(async () => {
  await Promise.all([server.close(), sortingServer.close()]);
  await Promise.all([database.close(), unindexed.close()]);
});
const { sessions } = createClients(server);

const oldestFirst = ["old", "tie-1", "tie-2", "tie-3", "new"];
const newestFirst = oldestFirst.toReversed();

beforeAll(async () => {
  for (const { given } of [server, sortingServer]) {
    // Not stored in the order in which they are listed.
    for (const id of ["tie-2", "tie-3", "tie-1"]) await given.session({ id, userId: "ann", createdAt: now });
    await given.session({ id: "new", userId: "ann", createdAt: now + 1n });
    await given.session({ id: "old", userId: "ann", createdAt: now - 1n });
  }
  const crowd = Array.from({ length: 1_001 }, (_, i) => BigInt(i));
  await Promise.all(crowd.map((i) => server.given.session({ userId: "crowd", createdAt: now - i })));
});

describe.each([
  ["with indexes", server],
  ["without indexes", sortingServer],
])("ListSessions, order, %s", (_name, server) => {
  const column = SessionFieldName.CREATION_DATE;

  test.each<[string, boolean, number | undefined, string[]]>([
    ["is newest first", false, undefined, newestFirst],
    ["is newest first without a column, whatever asc says", true, undefined, newestFirst],
    ["by creation date is newest first, equal ones by id downwards", false, column, newestFirst],
    ["by creation date can be oldest first, equal ones by id upwards", true, column, oldestFirst],
    ["ignores an unknown column", false, 7, newestFirst],
    ["ignores an unknown column together with asc", true, 7, newestFirst],
    ["ignores a negative column", true, -1, newestFirst],
  ])("%s", async (_rule, asc, sortingColumn, expected) => {
    expect((await list("ann", { asc }, sortingColumn, server)).ids).toEqual(expected);
  });
});

describe("ListSessions, page", () => {
  test.each<[string, MessageInitShape<typeof ListQuerySchema>, string[]]>([
    ["without an offset starts at the start", { limit: 2 }, ["new", "tie-3"]],
    ["after the first goes on between equal dates", { offset: 2n, limit: 2 }, ["tie-2", "tie-1"]],
    ["at the end is shorter", { offset: 4n, limit: 2 }, ["old"]],
    ["without a limit goes to the end", { offset: 3n }, ["tie-1", "old"]],
    ["right after the end is empty", { offset: 5n, limit: 2 }, []],
    ["far after the end is empty", { offset: 1_000_000n }, []],
    ["past every number that PostgreSQL knows is empty", { offset: 2n ** 63n }, []],
    ["at the largest offset is empty", { offset: 2n ** 64n - 1n, limit: 1_000 }, []],
  ])("%s, and knows the total", async (_rule, page, expected) => {
    expect(await list("ann", page)).toEqual({ ids: expected, total: 5 });
  });

  test.each([
    ["newest first", false, newestFirst],
    ["oldest first", true, oldestFirst],
  ])("after page gives every session once, %s", async (_name, asc, expected) => {
    const walked: string[] = [];
    for (let offset = 0n; offset < 5n; offset += 1n) {
      walked.push(...(await list("ann", { offset, limit: 1, asc }, SessionFieldName.CREATION_DATE)).ids);
    }

    expect(walked).toEqual(expected);
  });
});

describe("ListSessions, limit", () => {
  test.each<[string, number | undefined, number]>([
    ["absent means 100", undefined, 100],
    ["0 means 100", 0, 100],
    ["1 is kept", 1, 1],
    ["1000 is the most", 1_000, 1_000],
  ])("%s, and the total counts all", async (_rule, limit, expected) => {
    const { ids, total } = await list("crowd", { limit });

    expect({ length: ids.length, total }).toEqual({ length: expected, total: 1_001 });
  });

  test("no page at all means 100", async () => {
    expect((await list("crowd", undefined)).ids).toHaveLength(100);
  });

  test.each([[1_001], [2 ** 32 - 1]])("%d is refused", async (limit) => {
    expect(await failureOf(list("ann", { limit }))).toEqual({
      code: Code.InvalidArgument,
      message: "Errors.Query.LimitExceeded (QUERY-4M0fs)",
      id: "QUERY-4M0fs",
    });
  });
});

describe("ListSessions, details", () => {
  test("tell the total, the highest sequence of the instance and the time", async () => {
    const changedLast = await server.given.session({ id: "changed-last" });
    // Of the same database, but of no interest here.
    await createGiven(server.database, randomUUID()).session();

    const response = await sessions.listSessions(
      { queries: [{ query: byIds("old", "new") }] },
      await as(server, admin),
    );

    expect(response.details).toMatchObject({
      totalResult: 2n,
      processedSequence: changedLast.sequence,
      timestamp: { seconds: now / 1_000_000n, nanos: 123_456_000 },
    });
  });

  test("an empty instance has no session, and 0 of everything", async () => {
    const empty = await startTestServer();
    onTestFinished(() => empty.close());

    const response = await createClients(empty).sessions.listSessions({}, await as(empty, admin));

    expect(response.sessions).toEqual([]);
    expect(response.details).toMatchObject({ totalResult: 0n, processedSequence: 0n });
  });
});

async function list(userId: string, query?: MessageInitShape<typeof ListQuerySchema>, column?: number, from = server) {
  // Safe: the type knows only the defined columns, the message takes any number.
  const sortingColumn = column as SessionFieldName;
  const request = { query, queries: [{ query: byUser(userId) }], sortingColumn };
  const response = await createClients(from).sessions.listSessions(request, await as(from, admin));
  return { ids: response.sessions.map(({ id }) => id), total: Number(response.details?.totalResult) };
}

/** The URL of the shared database with settings of PostgreSQL's. */
function withSettings(settings: Record<string, string>): string {
  const url = new URL(testDatabaseUrl());
  for (const [name, value] of Object.entries(settings)) url.searchParams.set(name, value);
  return url.href;
}
