import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { Database } from "./database.ts";
import { SessionError } from "./errors.ts";
import type { Issuer } from "./issuer.ts";
import { type Caller, type Grant, type Permission, sessionsOf } from "./sessions/access.ts";
import type { Instant } from "./sessions/instant.ts";
import { findAgentId } from "./sessions/store.ts";

/** What authentication needs: whose tokens count, for whom they must be made, and whose sessions they open. */
export interface AuthOptions {
  instanceId: string;
  issuer: Issuer;
  audience: string;
  database: Database;
  now: () => Instant;
}

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

/**
 * Accepts `Authorization: Bearer` with a JWT access token of the issuer.
 *
 * Throws SessionError `token_missing` without the header, `token_invalid` for a token that is not good, whatever is
 * wrong with it, and `issuer_unavailable` if the issuer's keys are needed and cannot be had.
 *
 * @see RFC 9068 (JWT access tokens)
 */
export function createAuthenticate({ instanceId, issuer, audience, database, now }: AuthOptions): Authenticate {
  return async (headers, signal) => {
    const token = readBearer(headers.get("authorization"));
    const claims = await verify(token, issuer, audience, new Date(Number(now() / 1_000n)));
    const { sub: userId } = claims;
    if (!userId || userId.includes("\0")) throw new SessionError("token_invalid", "token names no user");
    const agentId = readText(claims["agent_id"]) ?? (await findAgent(claims, userId));
    return { instanceId, userId, agentId, grants: readGrants(claims["scope"]) };

    async function findAgent({ sid }: JWTPayload, userId: string): Promise<string | undefined> {
      const sessionId = readText(sid);
      return sessionId && (await findAgentId(database.during(signal), sessionsOf(instanceId, userId), sessionId));
    }
  };
}

function readBearer(authorization: string | null): string {
  if (authorization === null) throw new SessionError("token_missing", "auth header missing");
  const [scheme, token, ...rest] = authorization.split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !token || rest.length > 0) {
    throw new SessionError("token_invalid", "authorization header is not a bearer token");
  }
  return token;
}

async function verify(token: string, issuer: Issuer, audience: string, currentDate: Date): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, issuer.getKey, {
      issuer: issuer.url,
      audience,
      algorithms,
      currentDate,
      requiredClaims: ["exp", "sub"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError)
      throw new SessionError("token_invalid", "token is not good", { cause: error });
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
