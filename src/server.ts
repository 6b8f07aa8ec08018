import { createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import { AuthService } from "../gen/zitadel/auth/v1/auth_service_pb.ts";
import { SessionService } from "../gen/zitadel/session/v2/session_service_pb.ts";
import { SessionService as SessionServiceBeta } from "../gen/zitadel/session/v2beta/session_service_pb.ts";
import { withCors } from "./http/cors.ts";
import { withGrpcMessage } from "./http/grpc-message.ts";
import { isGrpcWebText, withGrpcWebText } from "./http/grpc-web-text.ts";
import { createListener, createRefusalLog } from "./http/listener.ts";
import { openPort, type Port, type PortOptions } from "./http/port.ts";
import { createKratosRouter, type KratosOptions } from "./kratos/routes.ts";
import type { Verifier } from "./verifier.ts";
import { createAuthService } from "./zitadel/auth-service.ts";
import { createRestRouter, notFound } from "./zitadel/rest.ts";
import { createRpcOptions } from "./zitadel/rpc.ts";
import { createSessionService } from "./zitadel/session-service.ts";

/** The largest message that is accepted, in bytes. */
export const maxMessageBytes = 1_048_576;

/** What a server is made of. */
export interface ServerOptions extends Pick<PortOptions, "host" | "port" | "tls" | "timeouts">, KratosOptions {
  /** Origins of the pages that may call from a browser; `*` for any. */
  corsOrigins: readonly string[];
  /** Who makes the checks beyond the user; undefined: nobody does. */
  verifier?: Verifier | undefined;
  /** Requests end with deadline_exceeded after this, in milliseconds. */
  deadlineMs: number;
  log: Logger;
}

/** Opens the one port on which every dialect is served. */
export async function createServer(options: ServerOptions): Promise<Port> {
  const { host, port, tls, timeouts, corsOrigins, deadlineMs, log } = options;
  const handler = withCors(corsOrigins, createRouter(options));
  return await openPort({
    host,
    port,
    tls,
    timeouts,
    handler: createListener({ handler, log, deadlineMs }),
    onRefused: createRefusalLog(log),
    onError: (err) => log.error({ err }, "connection"),
  });
}

/** Who gets which path. */
function createRouter(options: ServerOptions): UniversalHandlerFn {
  const { directory, authenticate, verifier } = options;
  const router = createConnectRouter({
    ...createRpcOptions(authenticate),
    // Not brotli: at its default quality one client can keep a core busy with it.
    acceptCompression: [compressionGzip],
    readMaxBytes: maxMessageBytes,
  });
  const sessionService = createSessionService({ ...directory, verifier });
  router.service(SessionService, sessionService);
  router.service(SessionServiceBeta, sessionService);
  router.service(AuthService, createAuthService(directory));

  const rpcs = new Map(router.handlers.map((handler) => [handler.requestPath, withGrpcMessage(handler)]));
  const rest = createRestRouter(router.handlers, maxMessageBytes);
  const kratos = createKratosRouter(options);
  return (request) => {
    const path = new URL(request.url).pathname;
    const rpc = rpcs.get(path);
    if (rpc === undefined) return (rest(request.method, path) ?? kratos(request.method, path) ?? notFound)(request);
    return (isGrpcWebText(request.header.get("content-type")) ? withGrpcWebText(rpc) : rpc)(request);
  };
}
