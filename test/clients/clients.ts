import type { ClientKind } from "./client.ts";
import { connectWebClients } from "./connect-web.ts";
import { grpcJs } from "./grpc-js.ts";
import { grpcWebText } from "./grpc-web-text.ts";
import { restByFetch } from "./rest.ts";
import { zitadelClient } from "./zitadel-client.ts";

/** The clients that are quick enough for every scenario: those that need no process of their own. */
export const clients: ClientKind[] = [zitadelClient, grpcJs, ...connectWebClients, grpcWebText, restByFetch];
