import { cors } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";

const methods = ["GET", "POST", "PATCH", "DELETE"].join(", ");
const requestHeaders = [...cors.allowedHeaders, "Authorization", "Accept-Language", "X-Zitadel-Orgid"].join(", ");
const responseHeaders = cors.exposedHeaders.join(", ");
// Browsers cap it: Firefox at a day, Chromium at two hours.
const maxAgeSeconds = 7_200;

/**
 * Lets pages of the given origins read the answers of a handler, and answers their preflight requests; `*` means any
 * origin. Without origins, no page may.
 *
 * Callers are known by a header that a page must set itself, never by a cookie, so no credentials are allowed.
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
    if (isAllowed && !isPreflight) header.set("access-control-expose-headers", responseHeaders);
    if (isAllowed && isPreflight) {
      header.set("access-control-allow-methods", methods);
      header.set("access-control-allow-headers", requestHeaders);
      header.set("access-control-max-age", String(maxAgeSeconds));
    }
    return { ...response, header };
  };
}
