import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ListSessionsRequestSchema,
  ListSessionsResponseSchema,
} from "../../../gen/zitadel/session/v2/session_service_pb.ts";
import { FactorsSchema, SessionFieldName } from "../../../gen/zitadel/session/v2beta/session_pb.ts";
import { ListSessionsResponseSchema as BetaResponseSchema } from "../../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { TimestampQueryMethod as Method } from "../../../gen/zitadel/v1/object_pb.ts";
import { openTestDatabase } from "../../support/database.ts";
import { minute, now } from "../../support/given.ts";
import { startTestServer } from "../../support/server.ts";
import { admin, as, bearer, createClients, failureOf } from "../clients.ts";
import { byAgent, byCreationDate, byCreator, byExpirationDate, byIds, byUser, timestamp } from "../queries.ts";

const database = openTestDatabase();
// One time for all answers, so that those of two versions can be compared.
const server = await startTestServer({ directory: { database, now: () => now } });
afterAll(async () => {
  await server.close();
  await database.close();
});
const { sessions, sessionsBeta } = createClients(server);

beforeAll(async () => {
  const { given } = server;
  await given.user({ id: "ann" });
  await given.session({
    id: "full",
    userId: "ann",
    createdAt: now,
    passwordCheckedAt: now,
    webAuthNCheckedAt: now,
    webAuthNUserVerified: true,
    agentFingerprintId: "firefox",
    agentHeader: { foo: ["foo", "bar"] },
    metadata: { key: "dmFsdWU=" },
    expiresAt: now,
  });
  await given.session({ id: "second", userId: "ann", createdAt: now - minute, creatorId: "carl" });
  await given.session({ id: "third", createdAt: now - minute });
  await given.session({ id: "ended", endedAt: now });
});

describe("ListSessions of v2beta", () => {
  test.each([
    ["everything", {}],
    ["by ids", { queries: [{ query: byIds("second", "third", "unknown") }] }],
    ["by no ids", { queries: [{ query: byIds() }] }],
    ["by user", { queries: [{ query: byUser("ann") }] }],
    ["by creation date", { queries: [{ query: byCreationDate(timestamp(now), Method.LESS) }] }],
    ["by two filters", { queries: [{ query: byUser("ann") }, { query: byIds("full") }] }],
    [
      "a page, oldest first",
      { query: { limit: 1, offset: 1n, asc: true }, sortingColumn: SessionFieldName.CREATION_DATE },
    ],
    ["a page past the end", { query: { offset: 9n } }],
  ])("answers like v2: %s", async (_name, request) => {
    const beta = await sessionsBeta.listSessions(request, await as(server, admin));
    const current = await sessions.listSessions(request, await as(server, admin));

    expect(toJson(BetaResponseSchema, beta)).toEqual(toJson(ListSessionsResponseSchema, current));
  });

  test.each([
    ["their creator", { sub: "carl" }, ["second"]],
    ["their user", { sub: "ann" }, ["full", "second"]],
    ["their user agent", { sub: "stranger", agent_id: "firefox" }, ["full"]],
    ["nobody else", { sub: "stranger" }, []],
  ])("shows sessions to %s", async (_name, claims, expected) => {
    const response = await sessionsBeta.listSessions({}, await as(server, claims));

    expect(response.sessions.map(({ id }) => id)).toEqual(expected);
  });

  test("leaves out the recovery code, which it has no field for", async () => {
    await server.given.session({ id: "recovered", userId: "bob", recoveryCodeCheckedAt: now, totpCheckedAt: now });

    const request = { queries: [{ query: byIds("recovered") }] };
    const response = await sessionsBeta.listSessions(request, await as(server, admin));

    const factors = response.sessions[0]?.factors;
    expect(factors && toJson(FactorsSchema, factors)).toEqual({ user: expect.anything(), totp: expect.anything() });
  });

  test("refuses a limit of 1001", async () => {
    const call = sessionsBeta.listSessions({ query: { limit: 1_001 } }, await as(server, admin));

    expect(await failureOf(call)).toMatchObject({ code: Code.InvalidArgument, id: "QUERY-4M0fs" });
  });

  test.each([
    ["creator", byCreator("carl")],
    ["user agent", byAgent("firefox")],
    ["expiration date", byExpirationDate(timestamp(now))],
  ])("knows no filter by %s: it is as good as empty", async (_name, query) => {
    const body = toBinary(ListSessionsRequestSchema, create(ListSessionsRequestSchema, { queries: [{ query }] }));
    const response = await fetch(`${server.url}/zitadel.session.v2beta.SessionService/ListSessions`, {
      method: "POST",
      headers: { "content-type": "application/proto", ...(await bearer(server, admin)) },
      body,
    });

    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      code: "invalid_argument",
      message: "queries[0].query: value is required",
    });
  });
});
