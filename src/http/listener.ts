import { Code, ConnectError, createContextKey, createContextValues } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Logger } from "pino";
import type { PortRequest, PortResponse, RequestHandler } from "./port.ts";
import { dropLongTimeouts } from "./timeout-headers.ts";

/** What the handlers of a request tell the log of it. */
export interface RequestRecord {
  /** The method, as `package.Service/Method`; of Kratos's dialect `kratos`, verb and path, without a protocol. */
  rpc?: string;
  /** `grpc`, `grpc-web`, `connect` or `rest`. */
  protocol?: string;
  userId?: string;
  /** How it failed, as the name of a status code; undefined if it did not. */
  code?: string;
  /** What the caller did wrong, as far as it is nobody else's business. */
  reason?: string;
  /** What went wrong on our side: for the log, never for the caller. */
  err?: unknown;
}

/** Where the handlers of a request find its record. */
export const requestRecord = createContextKey<RequestRecord>({});

/** How requests are served. */
export interface ListenerOptions {
  handler: UniversalHandlerFn;
  log: Logger;
  /** A request that is not answered by then ends with deadline_exceeded; in milliseconds. */
  deadlineMs: number;
}

/** Serves every request by `handler`, with a deadline, and writes one line of log for each. */
export function createListener({ handler, log, deadlineMs }: ListenerOptions): RequestHandler {
  return async (nodeRequest, nodeResponse) => {
    const record: RequestRecord = {};
    const startedMs = performance.now();
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new ConnectError("took too long", Code.DeadlineExceeded)),
      deadlineMs,
    );
    nodeResponse.once("close", () => {
      clearTimeout(timer);
      logRequest(log, nodeRequest, nodeResponse, record, performance.now() - startedMs);
    });
    const contextValues = createContextValues().set(requestRecord, record);
    const request = universalRequestFromNodeRequest(nodeRequest, nodeResponse, undefined, contextValues);
    dropLongTimeouts(request.header, deadlineMs);
    const signal = AbortSignal.any([request.signal, deadline.signal]);
    // Who stops reading in the middle refuses the request, but must still be able to answer it: the default would end
    // the connection. What comes after the answer is read and dropped, until the port's timeout for requests.
    const body = nodeRequest.iterator({ destroyOnReturn: false });
    nodeResponse.once("finish", () => nodeRequest.resume());
    try {
      const answer = await handler({ ...request, body, signal });
      // HTTP/2 has no way to send one after the headers of a HEAD.
      const shown = nodeRequest.method === "HEAD" ? { ...answer, body: undefined } : answer;
      await universalResponseToNodeResponse(shown, nodeResponse);
    } catch (error) {
      // Without a client nobody is left to be told.
      if (!nodeResponse.destroyed) throw error;
    }
  };
}

/** Writes the line of a request that is refused before any handler sees it. */
export function createRefusalLog(log: Logger): RequestHandler {
  return (request, response) => {
    response.once("close", () => logRequest(log, request, response, { code: "invalid_argument" }, 0));
  };
}

function logRequest(
  log: Logger,
  request: PortRequest,
  response: PortResponse,
  record: RequestRecord,
  durationMs: number,
): void {
  const fields = {
    method: request.method,
    // Without the query: a session token may stand there.
    path: request.url?.split("?", 1)[0],
    status: response.headersSent ? response.statusCode : undefined,
    durationMs: Math.round(durationMs * 1_000) / 1_000,
    ...record,
    // The client left before its answer was there.
    ...(response.writableEnded ? {} : { code: "canceled" }),
  };
  if (record.err === undefined) log.info(fields, "request");
  else log.error(fields, "request");
}
