import type { JsonObject } from "@bufbuild/protobuf";
import type { ClientKind, Outcome, Rpc } from "./client.ts";
import { readStatus, type Status } from "./failure.ts";
import { splitRpc } from "./services.ts";

const prefixes = {
  "zitadel.session.v2.SessionService": "/v2",
  "zitadel.session.v2beta.SessionService": "/v2beta",
  "zitadel.auth.v1.AuthService": "/auth/v1",
};

// Written down, not read from the protos: the paths that Zitadel documents.
const routes: Record<string, [verb: string, path: string]> = {
  ListSessions: ["POST", "/sessions/search"],
  GetSession: ["GET", "/sessions/{sessionId}"],
  CreateSession: ["POST", "/sessions"],
  SetSession: ["PATCH", "/sessions/{sessionId}"],
  DeleteSession: ["DELETE", "/sessions/{sessionId}"],
  ListMyUserSessions: ["POST", "/users/me/sessions/_search"],
};

const httpStatus: Record<number, number> = { 3: 400, 5: 404, 7: 403, 9: 400, 12: 501, 14: 503, 16: 401 };

/** REST by fetch. */
export const restByFetch: ClientKind = {
  name: "fetch, REST",
  protos: "superset",
  open: (url) => ({
    async call(rpc, request, token) {
      const { verb, path, body } = toRest(rpc, request);
      const response = await fetch(`${url}${path}`, {
        method: verb,
        body,
        headers: {
          "content-type": "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
      });
      return readRest(rpc, response.status, await response.text());
    },
    close: () => undefined,
  }),
};

/** Where a request goes in REST, and what its body is. */
export function toRest(rpc: Rpc, { sessionId, ...rest }: JsonObject): { verb: string; path: string; body?: string } {
  const [service, method] = splitRpc(rpc);
  const route = routes[method];
  if (route === undefined) throw new Error(`REST has no ${rpc}`);
  const [verb, template] = route;
  const path = prefixes[service] + template.replace("{sessionId}", encodeURIComponent(String(sessionId)));
  if (verb !== "GET") return { verb, path, body: JSON.stringify(rest) };
  const query = new URLSearchParams(
    Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return { verb, path: query.size === 0 ? path : `${path}?${query}` };
}

/** Reads an answer of REST. Throws if its HTTP status does not go with its code. */
export function readRest(rpc: Rpc, status: number, body: string): Outcome {
  const json = JSON.parse(body);
  const [, method] = splitRpc(rpc);
  if (status === (method === "CreateSession" ? 201 : 200)) return { answer: json };
  // Safe: every failure has this body.
  const failure = readStatus(json as Status);
  if (httpStatus[failure.code] !== status) throw new Error(`HTTP status ${status} does not go with ${body}`);
  return { failure };
}
