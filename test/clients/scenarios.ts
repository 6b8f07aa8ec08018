import type { JsonObject } from "@bufbuild/protobuf";
import type { JWTPayload } from "jose";
import { printInstant } from "../../src/sessions/instant.ts";
import { minute, now, second } from "../support/given.ts";
import type { TestServer } from "../support/server.ts";
import type { ClientKind, Failure, Rpc } from "./client.ts";
import { givenEmptySession, givenFullSession, loginUserId, type Stored } from "./stored.ts";

/** What somebody asks of ListSessions, and what they get. */
export interface Scenario {
  /** The rule, after the scenario's number in Zitadel's integration tests if it is one of those. */
  name: string;
  rpc: Rpc;
  /** The protos that can spell the request; any if left out. */
  needs?: ClientKind["protos"];
  /** The claims of the caller's token. */
  caller: JWTPayload;
  /** Stores the sessions that the scenario is about, and returns them newest first. */
  given: (given: TestServer["given"]) => Promise<Stored[]>;
  request: (stored: Stored[]) => JsonObject;
  expected: "all of them" | "none of them" | Failure;
}

const v2 = "zitadel.session.v2.SessionService/ListSessions";
const v2beta = "zitadel.session.v2beta.SessionService/ListSessions";

// Roles that Zitadel's tests have, as the scopes that they come to.
const instanceOwner = { sub: "iam-owner", scope: "session.read" };
const organizationOwner = { sub: "org-owner", scope: "session.read/org-1" };
const login = { sub: loginUserId };
const nobody = { sub: "user" };

const none = async () => [];
const empty: Scenario["given"] = async (given) => [await givenEmptySession(given, { creatorId: loginUserId })];
const unlimited: Scenario["given"] = async (given) => [
  await givenEmptySession(given, { creatorId: instanceOwner.sub }),
];
const expired: Scenario["given"] = async (given) => [await givenEmptySession(given, { expiresAt: now - second })];
const full: Scenario["given"] = async (given) => [await givenFullSession(given)];
const threeFull: Scenario["given"] = async (given) => [
  await givenFullSession(given),
  await givenFullSession(given, { createdAt: now - minute }),
  await givenFullSession(given, { createdAt: now - 2n * minute }),
];

const byIds = (stored: Stored[]) => ({ idsQuery: { ids: stored.map(({ session }) => session.id) } });
const ask =
  (...queries: JsonObject[]) =>
  (): JsonObject => ({ queries });
const askIds =
  (...queries: JsonObject[]) =>
  (stored: Stored[]): JsonObject => ({ queries: [byIds(stored), ...queries] });
const askUser = ([stored]: Stored[]): JsonObject => ({ queries: [{ userIdQuery: { id: stored?.user?.id ?? "" } }] });
const expires = (method: string) => ({ expirationDateQuery: { expirationDate: printInstant(now), method } });

const refused = (key: string, id: string): Failure => ({
  code: 3,
  message: `${key} (${id})`,
  details: [{ id, message: key }],
});
const noCondition: Failure = { code: 3, message: "queries[0].query: value is required", details: [] };
const noCreator = refused("List.Query.Invalid", "GRPC-x8n24uh");
const noAgent = refused("List.Query.Invalid", "GRPC-x8n23uh");
const limitExceeded = refused("Errors.Query.LimitExceeded", "QUERY-4M0fs");

type Row = [
  name: string,
  caller: JWTPayload,
  given: Scenario["given"],
  request: Scenario["request"],
  expected: Scenario["expected"],
];

