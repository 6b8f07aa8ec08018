import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createClientFor } from "@zitadel/client";
import { createServerTransport } from "@zitadel/client/node";
import { createAuthServiceClient } from "@zitadel/client/v1";
import { createSessionServiceClient } from "@zitadel/client/v2";
import { SessionService as SessionServiceBeta } from "@zitadel/proto/zitadel/session/v2beta/session_service_pb.js";
import type { ClientKind, ServiceName } from "./client.ts";
import { callConnect } from "./connect-call.ts";
import { findMethod, splitRpc } from "./services.ts";

const createClient: Record<ServiceName, (transport: Transport) => object> = {
  "zitadel.session.v2.SessionService": createSessionServiceClient,
  "zitadel.session.v2beta.SessionService": createClientFor(SessionServiceBeta),
  "zitadel.auth.v1.AuthService": createAuthServiceClient,
};

/** Zitadel's own client for Node, over gRPC. */
export const zitadelClient: ClientKind = {
  name: "@zitadel/client/node, gRPC",
  protos: "upstream",
  open(url, ca) {
    // One connection for all tokens: its transport is made for a token, and would open one each.
    const sessionManager = new Http2SessionManager(url, {}, { ca });
    const options = { baseUrl: url, sessionManager };
    return {
      async call(rpc, request, token) {
        const [service] = splitRpc(rpc);
        // Its transport always sends a token; without one it is the transport that it is made of.
        const transport = token === undefined ? createGrpcTransport(options) : createServerTransport(token, options);
        return await callConnect(createClient[service](transport), findMethod("upstream", rpc), request);
      },
      close: () => sessionManager.abort(),
    };
  },
};
