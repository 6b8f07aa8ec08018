import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TimestampQueryMethod as Method } from "../../../gen/zitadel/v1/object_pb.ts";
import { maxInstant, minInstant } from "../../../src/sessions/instant.ts";
import { now } from "../../support/given.ts";
import { startTestServer } from "../../support/server.ts";
import { admin, as, createClients, failureOf } from "../clients.ts";
import { byCreationDate, byExpirationDate, type Query, timestamp, timestampOf } from "../queries.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);

beforeAll(async () => {
  const dates = {
    year1: minInstant,
    "epoch-": -1n,
    epoch: 0n,
    "now-": now - 1n,
    now,
    "now+": now + 1n,
    year9999: maxInstant,
  };
  for (const [id, date] of Object.entries(dates)) await server.given.session({ id, createdAt: date, expiresAt: date });
  await server.given.session({ id: "never", createdAt: now + 2n });
});

// From the oldest to the newest.
const all = ["year1", "epoch-", "epoch", "now-", "now", "now+", "never", "year9999"];

describe("ListSessions, filter by creation date", () => {
  test.each<[string, Query, string[]]>([
    ["EQUALS is the same microsecond", byCreationDate(timestamp(now), Method.EQUALS), ["now"]],
    ["GREATER starts a microsecond later", byCreationDate(timestamp(now), Method.GREATER), from("now+")],
    ["GREATER_OR_EQUALS starts there", byCreationDate(timestamp(now), Method.GREATER_OR_EQUALS), from("now")],
    ["LESS ends a microsecond before", byCreationDate(timestamp(now), Method.LESS), upTo("now-")],
    ["LESS_OR_EQUALS ends there", byCreationDate(timestamp(now), Method.LESS_OR_EQUALS), upTo("now")],
    ["no method means EQUALS", byCreationDate(timestamp(now)), ["now"]],
    ["no date means 1970", byCreationDate(undefined, Method.LESS_OR_EQUALS), upTo("epoch")],
    ["no date and no method mean 1970 exactly", byCreationDate(), ["epoch"]],
    ["nanoseconds are cut, not rounded", byCreationDate(timestamp(now, 999), Method.EQUALS), ["now"]],
    [
      "nanoseconds are cut before comparing",
      byCreationDate(timestamp(now, 999), Method.GREATER_OR_EQUALS),
      from("now"),
    ],
    ["nanoseconds are cut towards the past before 1970 too", byCreationDate(timestamp(-1n, 999)), ["epoch-"]],
    ["the year 1 can be asked for", byCreationDate(timestamp(minInstant), Method.LESS_OR_EQUALS), ["year1"]],
    ["the year 9999 can be asked for", byCreationDate(timestamp(maxInstant), Method.GREATER_OR_EQUALS), ["year9999"]],
  ])("%s", async (_rule, query, expected) => {
    expect(await list(query)).toEqual({ ids: expected, total: expected.length });
  });
});

describe("ListSessions, filter by expiration date", () => {
  test.each<[string, Query, string[]]>([
    ["EQUALS is the same microsecond", byExpirationDate(timestamp(now), Method.EQUALS), ["now"]],
    ["GREATER includes those that never expire", byExpirationDate(timestamp(now), Method.GREATER), from("now+")],
    ["GREATER_OR_EQUALS does too", byExpirationDate(timestamp(now), Method.GREATER_OR_EQUALS), from("now")],
    ["LESS leaves out those that never expire", byExpirationDate(timestamp(now), Method.LESS), upTo("now-")],
    ["LESS_OR_EQUALS does too", byExpirationDate(timestamp(now), Method.LESS_OR_EQUALS), upTo("now")],
    ["no method means EQUALS", byExpirationDate(timestamp(now)), ["now"]],
    ["no date means 1970", byExpirationDate(undefined, Method.LESS), upTo("epoch-")],
    ["no date and no method mean 1970 exactly", byExpirationDate(), ["epoch"]],
    ["nanoseconds are cut", byExpirationDate(timestamp(now, 999), Method.LESS_OR_EQUALS), upTo("now")],
    ["never is later than the last date", byExpirationDate(timestamp(maxInstant), Method.GREATER), ["never"]],
    [
      "never is not equal to the last date",
      byExpirationDate(timestamp(maxInstant), Method.LESS_OR_EQUALS),
      all.filter((id) => id !== "never"),
    ],
  ])("%s", async (_rule, query, expected) => {
    expect(await list(query)).toEqual({ ids: expected, total: expected.length });
  });
});

describe.each([
  ["creation", byCreationDate],
  ["expiration", byExpirationDate],
])("ListSessions, filter by %s date, refuses", (_name, by) => {
  test.each([
    ["the method after the last one", 5],
    ["a far method", 2_147_483_647],
    ["a negative method", -1],
  ])("%s", async (_rule, method) => {
    expect(await failureOf(list(by(timestamp(now), method)))).toEqual({
      code: Code.InvalidArgument,
      message: "queries[0]: method must be one of the defined values",
      id: undefined,
    });
  });

  test.each([
    ["the end of the year 0", timestampOf(-62_135_596_801n, 999_999_999)],
    ["the start of the year 10000", timestampOf(253_402_300_800n)],
    ["the smallest number of seconds", timestampOf(-(2n ** 63n))],
    ["the largest number of seconds", timestampOf(2n ** 63n - 1n)],
    ["negative nanoseconds", timestampOf(0n, -1)],
    ["nanoseconds that make a second", timestampOf(0n, 1_000_000_000)],
  ])("%s", async (_rule, date) => {
    expect(await failureOf(list(by(date, Method.GREATER)))).toEqual({
      code: Code.InvalidArgument,
      message: "queries[0]: date must lie in the years 1 to 9999",
      id: undefined,
    });
  });
});

describe("ListSessions, several filters by date", () => {
  test("two creation dates make a range", async () => {
    const since = byCreationDate(timestamp(0n), Method.GREATER);
    const before = byCreationDate(timestamp(now), Method.LESS);

    expect(await list(since, before)).toEqual({ ids: ["now-"], total: 1 });
  });

  test("creation and expiration date are told apart", async () => {
    const created = byCreationDate(timestamp(now), Method.GREATER);
    const expires = byExpirationDate(timestamp(maxInstant), Method.LESS);

    expect(await list(created, expires)).toEqual({ ids: ["now+"], total: 1 });
  });
});

function from(id: string): string[] {
  return all.slice(all.indexOf(id));
}

function upTo(id: string): string[] {
  return all.slice(0, all.indexOf(id) + 1);
}

async function list(...queries: Query[]) {
  const request = { queries: queries.map((query) => ({ query })) };
  const response = await sessions.listSessions(request, await as(server, admin));
  return { ids: response.sessions.map(({ id }) => id).reverse(), total: Number(response.details?.totalResult) };
}
