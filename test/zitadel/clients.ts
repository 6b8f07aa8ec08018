import { type CallOptions, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { JWTPayload } from "jose";
import { AuthService } from "../../gen/zitadel/auth/v1/auth_service_pb.ts";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { SessionService as SessionServiceBeta } from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { ErrorDetailSchema } from "../../gen/zitadel/v1/message_pb.ts";
import type { TestServer } from "../support/server.ts";

/** The claims of a caller who may read every session of the instance. */
export const admin: JWTPayload = { sub: "admin", scope: "session.read" };

/** Clients of every service of a server, over gRPC unless told otherwise. */
export function createClients(
  server: Pick<TestServer, "url">,
  transport: Transport = createGrpcTransport({ baseUrl: server.url }),
) {
  return {
    sessions: createClient(SessionService, transport),
    sessionsBeta: createClient(SessionServiceBeta, transport),
    auth: createClient(AuthService, transport),
  };
}

/** The options of a call with a good token that has these claims. */
export async function as(server: Pick<TestServer, "issuer">, claims: JWTPayload): Promise<CallOptions> {
  return { headers: await bearer(server, claims) };
}

/** The header of a request with a good token that has these claims. */
export async function bearer({ issuer }: Pick<TestServer, "issuer">, claims: JWTPayload) {
  return { authorization: `Bearer ${await issuer.token(claims)}` };
}

/** How a call fails: its code, its text, and Zitadel's name for the error, undefined if it has none. Throws if it succeeds. */
export async function failureOf(call: Promise<unknown>) {
  const error = await call.then(() => undefined, ConnectError.from);
  if (error === undefined) throw new Error("the call succeeded");
  const [detail] = error.findDetails(ErrorDetailSchema);
  return { code: error.code, message: error.rawMessage, id: detail?.id };
}
