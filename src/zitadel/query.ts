import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type * as v2 from "../../gen/zitadel/session/v2/session_pb.ts";
import { SessionFieldName } from "../../gen/zitadel/session/v2/session_pb.ts";
import type { ListSessionsRequest } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type * as v2beta from "../../gen/zitadel/session/v2beta/session_pb.ts";
import type { ListSessionsRequest as ListSessionsRequestBeta } from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { TimestampQueryMethod } from "../../gen/zitadel/v1/object_pb.ts";
import { SessionError } from "../errors.ts";
import type { Caller } from "../sessions/access.ts";
import * as filter from "../sessions/filter.ts";
import { type Instant, instantOf, maxInstant, minInstant } from "../sessions/instant.ts";
import type { OffsetPage } from "../sessions/page.ts";
import type { SessionQuery } from "../sessions/store.ts";

/** Sessions on a page if the request asks for none or 0. */
export const defaultLimit = 100;

/** The largest page that may be asked for. @see Zitadel SystemDefaults.MaxQueryLimit */
export const maxLimit = 1_000;

// A request has few; thousands of them would only be there to make PostgreSQL think.
const maxQueries = 100;
const maxIdLength = 200;

/**
 * What a ListSessions request asks for, on behalf of `caller`; sessions that were ended are left out.
 *
 * Throws SessionError if a condition is empty or breaks its rules, or if the page is too large.
 */
export function toSessionQuery(
  { query, queries, sortingColumn }: ListSessionsRequest | ListSessionsRequestBeta,
  caller: Caller,
): SessionQuery {
  if (queries.length > maxQueries) {
    throw new SessionError("invalid_request", `queries: must be at most ${maxQueries}`);
  }
  const conditions = queries.map(({ query }, index) => toCondition(query, `queries[${index}]`, caller));
  const ascending = sortingColumn === SessionFieldName.CREATION_DATE && query?.asc === true;
  return {
    conditions: [...conditions, filter.isNotEnded()],
    page: toPage(query?.offset ?? 0n, query?.limit ?? 0, ascending),
  };
}

function toPage(offset: bigint, limit: number, ascending: boolean): OffsetPage {
  if (limit > maxLimit) throw new SessionError("limit_exceeded", `query.limit must be at most ${maxLimit}`);
  return {
    // Past that there is no row anyway, and the database could not count so far.
    offset: Math.min(Number(offset), Number.MAX_SAFE_INTEGER),
    limit: limit === 0 ? defaultLimit : limit,
    order: ascending ? "oldest_first" : "newest_first",
  };
}

function toCondition(
  query: v2.SearchQuery["query"] | v2beta.SearchQuery["query"],
  path: string,
  caller: Caller,
): filter.Condition {
  switch (query.case) {
    case "idsQuery":
      return filter.hasIdIn(query.value.ids);
    case "userIdQuery":
      return filter.hasUser(query.value.id);
    case "creationDateQuery": {
      const { method, creationDate } = query.value;
      return filter.isCreated(toComparison(method, path), toInstant(creationDate, path));
    }
    case "creatorQuery":
      return filter.hasCreator(readId(query.value.id, "creator_unknown", path) ?? caller.userId);
    case "userAgentQuery": {
      const agentId = readId(query.value.fingerprintId, "agent_unknown", path) ?? caller.agentId;
      if (agentId === undefined) throw new SessionError("agent_unknown", `${path}: the token names no user agent`);
      return filter.hasAgent(agentId);
    }
    case "expirationDateQuery": {
      const { method, expirationDate } = query.value;
      return filter.expires(toComparison(method, path), toInstant(expirationDate, path));
    }
    default:
      query satisfies { case: undefined };
      throw new SessionError("invalid_request", `${path}.query: value is required`);
  }
}

function readId(id: string | undefined, empty: "creator_unknown" | "agent_unknown", path: string): string | undefined {
  if (id === "") throw new SessionError(empty, `${path}: id must not be empty`);
  // Counted in characters, as upstream counts, not in UTF-16 units.
  if (id !== undefined && [...id].length > maxIdLength) {
    throw new SessionError("invalid_request", `${path}: id must be at most ${maxIdLength} characters`);
  }
  return id;
}

function toComparison(method: TimestampQueryMethod, path: string): filter.Comparison {
  switch (method) {
    case TimestampQueryMethod.EQUALS:
      return "equal";
    case TimestampQueryMethod.GREATER:
      return "after";
    case TimestampQueryMethod.GREATER_OR_EQUALS:
      return "at_or_after";
    case TimestampQueryMethod.LESS:
      return "before";
    case TimestampQueryMethod.LESS_OR_EQUALS:
      return "at_or_before";
    default:
      throw new SessionError("invalid_request", `${path}: method must be one of the defined values`);
  }
}

function toInstant(timestamp: Timestamp | undefined, path: string): Instant {
  const { seconds, nanos } = timestamp ?? { seconds: 0n, nanos: 0 };
  const instant = instantOf(seconds, nanos);
  if (instant < minInstant || instant > maxInstant || nanos < 0 || nanos > 999_999_999) {
    throw new SessionError("invalid_request", `${path}: date must lie in the years 1 to 9999`);
  }
  return instant;
}
