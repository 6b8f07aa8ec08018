import type { DescMethodUnary, DescService } from "@bufbuild/protobuf";
import { AuthService as UpstreamAuthService } from "@zitadel/proto/zitadel/auth_pb.js";
import { SessionService as UpstreamSessionService } from "@zitadel/proto/zitadel/session/v2/session_service_pb.js";
import { SessionService as UpstreamSessionServiceBeta } from "@zitadel/proto/zitadel/session/v2beta/session_service_pb.js";
import { AuthService } from "../../gen/zitadel/auth/v1/auth_service_pb.ts";
import { SessionService } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import { SessionService as SessionServiceBeta } from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import type { ClientKind, Rpc, ServiceName } from "./client.ts";

/** The services as a client knows them that was generated from our protos, or from upstream's. */
export const services: Record<ClientKind["protos"], Record<ServiceName, DescService>> = {
  superset: {
    "zitadel.session.v2.SessionService": SessionService,
    "zitadel.session.v2beta.SessionService": SessionServiceBeta,
    "zitadel.auth.v1.AuthService": AuthService,
  },
  upstream: {
    "zitadel.session.v2.SessionService": UpstreamSessionService,
    "zitadel.session.v2beta.SessionService": UpstreamSessionServiceBeta,
    "zitadel.auth.v1.AuthService": UpstreamAuthService,
  },
};

/** The description of a method. Throws if the protos do not have it. */
export function findMethod(protos: ClientKind["protos"], rpc: Rpc): DescMethodUnary {
  const [service, name] = splitRpc(rpc);
  const method = services[protos][service].methods.find((method) => method.name === name);
  if (method?.methodKind !== "unary") throw new Error(`${protos} has no unary method ${rpc}`);
  // Safe: just asked; the compiler does not narrow this type by its kind.
  return method as DescMethodUnary;
}

/** Splits the name of a method into its service and its own. */
export function splitRpc(rpc: Rpc): [ServiceName, string] {
  // Safe: this is how the type is made up.
  return rpc.split("/") as [ServiceName, string];
}
