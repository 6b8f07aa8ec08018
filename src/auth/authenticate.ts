import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { Database } from "./database.ts";
import { SessionError } from "./errors.ts";
import type { Issuer } from "./issuer.ts";
import { type Caller, type Grant, type Permission, sessionsOf } from "./sessions/access.ts";
import type { Instant } from "./sessions/instant.ts";
import { findStanding } from "./sessions/store.ts";

/** Whose tokens count, and for whom they must be made. */
export interface BearerOptions {
  issuer: Issuer;
  audience: string;
  now: () => Instant;
}

/** What a bearer JWT says, once it is known to be good. */
export interface BearerClaims {
  userId: string;
  agentId: string | undefined;
  /** The session that it was issued in. */
  sessionId: string | undefined;
  grants: readonly Grant[];
}

/**
 * Reads a JWT access token of the issuer.
 *
 * Throws SessionError `token_invalid` if it is not good, whatever is wrong with it, and `issuer_unavailable` if the
 * issuer's keys are needed and cannot be had.
 */
export type VerifyBearer = (token: string) => Promise<BearerClaims>;

/** Finds out who asks, from the headers of a request; `signal` ends the search. */
export type Authenticate = (headers: Headers, signal: AbortSignal) => Promise<Caller>;

// Asymmetric only: with a shared secret, whoever can check a token can forge one.
const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
// The issuer's clock and ours may differ: a token must not be refused for being of the next second.
const clockToleranceSeconds = 5;
const permissions: readonly string[] = ["session.read", "session.write", "session.delete"] satisfies Permission[];
const callerKey = createContextKey<Caller | undefined>(undefined);

/** Keeps the caller of a request for the handlers behind. */
export function setCaller(context: HandlerContext, caller: Caller): void {
  context.values.set(callerKey, caller);
}

/** The caller of a request. Throws if it was not authenticated, which is a mistake of ours. */
export function callerOf(context: HandlerContext): Caller {
  const caller = context.values.get(callerKey);
  if (caller === undefined) throw new Error("request was not authenticated");
  return caller;
}

/** The token of an `Authorization` header; undefined if it is none of a bearer. @see RFC 6750 */
export function readBearer(authorization: string | null): string | undefined {
  const [scheme, token, ...rest] = (authorization ?? "").split(" ");
  return scheme?.toLowerCase() === "bearer" && token && rest.length === 0 ? token : undefined;
}

/** Makes the reader of bearer JWTs. @see RFC 9068 (JWT access tokens) */
export function createVerifyBearer({ issuer, audience, now }: BearerOptions): VerifyBearer {
  return async (token) => {
    const claims = await verify(token, issuer, audience, new Date(Number(now() / 1_000n)));
    const userId = readText(claims["sub"]);
    if (userId === undefined) throw new SessionError("token_invalid", "token names no user");
    return {
      userId,
      agentId: readText(claims["agent_id"]),
      sessionId: readText(claims["sid"]),
      grants: readGrants(claims["scope"]),
    };
  };
}

/**
 * Accepts `Authorization: Bearer` with a JWT access token.
 *
 * Throws SessionError `token_missing` without the header, `token_invalid` also for a disabled user's, and what
 * {@link VerifyBearer} throws.
 */
export function createAuthenticate(instanceId: string, database: Database, verifyBearer: VerifyBearer): Authenticate {
  return async (headers, signal) => {
    const authorization = headers.get("authorization");
    if (authorization === null) throw new SessionError("token_missing", "auth header missing");
    const token = readBearer(authorization);
    if (token === undefined) throw new SessionError("token_invalid", "authorization header is not a bearer token");
    const { userId, agentId, sessionId, grants } = await verifyBearer(token);
    const session = agentId === undefined ? sessionId : undefined;
    const { isDisabled, ...standing } = await findStanding(database.during(signal), sessionsOf(instanceId, userId), {
      userId,
      sessionId: session,
    });
    if (isDisabled) throw new SessionError("token_invalid", "user is disabled");
    return { instanceId, userId, agentId: agentId ?? standing.agentId, grants };
  };
}

async function verify(token: string, issuer: Issuer, audience: string, currentDate: Date): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, issuer.getKey, {
      issuer: issuer.url,
      audience,
      algorithms,
      currentDate,
      clockTolerance: clockToleranceSeconds,
      requiredClaims: ["exp", "sub"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError)
      throw new SessionError("token_invalid", `token is not good: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Reads `session.read session.write/ORG …`; what is not ours is somebody else's scope. */
function readGrants(scope: unknown): Grant[] {
  return (readText(scope) ?? "").split(" ").flatMap((word) => {
    const [permission = "", ...organization] = word.split("/");
    const organizationId = organization.length === 0 ? undefined : organization.join("/");
    return isPermission(permission) && organizationId !== "" ? [{ permission, organizationId }] : [];
  });
}

function isPermission(word: string): word is Permission {
  return permissions.includes(word);
}

/** A claim that is a text and not empty. */
function readText(claim: unknown): string | undefined {
  return typeof claim === "string" && claim !== "" && !claim.includes("\0") ? claim : undefined;
}