// biome-ignore format: a table.
const v2Rows: Row[] = [
  ["L1: an unknown id finds nothing, for the instance's owner", instanceOwner, none, ask({ idsQuery: { ids: ["unknown"] } }), "none of them"],
  ["L1: an unknown id finds nothing, for an organization's owner", organizationOwner, none, ask({ idsQuery: { ids: ["unknown"] } }), "none of them"],
  // Zitadel counts it and leaves it out; our totals tell nothing of what is hidden.
  ["L2: a session that the caller may not see is neither listed nor counted", nobody, empty, askIds(), "none of them"],
  ["L3: an empty session has no factors, agent or expiration", instanceOwner, empty, askIds(), "all of them"],
  ["L4: a full session has all that was stored, for the instance's owner", instanceOwner, full, askIds(), "all of them"],
  ["L4: a full session has all that was stored, for its organization's owner", organizationOwner, full, askIds(), "all of them"],
  ["L5: several ids find several sessions", instanceOwner, threeFull, askIds(), "all of them"],
  ["L6: a user's id finds that user's session", instanceOwner, full, askUser, "all of them"],
  ["L7: a creator without an id is the caller", login, full, askIds({ creatorQuery: {} }), "all of them"],
  ["L8: a creator's id finds what they created", instanceOwner, full, askIds({ creatorQuery: { id: loginUserId } }), "all of them"],
  ["L9: another creator's session is not the caller's", instanceOwner, full, askIds({ creatorQuery: {} }), "none of them"],
  ["L10: an empty creator's id is refused", instanceOwner, none, ask({ creatorQuery: { id: "" } }), noCreator],
  ["L11: an agent's fingerprint finds its session", instanceOwner, full, askIds({ userAgentQuery: { fingerprintId: "useragent" } }), "all of them"],
  ["L12: another agent's fingerprint finds nothing", instanceOwner, full, askIds({ userAgentQuery: { fingerprintId: "wronguseragent" } }), "none of them"],
  ["L13: an empty fingerprint is refused", instanceOwner, none, ask({ userAgentQuery: { fingerprintId: "" } }), noAgent],
  ["L17: a limit above 1000 is refused", instanceOwner, none, () => ({ query: { limit: 1001 } }), limitExceeded],
  ["an agent without a fingerprint is the caller's", { ...nobody, agent_id: "useragent" }, full, askIds({ userAgentQuery: {} }), "all of them"],
  ["an agent without a fingerprint is refused to a caller without one", nobody, none, ask({ userAgentQuery: {} }), noAgent],
  ["an empty condition is refused", instanceOwner, none, ask({}), noCondition],
];

// biome-ignore format: a table.
const supersetRows: Row[] = [
  ["L14: a session expires after now", instanceOwner, full, askIds(expires("TIMESTAMP_QUERY_METHOD_GREATER_OR_EQUALS")), "all of them"],
  ["L15: a session that never expires does so after now", instanceOwner, unlimited, askIds(expires("TIMESTAMP_QUERY_METHOD_GREATER_OR_EQUALS")), "all of them"],
  ["L16: an expired session is still listed", instanceOwner, expired, askIds(expires("TIMESTAMP_QUERY_METHOD_LESS_OR_EQUALS")), "all of them"],
];

// biome-ignore format: a table.
const v2betaRows: Row[] = [
  ["B1: an unknown id finds nothing", instanceOwner, none, ask({ idsQuery: { ids: ["unknown"] } }), "none of them"],
  ["B2: a session that the caller may not see is neither listed nor counted", nobody, empty, askIds(), "none of them"],
  ["B3: a full session has all that was stored", login, full, askIds(), "all of them"],
  ["B4: several ids find several sessions", login, threeFull, askIds(), "all of them"],
  ["B5: a user's id finds that user's session", login, full, askUser, "all of them"],
  ["B6: a limit above 1000 is refused", instanceOwner, none, () => ({ query: { limit: 1001 } }), limitExceeded],
];

/** Zitadel's scenarios that concern listing (`L` of v2, `B` of v2beta), and a few of our own. */
export const scenarios: Scenario[] = [
  ...v2Rows.map((row) => toScenario(v2, row)),
  ...supersetRows.map((row) => ({ ...toScenario(v2, row), needs: "superset" as const })),
  ...v2betaRows.map((row) => toScenario(v2beta, row)),
];

function toScenario(rpc: Rpc, [name, caller, given, request, expected]: Row): Scenario {
  return { name, rpc, caller, given, request, expected };
}
