import { cors } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";

const methods = ["GET", "POST", "PATCH", "DELETE"].join(", ");
const requestHeaders = [
  ...cors.allowedHeaders,
  "Authorization",
  "Accept-Language",
  "X-Request-ID",
  "X-Session-Token",
  "X-Zitadel-Orgid",
].join(", ");
const responseHeaders = [
  ...cors.exposedHeaders,
  "Link",
  "Ory-Error-Id",
  "X-Kratos-Authenticated-Identity-Id",
  "X-Total-Count",
].join(", ");
// Browsers cap it: Firefox at a day, Chromium at two hours.
const maxAgeSeconds = 7_200;

/**
 * Lets pages of the given origins read the answers of a handler, and answers their preflight requests; `*` means any
 * origin. Without origins, no page may.
 *
 * Pages of the origins that are named may send the session cookie along; with `*` none may, or any page could act for
 * whoever visits it.
 */
export function withCors(origins: readonly string[], handler: UniversalHandlerFn): UniversalHandlerFn {
  if (origins.length === 0) return handler;
  return async (request) => {
    const origin = request.header.get("origin");
    const isAllowed = origin !== null && (origins.includes("*") || origins.includes(origin));
    const isPreflight = request.method === "OPTIONS" && request.header.has("access-control-request-method");
    const response = isPreflight ? { status: 204 } : await handler(request);
    const header = new Headers(response.header);
    header.append("vary", "origin");
    if (isAllowed) header.set("access-control-allow-origin", origin);
    if (isAllowed && origins.includes(origin)) header.set("access-control-allow-credentials", "true");
    if (isAllowed && !isPreflight) header.set("access-control-expose-headers", responseHeaders);
    if (isAllowed && isPreflight) {
      header.set("access-control-allow-methods", methods);
      header.set("access-control-allow-headers", requestHeaders);
      header.set("access-control-max-age", String(maxAgeSeconds));
    }
    return { ...response, header };
  };
}
