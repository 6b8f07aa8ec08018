import type { JsonObject } from "@bufbuild/protobuf";
import { eq } from "drizzle-orm";
import { expect } from "vitest";
import { type Session, sessions } from "../../../src/sessions/schema.ts";
import { grpcJs } from "../../clients/grpc-js.ts";
import { createCaller, type LifecycleCaller, login } from "../../clients/lifecycle.ts";
import { startClockServer } from "../../support/clock-server.ts";
import type { TestServer } from "../../support/server.ts";
import type { TestVerifier } from "../../support/verifier.ts";

/** Every check beyond the user, in the JSON form of Checks, in the order in which they are made. */
export const checks: JsonObject = {
  password: { password: "pässwörd 🔑" },
  idpIntent: { idpIntentId: "intent", idpIntentToken: "token" },
  webAuthN: { credentialAssertionData: { id: "a", response: { list: [1, null, true, "x"] } } },
  totp: { code: "123456" },
  otpSms: { code: "sms" },
  otpEmail: { code: "email" },
  recoveryCode: { code: "recovery" },
};

/** One check, for tests that take any. */
export const totp: JsonObject = { totp: { code: "123456" } };

/** Every challenge, in the JSON form of RequestChallenges, in the order in which they are started. */
export const challenges: JsonObject = {
  webAuthN: { domain: "localhost", userVerificationRequirement: "USER_VERIFICATION_REQUIREMENT_REQUIRED" },
  otpSms: { returnCode: true },
  otpEmail: { returnCode: {} },
};

/** What a verifier is asked about one check or challenge, besides whose it is. */
export type Asked = { check: JsonObject } | { challenge: JsonObject };

/** All checks, then all challenges, each as the verifier is asked about it. */
export const allAsked: Asked[] = [
  ...Object.entries(checks).map(([name, check]) => ({ check: { [name]: check } })),
  ...Object.entries(challenges).map(([name, challenge]) => ({ challenge: { [name]: challenge } })),
];

/** The part of a request that makes Rollcall ask that. */
export function toRequest(asked: Asked): JsonObject {
  return "check" in asked ? { checks: asked.check } : { challenges: asked.challenge };
}

/** What is asked, with a name for a table of tests. */
export function toRow(asked: Asked): [name: string, asked: Asked] {
  return [JSON.stringify(asked), asked];
}

/** The request with a check of the user. */
export function withUser(userId: string, { checks, ...request }: JsonObject = {}): JsonObject {
  return { ...request, checks: { user: { userId }, ...Object(checks) } };
}

/** A server, and a login service that calls it. */
export interface Checking {
  server: Awaited<ReturnType<typeof startClockServer>>;
  login: LifecycleCaller;
  /** Somebody else by the same client. */
  as(claims: Parameters<TestServer["issuer"]["token"]>[0]): Promise<LifecycleCaller>;
  /** A session of a new user, without a factor. */
  openSession(): Promise<Awaited<ReturnType<LifecycleCaller["create"]>> & { userId: string }>;
  /** Every session of the instance as it is stored. */
  rows(): Promise<Session[]>;
  /** Expects SetSession and CreateSession to fail like that, and neither to leave anything behind. */
  expectRefused(request: JsonObject, expected: unknown, afterEach?: () => void): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server that asks this verifier, or none. */
export async function startChecking(verifier?: Pick<TestVerifier, "url" | "secret">): Promise<Checking> {
  const server = await startClockServer(verifier);
  const client = grpcJs.open(server.url);
  const as: Checking["as"] = async (claims) => createCaller(client, await server.issuer.token(claims));
  const caller = await as(login);
  const openSession = async () => {
    const { id: userId } = await server.given.user();
    return { userId, ...(await caller.create(withUser(userId))) };
  };
  const rows = async () => {
    const { instanceId, database } = server;
    return await database.db.select().from(sessions).where(eq(sessions.instanceId, instanceId)).orderBy(sessions.id);
  };
  return {
    server,
    login: caller,
    as,
    openSession,
    rows,
    async expectRefused(request, expected, afterEach) {
      const { sessionId, userId } = await openSession();
      const before = await rows();
      expect(await caller.failure("SetSession", { sessionId, ...request })).toEqual(expected);
      afterEach?.();
      expect(await caller.failure("CreateSession", withUser(userId, request))).toEqual(expected);
      afterEach?.();
      expect(await rows()).toEqual(before);
    },
    async close() {
      client.close();
      await server.close();
    },
  };
}
