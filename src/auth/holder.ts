import type { Database } from "../database.ts";
import { SessionError } from "../errors.ts";
import { openedBy, type Scope, sessionsOf } from "../sessions/access.ts";
import { type Condition, hasIdIn, isLive, isOfUser } from "../sessions/filter.ts";
import type { Instant } from "../sessions/instant.ts";
import { isDisabled, type SessionOfUser } from "../sessions/schema.ts";
import { findSession } from "../sessions/store.ts";
import { readBearer } from "./authenticate.ts";
import { isJwt, type VerifyJwt } from "./jwt.ts";
import { hashToken, sessionTokenPrefix } from "./token.ts";

/**
 * Finds the session that the headers of a request open, which becomes the current one, with its user; `signal` ends
 * the search.
 */
export type AuthenticateHolder = (headers: Headers, signal: AbortSignal) => Promise<SessionOfUser>;

/** What finding the holder of a token needs. */
export interface HolderOptions {
  instanceId: string;
  /** The cookie that holds the session token of a browser. */
  cookieName: string;
  verifyJwt: VerifyJwt;
  database: Database;
  now: () => Instant;
}

/**
 * Accepts a session token in `X-Session-Token`, in the cookie or as bearer, or a JWT bearer of the issuer with a `sid`.
 *
 * The first of them that is there counts: if it opens nothing, the others are not tried. Throws SessionError
 * `session_missing` without one, and for a session that is ended, expired, without a user or of a disabled one.
 */
export function createAuthenticateHolder(options: HolderOptions): AuthenticateHolder {
  const { instanceId, cookieName, verifyJwt, database, now } = options;
  return async (headers, signal) => {
    const token = headers.get("x-session-token") || readCookie(headers.get("cookie"), cookieName);
    const bearer = readBearer(headers.get("authorization"));
    const [scope, condition] =
      token === undefined && bearer !== undefined && isJwt(bearer)
        ? await namedBy(bearer)
        : [openedBy(instanceId, hashToken(token ?? bearer ?? missing())), undefined];
    const found = await findSession(database.during(signal), scope, [condition, isLive(now()), isOfUser()]);
    return found === undefined || isDisabled(found.user) ? missing() : found;
  };

  async function namedBy(bearer: string): Promise<[Scope, Condition]> {
    const { userId, sessionId } = await verifyJwt(bearer).catch((error) => {
      // Here a token that is not good opens no session, like any other text.
      throw error instanceof SessionError && error.reason === "token_invalid" ? noSession(error) : error;
    });
    return [sessionsOf(instanceId, userId), hasIdIn([sessionId ?? missing()])];
  }
}

function missing(): never {
  throw noSession();
}

function noSession(cause?: unknown): SessionError {
  return new SessionError("session_missing", "no session token opens a session", { cause });
}

// A cookie that does not hold a token of ours is somebody else's: the next one may be ours.
function readCookie(header: string | null, name: string): string | undefined {
  const pairs = (header ?? "").split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=${sessionTokenPrefix}`))?.slice(name.length + 1);
}
