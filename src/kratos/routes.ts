import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { SessionError } from "../errors.ts";
import {
  endSession,
  eraseSessionsOfUser,
  extendOneSession,
  getSession,
  listAllSessions,
  listSessionsOfUser,
  manageSessions,
} from "./admin-sessions.ts";
import type { Answer, Call, KratosOptions } from "./call.ts";
import { toErrorAnswer } from "./error.ts";
import { endMyOtherSessions, endMySession, listMySessions, whoami } from "./my-sessions.ts";
import { serve } from "./serve.ts";

export type { KratosOptions } from "./call.ts";

/** Finds the handler of a request by method and path; undefined if the path is none of Kratos's. */
export type KratosRouter = (method: string, path: string) => UniversalHandlerFn | undefined;

interface Route {
  /** `*` for every method; GET is for HEAD too. */
  method: string;
  /** `{id}` takes whatever stands in its place. A path before it in the list wins. */
  path: string;
  handle: (call: Call) => Promise<Answer>;
}

const routes: readonly Route[] = [
  { method: "GET", path: "/sessions", handle: listMySessions },
  { method: "DELETE", path: "/sessions", handle: endMyOtherSessions },
  { method: "*", path: "/sessions/whoami", handle: whoami },
  { method: "DELETE", path: "/sessions/{id}", handle: endMySession },
  { method: "GET", path: "/admin/sessions", handle: listAllSessions },
  { method: "POST", path: "/admin/sessions", handle: manageSessions },
  // Kratos's two ports send each other's requests back; here that is the same port, under another path.
  { method: "DELETE", path: "/admin/sessions", handle: redirectTo((path) => path.replace("/admin", "")) },
  { method: "GET", path: "/admin/sessions/whoami", handle: redirectTo((path) => path.replace("/admin", "")) },
  { method: "DELETE", path: "/identities/{id}/sessions", handle: redirectTo((path) => `/admin${path}`) },
  { method: "GET", path: "/admin/sessions/{id}", handle: getSession },
  { method: "DELETE", path: "/admin/sessions/{id}", handle: endSession },
  { method: "PATCH", path: "/admin/sessions/{id}/extend", handle: extendOneSession },
  { method: "GET", path: "/admin/identities/{id}/sessions", handle: listSessionsOfUser },
  { method: "DELETE", path: "/admin/identities/{id}/sessions", handle: eraseSessionsOfUser },
];

/**
 * Serves Kratos's session API: the routes of who is signed in, and those under `/admin` of who manages sessions.
 *
 * Whatever else lies under `/sessions` or `/admin/` is answered with Kratos's 404.
 */
export function createKratosRouter(options: KratosOptions): KratosRouter {
  return (method, path) => {
    const parts = path.split("/");
    const matching = routes.filter((route) => isMatch(route, parts));
    const route = matching.find((route) => methodsOf(route).includes(method) || route.method === "*");
    if (route !== undefined) {
      const pathId = parts[route.path.split("/").indexOf("{id}")];
      return serve({ name: `${method} ${route.path}`, handle: route.handle, pathId, options });
    }
    if (matching.length > 0) return serve({ handle: refuseMethod(matching), options });
    return path === "/sessions" || /^\/(?:sessions|admin)\//.test(path)
      ? serve({ handle: notFound, options })
      : undefined;
  };
}

function isMatch(route: Route, path: readonly string[]): boolean {
  const parts = route.path.split("/");
  return parts.length === path.length && parts.every((part, index) => part === "{id}" || part === path[index]);
}

function methodsOf({ method }: Route): string[] {
  return method === "GET" ? ["GET", "HEAD"] : [method];
}

function redirectTo(toPath: (path: string) => string): Route["handle"] {
  return async ({ url }) => ({ status: 307, header: { location: `${toPath(url.pathname)}${url.search}` } });
}

function refuseMethod(matching: readonly Route[]): Route["handle"] {
  return async ({ request }) => {
    const answer = toErrorAnswer(new SessionError("method_unknown", "the path does not know the method"), request);
    const allow = [...new Set(matching.flatMap(methodsOf))].sort().join(", ");
    return { ...answer, header: { ...answer.header, allow } };
  };
}

async function notFound(): Promise<Answer> {
  throw new SessionError("route_unknown", "nothing is served at the path");
}
