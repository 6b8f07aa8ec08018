import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openTestDatabase } from "../support/database.ts";
import { hour, now, second } from "../support/given.ts";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const database = openTestDatabase();
const server = await startTestServer({ directory: { database, now: () => now } });
afterAll(async () => {
  await server.close();
  await database.close();
});

beforeAll(async () => {
  const { given } = server;
  await given.session({ id: "first", createdAt: now - hour, userId: "ann", creatorId: "admin" });
  await given.session({ id: "second", createdAt: now });
  await given.session({ id: "third", createdAt: now + second });
});

describe("REST, what a request may look like", () => {
  const all = ["third", "second", "first"];
  const isNow = (creationDate: string) => JSON.stringify({ queries: [{ creationDateQuery: { creationDate } }] });

  test.each<[string, string, string[]]>([
    ["an empty body", "", all],
    ["an empty object", "{}", all],
    ["null for what is not set", '{"query":null,"queries":null,"sortingColumn":null}', all],
    ["names in camel case", '{"queries":[{"userIdQuery":{"id":"ann"}}]}', ["first"]],
    ["names in snake case", '{"queries":[{"user_id_query":{"id":"ann"}}]}', ["first"]],
    ["an enum by name", '{"query":{"asc":true},"sortingColumn":"SESSION_FIELD_NAME_CREATION_DATE"}', all.toReversed()],
    ["an enum by number", '{"query":{"asc":true},"sorting_column":1}', all.toReversed()],
    ["an enum by an unknown number", '{"query":{"asc":true},"sortingColumn":7}', all],
    ["an enum by an unknown name", '{"query":{"asc":true},"sortingColumn":"BY_COLOUR"}', all],
    ["a uint64 as a text", '{"query":{"offset":"2"}}', ["first"]],
    ["a uint64 as a number", '{"query":{"offset":2}}', ["first"]],
    ["the largest uint64", '{"query":{"offset":"18446744073709551615"}}', []],
    ["a uint32 as a number", '{"query":{"limit":1}}', ["third"]],
    ["a uint32 as a text", '{"query":{"limit":"1"}}', ["third"]],
    ["a whole number with a fraction of 0", '{"query":{"limit":1.0}}', ["third"]],
    [
      "unknown names",
      '{"no":1,"query":{"no":{}},"queries":[{"no":[],"idsQuery":{"no":1,"ids":["first"]}}]}',
      ["first"],
    ],
    ["a list that is not there", '{"queries":[{"idsQuery":{}}]}', []],
    ["an optional text that is not there", '{"queries":[{"creatorQuery":{}}]}', ["first"]],
    ["a date with six decimals", isNow("2026-03-01T12:00:00.123456Z"), ["second"]],
    ["a date with nine decimals", isNow("2026-03-01T12:00:00.123456789Z"), ["second"]],
    ["a date with an offset", isNow("2026-03-01T13:30:00.123456+01:30"), ["second"]],
    ["a date without decimals, of which nothing is made up", isNow("2026-03-01T12:00:00Z"), []],
    ["spaces and line breaks", ' {\n "query" : { "limit" : 1 } }\r\n', ["third"]],
  ])("%s", async (_rule, body, expected) => {
    const { json } = await search(body);

    expect((json.sessions ?? []).map(({ id }) => id)).toEqual(expected);
  });

  test.each<[string, string | undefined]>([
    ["not at all", undefined],
    ["as application/json", "application/json"],
    ["as application/json; charset=utf-8", "application/json; charset=utf-8"],
    ["as text/plain", "text/plain"],
    ["as application/x-www-form-urlencoded", "application/x-www-form-urlencoded"],
    ["as application/grpc-web+proto", "application/grpc-web+proto"],
    ["as nonsense", "nonsense"],
  ])("a body whose type is told %s", async (_rule, contentType) => {
    const headers: Record<string, string> = contentType === undefined ? {} : { "content-type": contentType };
    // As bytes, so that nothing chooses a content type for us.
    const { status, json } = await search(Buffer.from('{"query":{"limit":1}}'), headers);

    expect({ status, ids: json.sessions?.map(({ id }) => id) }).toEqual({ status: 200, ids: ["third"] });
  });

  test("a path with a query, which means nothing there", async () => {
    const { status, json } = await call("POST", "/v2/sessions/search?limit=0&query=1", '{"query":{"limit":1}}');

    expect({ status, ids: json.sessions?.map(({ id }) => id) }).toEqual({ status: 200, ids: ["third"] });
  });
});

