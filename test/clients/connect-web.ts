import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import type { ClientKind } from "./client.ts";
import { callConnect } from "./connect-call.ts";
import { findMethod, services, splitRpc } from "./services.ts";

/** What browsers use: over fetch, in each of its protocols. */
export const connectWebClients: ClientKind[] = [
  browserClient("connect-web, gRPC-Web", "superset", (baseUrl) => createGrpcWebTransport({ baseUrl })),
  browserClient("connect-web, gRPC-Web, @zitadel/proto", "upstream", (baseUrl) => createGrpcWebTransport({ baseUrl })),
  browserClient("connect-web, Connect JSON", "superset", (baseUrl) => createConnectTransport({ baseUrl })),
  browserClient("connect-web, Connect binary", "superset", (baseUrl) =>
    createConnectTransport({ baseUrl, useBinaryFormat: true }),
  ),
];

function browserClient(
  name: string,
  protos: ClientKind["protos"],
  createTransport: (baseUrl: string) => Transport,
): ClientKind {
  return {
    name,
    protos,
    open(url) {
      const transport = createTransport(url);
      return {
        async call(rpc, request, token) {
          const [service] = splitRpc(rpc);
          const client = createClient(services[protos][service], transport);
          const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
          return await callConnect(client, findMethod(protos, rpc), request, headers);
        },
        close: () => undefined,
      };
    },
  };
}
