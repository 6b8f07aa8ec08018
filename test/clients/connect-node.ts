import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { ClientKind } from "./client.ts";
import { callConnect } from "./connect-call.ts";
import { findMethod, services, splitRpc } from "./services.ts";

type Ca = string | Buffer | undefined;

/** The protocols of browsers by Connect's client for Node, which, unlike fetch, can be told whom to trust over TLS. */
export const connectNodeClients: ClientKind[] = [
  nodeClient("connect-node, gRPC-Web", (baseUrl, ca) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ca } }),
  ),
  nodeClient("connect-node, Connect", (baseUrl, ca) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ca } }),
  ),
];

function nodeClient(name: string, createTransport: (baseUrl: string, ca: Ca) => Transport): ClientKind {
  return {
    name,
    protos: "superset",
    open(url, ca) {
      const transport = createTransport(url, ca);
      return {
        async call(rpc, request, token) {
          const [service] = splitRpc(rpc);
          const client = createClient(services.superset[service], transport);
          const headers = token === undefined ? undefined : { authorization: `Bearer ${token}` };
          return await callConnect(client, findMethod("superset", rpc), request, headers);
        },
        close: () => undefined,
      };
    },
  };
}
