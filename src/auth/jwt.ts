import { errors, type JWTPayload, jwtVerify } from "jose";
import { SessionError } from "../errors.ts";
import type { Grant } from "../sessions/access.ts";
import type { Instant } from "../sessions/instant.ts";
import { readGrants } from "./grants.ts";
import type { Issuer } from "./issuer.ts";

/** Whose tokens count, and for whom they must be made. */
export interface JwtOptions {
  issuer: Issuer;
  audience: string;
  now: () => Instant;
}

/** What a JWT says, once it is known to be good. */
export interface JwtClaims {
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
export type VerifyJwt = (token: string) => Promise<JwtClaims>;

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

/** True for a token of three parts; no other kind of token is one. */
export function isJwt(token: string): boolean {
  return token.split(".").length === 3;
}

/** Makes the reader of JWTs. @see RFC 9068 (JWT access tokens) */
export function createVerifyJwt({ issuer, audience, now }: JwtOptions): VerifyJwt {
  return async (token) => {
    const claims = await verify(token, issuer, audience, new Date(Number(now() / 1_000n)));
    const userId = readText(claims["sub"]);
    if (userId === undefined) throw new SessionError("token_invalid", "token names no user");
    return {
      userId,
      agentId: readText(claims["agent_id"]),
      sessionId: readText(claims["sid"]),
      grants: readGrants(readText(claims["scope"]) ?? ""),
    };
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

/** A claim that is a text and not empty. */
function readText(claim: unknown): string | undefined {
  return typeof claim === "string" && claim !== "" && !claim.includes("\0") ? claim : undefined;
}