describe("REST, what an answer looks like", () => {
  test("of an empty instance it is a timestamp and nothing else", async () => {
    const empty = await startTestServer({ directory: { database, now: () => now } });
    onTestFinished(() => empty.close());

    const { status, json } = await call("POST", "/v2/sessions/search", "{}", empty);

    expect({ status, json }).toEqual({
      status: 200,
      json: { details: { timestamp: "2026-03-01T12:00:00.123456Z" } },
    });
  });

  test("zero values are left out, 64-bit numbers are texts, and bytes are padded", async () => {
    const session = await server.given.session({
      id: "full",
      userId: "full",
      creatorId: "login",
      createdAt: now - 2n * hour,
      changedAt: now - 2n * hour,
      webAuthNCheckedAt: now,
      webAuthNUserVerified: false,
      otpSmsCheckedAt: now,
      metadata: { bytes: "//79", one: "AQ==", empty: "" },
      agentFingerprintId: "",
      agentHeader: { accept: ["a", "b"] },
    });

    const { json, contentType } = await search('{"queries":[{"idsQuery":{"ids":["full"]}}]}');

    expect(contentType).toBe("application/json");
    expect(json).toEqual({
      details: {
        totalResult: "1",
        processedSequence: String(session.sequence),
        timestamp: "2026-03-01T12:00:00.123456Z",
      },
      sessions: [
        {
          id: "full",
          creationDate: "2026-03-01T10:00:00.123456Z",
          changeDate: "2026-03-01T10:00:00.123456Z",
          sequence: String(session.sequence),
          factors: {
            user: { verifiedAt: "2026-03-01T10:00:00.123456Z", id: "full", organizationId: "org-1" },
            webAuthN: { verifiedAt: "2026-03-01T12:00:00.123456Z" },
            otpSms: { verifiedAt: "2026-03-01T12:00:00.123456Z" },
          },
          metadata: { bytes: "//79", one: "AQ==", empty: "" },
          userAgent: { fingerprintId: "", header: { accept: { values: ["a", "b"] } } },
        },
      ],
    });
  });

  test.each([
    ["no decimals", 0n, "2026-03-01T09:00:00Z"],
    ["three decimals", 120_000n, "2026-03-01T09:00:00.120Z"],
    ["six decimals", 120_400n, "2026-03-01T09:00:00.120400Z"],
    ["six decimals down to the microsecond", 1n, "2026-03-01T09:00:00.000001Z"],
  ])("dates have %s", async (_name, micros, expected) => {
    const { id } = await server.given.session({ createdAt: now - 3n * hour - 123_456n + micros });

    const { json } = await search(JSON.stringify({ queries: [{ idsQuery: { ids: [id] } }] }));

    expect(json.sessions?.[0]?.creationDate).toBe(expected);
  });

  test("v2beta answers under a path of its own", async () => {
    const { status, json } = await call("POST", "/v2beta/sessions/search", '{"query":{"limit":1}}');

    expect({ status, ids: json.sessions?.map(({ id }) => id) }).toEqual({ status: 200, ids: ["third"] });
  });
});

describe.each([
  ["REST", "/auth/v1/users/me/sessions/_search"],
  ["Connect", "/zitadel.auth.v1.AuthService/ListMyUserSessions"],
])("ListMyUserSessions over %s", (_name, path) => {
  test("is an empty object without an agent", async () => {
    const { status, json } = await call("POST", path, "{}", server, { "content-type": "application/json" });

    expect({ status, json }).toEqual({ status: 200, json: {} });
  });

  test("spells the state by name and leaves out what is not known", async () => {
    const { id, sequence, agentFingerprintId } = await server.given.session({
      userId: "eve",
      createdAt: now - 4n * hour,
      agentFingerprintId: `agent-of-${path}`,
    });
    const token = await bearer(server, { agent_id: agentFingerprintId });
    const headers = { ...token, "content-type": "application/json" };

    const { json } = await call("POST", path, "{}", server, headers);

    const date = "2026-03-01T08:00:00.123456Z";
    expect(json).toEqual({
      result: [
        {
          sessionId: id,
          agentId: agentFingerprintId,
          authState: "SESSION_STATE_ACTIVE",
          userId: "eve",
          details: { sequence: String(sequence), creationDate: date, changeDate: date, resourceOwner: "org-1" },
        },
      ],
    });
  });
});

interface Answer {
  details?: object;
  sessions?: { id: string; creationDate: string }[];
  result?: object[];
}

async function search(body: string | Buffer, headers: Record<string, string> = {}) {
  return await call("POST", "/v2/sessions/search", body, server, headers);
}

async function call(
  method: string,
  path: string,
  body: string | Buffer,
  to = server,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${to.url}${path}`, {
    method,
    headers: { ...(await bearer(to, admin)), ...headers },
    body,
  });
  // Safe: the tests compare it, whatever it is.
  const json = (await response.json()) as Answer;
  return { status: response.status, contentType: response.headers.get("content-type"), json };
}
