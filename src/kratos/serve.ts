import {
  createAsyncIterable,
  type UniversalHandlerFn,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { orAborted } from "../http/abort.ts";
import { type Answer, type Call, type KratosOptions, recordOf } from "./call.ts";
import { toErrorAnswer } from "./error.ts";
import { printJson } from "./json.ts";

/** What serves a request. */
export interface Serving {
  /** What the log calls it: `GET /sessions`; undefined where nothing is served. */
  name?: string;
  handle: (call: Call) => Promise<Answer>;
  /** What stands for `{id}` in the path, still percent-encoded. */
  pathId?: string;
  options: KratosOptions;
}

/** Serves a route: its failures become Kratos's errors; a request that is given up, or too late, ends at once. */
export function serve({ name, handle, pathId = "", options }: Serving): UniversalHandlerFn {
  return async (request) => {
    recordOf(request).rpc = name === undefined ? "kratos" : `kratos ${name}`;
    const { database, now } = options.directory;
    const { signal } = request;
    try {
      const call = { request, url: new URL(request.url), pathId, now: now(), db: database.during(signal), options };
      return toResponse(request, await orAborted(signal, handle(call)));
    } catch (error) {
      return toResponse(request, toErrorAnswer(error, request, options));
    }
  };
}

function toResponse(request: UniversalServerRequest, { status, header, json }: Answer): UniversalServerResponse {
  const headers = new Headers(header);
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (isRead) headers.set("cache-control", "private, no-cache, no-store, must-revalidate");
  if (!new URL(request.url).pathname.startsWith("/admin/")) headers.append("vary", "Cookie");
  if (json === undefined) return { status, header: headers };
  const body = Buffer.from(printJson(json));
  if (!headers.has("content-type")) headers.set("content-type", "application/json; charset=utf-8");
  headers.set("content-length", String(body.length));
  return { status, header: headers, ...(request.method === "HEAD" ? {} : { body: createAsyncIterable([body]) }) };
}
