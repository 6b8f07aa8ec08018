import { type DescMessage, fromJson, type JsonObject } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { JWTPayload } from "jose";
import { afterAll } from "vitest";
import type { Session } from "../../gen/zitadel/session/v2/session_pb.ts";
import {
  type CreateSessionResponse,
  CreateSessionResponseSchema,
  type DeleteSessionResponse,
  DeleteSessionResponseSchema,
  GetSessionResponseSchema,
  type SetSessionResponse,
  SetSessionResponseSchema,
} from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { type Instant, instantOf } from "../../src/sessions/instant.ts";
import { startClockServer } from "../support/clock-server.ts";
import { startTestVerifier, type TestVerifier } from "../support/verifier.ts";
import type { Client, ClientKind, Failure, ServiceName } from "./client.ts";
import { restByFetch } from "./rest.ts";
import { loginUserId } from "./stored.ts";
import { zitadelClient } from "./zitadel-client.ts";

/** The clients that every scenario of a session's life is run through: Zitadel's own, and REST. */
export const lifecycleClients: ClientKind[] = [zitadelClient, restByFetch];

// Roles that Zitadel's tests have, as the scopes that they come to.
const instanceScope = "session.read session.write session.delete";

/** IAM_OWNER. */
export const instanceOwner: JWTPayload = { sub: "iam-owner", scope: instanceScope };

/** IAM_LOGIN_CLIENT: on whose behalf most sessions are opened. */
export const login: JWTPayload = { sub: loginUserId, scope: instanceScope };

/** ORG_OWNER of the organization of all users. */
export const organizationOwner: JWTPayload = { sub: "org-owner", scope: "session.read/org-1 session.delete/org-1" };

/** A user without a role. */
export const nobody: JWTPayload = { sub: "user" };

/** The methods that read or write one session. */
export type LifecycleMethod = "GetSession" | "CreateSession" | "SetSession" | "DeleteSession";

/** The methods of one caller, with requests in protobuf's JSON and answers as messages. A failure is an error. */
export interface LifecycleCaller {
  create(request?: JsonObject): Promise<CreateSessionResponse>;
  set(sessionId: string, request: JsonObject): Promise<SetSessionResponse>;
  /** The session, by the caller's own right or by its token. */
  get(sessionId: string, sessionToken?: string): Promise<Session>;
  end(sessionId: string, sessionToken?: string): Promise<DeleteSessionResponse>;
  /** How a call fails. Throws if it does not. */
  failure(method: LifecycleMethod, request: JsonObject): Promise<Failure>;
}

/** SessionService of one version as the bearer of this token sees it, by this client. */
export function createCaller(
  client: Client,
  token: string,
  service: ServiceName = "zitadel.session.v2.SessionService",
): LifecycleCaller {
  const call = (method: LifecycleMethod, request: JsonObject) => client.call(`${service}/${method}`, request, token);
  const answer = async <S extends DescMessage>(schema: S, method: LifecycleMethod, request: JsonObject) => {
    const outcome = await call(method, request);
    if ("failure" in outcome) throw new Error(`${method} failed: ${JSON.stringify(outcome.failure)}`);
    return fromJson(schema, outcome.answer);
  };
  return {
    create: (request = {}) => answer(CreateSessionResponseSchema, "CreateSession", request),
    set: (sessionId, request) => answer(SetSessionResponseSchema, "SetSession", { sessionId, ...request }),
    async get(sessionId, sessionToken) {
      const { session } = await answer(GetSessionResponseSchema, "GetSession", withToken(sessionId, sessionToken));
      if (session === undefined) throw new Error("GetSession answered without a session");
      return session;
    },
    end: (sessionId, sessionToken) =>
      answer(DeleteSessionResponseSchema, "DeleteSession", withToken(sessionId, sessionToken)),
    async failure(method, request) {
      const outcome = await call(method, request);
      if ("answer" in outcome) throw new Error(`${method} answered ${JSON.stringify(outcome.answer)}`);
      return outcome.failure;
    },
  };
}

/**
 * Starts a server with a clock, whose verifier trusts every {@link assertion}, for the tests of one file; they close
 * after its last test.
 */
export async function startLifecycle() {
  const verifier = await startTestVerifier();
  trustAssertions(verifier);
  const server = await startClockServer(verifier);
  afterAll(async () => {
    await server.close();
    await verifier.close();
  });
  return {
    verifier,
    server,
    /** Connects a client of this kind until the end of the `describe` that asks for it, for whoever calls by it. */
    connect(kind: ClientKind) {
      const client = kind.open(server.url);
      afterAll(() => client.close());
      return {
        as: async (claims: JWTPayload) => createCaller(client, await server.issuer.token(claims)),
        bearing: (token: string) => createCaller(client, token),
      };
    },
  };
}

/** A failure with Zitadel's name for it. */
export function failureWith(code: number, key: string, id: string): Failure {
  return { code, message: `${key} (${id})`, details: [{ id, message: key }] };
}

/** A failure that has none, by its text. */
export function plainFailure(code: number, message: string): Failure {
  return { code, message, details: [] };
}

/** Of a call that its caller may not make, where that is no secret. */
export const notPermitted = failureWith(7, "No matching permissions found", "AUTH-AWfge");

/** Of a session that is not there, or that the caller may not see. */
export const sessionUnknown = failureWith(5, "Errors.Session.NotExisting", "QUERY-SFeaa");

/** Of GetSession with a session token that is not the session's. */
export const tokenUnknown = failureWith(7, "Errors.PermissionDenied", "QUERY-dsfr3");

/** The moment of a timestamp; of an absent one, an error. */
export function instantOfTimestamp(timestamp: Timestamp | undefined): Instant {
  if (timestamp === undefined) throw new Error("there is no timestamp");
  return instantOf(timestamp.seconds, timestamp.nanos);
}

/** What a session has, by the names of its factors in their order; empty without a user. */
export function factorNames({ factors }: Session): string[] {
  return Object.keys(factors ?? {}).filter((name) => name !== "$typeName");
}

/** The check of a passkey, which says itself whether it made sure of its user. */
export function assertion(userVerified: boolean): JsonObject {
  return { webAuthN: { credentialAssertionData: { id: "credential", userVerified } } };
}

/** Makes a verifier take an {@link assertion} at its word, and answer everything else as before. */
function trustAssertions(verifier: TestVerifier): void {
  const { answer } = verifier;
  verifier.answer = (question) => {
    const data = question.check?.["webAuthN"]?.["credentialAssertionData"];
    if (typeof data !== "object" || data === null || Array.isArray(data)) return answer(question);
    return { verified: true, userVerified: data["userVerified"] === true };
  };
}

function withToken(sessionId: string, sessionToken: string | undefined): JsonObject {
  return sessionToken === undefined ? { sessionId } : { sessionId, sessionToken };
}
