import type { Database } from "../database.ts";
import { SessionError } from "../errors.ts";
import { type Caller, openedBy, sessionsOf } from "../sessions/access.ts";
import { hasFactor, isLive, isOfUser } from "../sessions/filter.ts";
import type { Instant } from "../sessions/instant.ts";
import { isDisabled } from "../sessions/schema.ts";
import { type Db, findSession, findStanding } from "../sessions/store.ts";
import { isApiToken, readApiToken } from "./api-token.ts";
import { isJwt, type VerifyJwt } from "./jwt.ts";
import { hashToken } from "./token.ts";

/** Finds out who asks, from the headers of a request; `signal` ends the search. */
export type Authenticate = (headers: Headers, signal: AbortSignal) => Promise<Caller>;

/** What finding out who asks needs. */
export interface AuthenticateOptions {
  instanceId: string;
  verifyJwt: VerifyJwt;
  database: Database;
  now: () => Instant;
}

/** The token of an `Authorization` header; undefined if it is none of a bearer. @see RFC 6750 */
export function readBearer(authorization: string | null): string | undefined {
  const [scheme, token, ...rest] = (authorization ?? "").split(" ");
  return scheme?.toLowerCase() === "bearer" && token && rest.length === 0 ? token : undefined;
}

/**
 * Accepts `Authorization: Bearer` with an API token, a JWT access token or the token of a live session.
 *
 * Throws SessionError `token_missing` without the header, `token_invalid` also for a disabled user's, and what
 * {@link VerifyJwt} throws.
 */
export function createAuthenticate({ instanceId, verifyJwt, database, now }: AuthenticateOptions): Authenticate {
  return async (headers, signal) => {
    const authorization = headers.get("authorization");
    if (authorization === null) throw new SessionError("token_missing", "auth header missing");
    const token = readBearer(authorization);
    if (token === undefined) throw new SessionError("token_invalid", "authorization header is not a bearer token");
    const db = database.during(signal);
    if (isApiToken(token)) return await readApiToken(db, { instanceId, token, now: now() });
    return await (isJwt(token) ? readJwt(db, token) : findHolder(db, token));
  };

  async function readJwt(db: Db, token: string): Promise<Caller> {
    const { userId, agentId, sessionId, grants } = await verifyJwt(token);
    const { isDisabled, ...standing } = await findStanding(db, sessionsOf(instanceId, userId), {
      userId,
      sessionId: agentId === undefined ? sessionId : undefined,
    });
    if (isDisabled) throw new SessionError("token_invalid", "user is disabled");
    return { instanceId, userId, agentId: agentId ?? standing.agentId, grants };
  }

  // Who only named a user has proven nothing: they may know no more than somebody's login name.
  async function findHolder(db: Db, token: string): Promise<Caller> {
    const conditions = [isLive(now()), isOfUser(), hasFactor()];
    const found = await findSession(db, openedBy(instanceId, hashToken(token)), conditions);
    const userId = found?.session.userId;
    if (!found || !userId) throw new SessionError("token_invalid", "token opens no session with a factor");
    if (isDisabled(found.user)) throw new SessionError("token_invalid", "user is disabled");
    return { instanceId, userId, agentId: found.session.agentFingerprintId || undefined, grants: [] };
  }
}
