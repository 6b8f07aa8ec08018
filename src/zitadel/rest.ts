import { getOption, type JsonObject } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  readAllBytes,
  type UniversalHandler,
  type UniversalHandlerFn,
  type UniversalServerRequest,
  type UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { http } from "../../gen/google/api/annotations_pb.ts";
import { requestRecord } from "../http/listener.ts";

/** Finds the handler of a REST request by verb and path; undefined if no method has that path. */
export type RestRouter = (verb: string, path: string) => UniversalHandlerFn | undefined;

interface Route {
  verb: string;
  /** The parts of the path: a text stands for itself, a field takes what stands in its place. */
  parts: readonly (string | { field: string })[];
  hasBody: boolean;
  /** What it answers with if nothing fails. */
  status: number;
  handler: UniversalHandler;
}

/**
 * Serves REST for every handler whose method has a `google.api.http` annotation, with bodies of at most `maxBytes`.
 *
 * REST speaks the same JSON as Connect, so a request is handed to the same handler as a Connect request; all that
 * differs is where its fields stand (path, query, body) and how an error looks.
 *
 * @see https://github.com/grpc-ecosystem/grpc-gateway, whose rules Zitadel's REST follows
 */
export function createRestRouter(handlers: readonly UniversalHandler[], maxBytes: number): RestRouter {
  const routes = handlers.flatMap(readRoute);
  return (verb, path) => {
    const parts = path.split("/");
    const matching = routes.filter((route) => isMatch(route, parts));
    const route = matching.find((route) => route.verb === verb);
    if (route !== undefined) return (request) => serve(route, parts, request, maxBytes);
    return matching.length > 0 ? async () => toErrorResponse(405, Code.Unimplemented, "Method Not Allowed") : undefined;
  };
}

/** The answer to a path that nobody serves. */
export const notFound: UniversalHandlerFn = async () => toErrorResponse(404, Code.NotFound, "Not Found");

function readRoute(handler: UniversalHandler): Route[] {
  const { pattern, body } = getOption(handler.method, http);
  if (pattern.case === undefined || pattern.case === "custom") return [];
  const parts = pattern.value.split("/").map((part) => (part.startsWith("{") ? { field: part.slice(1, -1) } : part));
  // Upstream says so by an annotation of its own, on just these methods.
  const status = handler.method.name.startsWith("Create") ? 201 : 200;
  return [{ verb: pattern.case.toUpperCase(), parts, hasBody: body === "*", status, handler }];
}

function isMatch({ parts }: Route, path: readonly string[]): boolean {
  return (
    parts.length === path.length &&
    parts.every((part, i) => (typeof part === "string" ? part === path[i] : path[i] !== ""))
  );
}

async function serve(
  route: Route,
  path: readonly string[],
  request: UniversalServerRequest,
  maxBytes: number,
): Promise<UniversalServerResponse> {
  if (!/^(?:identity)?$/i.test(request.header.get("content-encoding") ?? "")) {
    return toErrorResponse(415, Code.InvalidArgument, "a compressed body is not understood");
  }
  const response = await route.handler({
    ...request,
    method: "POST",
    header: toConnectHeader(request.header),
    // Read only once the caller is known: the handler authenticates before it asks for the body.
    body: readConnectBody(route, path, request, maxBytes),
  });
  const record = request.contextValues?.get(requestRecord);
  if (record !== undefined) record.protocol = "rest";
  return response.status === 200 ? { ...response, status: route.status } : await toRestError(response);
}

function toConnectHeader(header: Headers): Headers {
  const connectHeader = new Headers({ "content-type": "application/json" });
  const authorization = header.get("authorization");
  if (authorization !== null) connectHeader.set("authorization", authorization);
  const { timeoutMs } = parseTimeout(header.get("grpc-timeout"), Number.POSITIVE_INFINITY);
  if (timeoutMs !== undefined) connectHeader.set("connect-timeout-ms", String(Math.floor(timeoutMs)));
  return connectHeader;
}

async function* readConnectBody(
  { parts, hasBody, handler }: Route,
  path: readonly string[],
  request: UniversalServerRequest,
  maxBytes: number,
): AsyncIterable<Uint8Array> {
  // Safe: bodies are byte streams on this server; nothing in front of the handlers parses them.
  const bytes = await readAllBytes(request.body as AsyncIterable<Uint8Array>, hasBody ? maxBytes : 0);
  const inPath = parts.flatMap((part, i) => (typeof part === "string" ? [] : [[part.field, decodePart(path[i])]]));
  if (hasBody && inPath.length === 0) return yield bytes.length > 0 ? bytes : Buffer.from("{}");
  const message = hasBody ? readObject(bytes) : Object.fromEntries(new URL(request.url).searchParams);
  // The path wins: a client that names the session there must not end another one by its body.
  for (const { name, jsonName } of handler.method.input.fields) {
    if (inPath.some(([field]) => field === name)) delete message[jsonName];
  }
  yield Buffer.from(JSON.stringify({ ...message, ...Object.fromEntries(inPath) }));
}

function readObject(bytes: Uint8Array): JsonObject {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString() || "{}");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below, without the parser's view of our code.
  }
  throw new ConnectError("body must be a JSON object", Code.InvalidArgument);
}

function decodePart(part = ""): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ConnectError("path is not well-formed", Code.InvalidArgument);
  }
}

async function toRestError({ status, body }: UniversalServerResponse): Promise<UniversalServerResponse> {
  const bytes = await readAllBytes(body ?? createAsyncIterable([]), Number.MAX_SAFE_INTEGER);
  // Safe: this is the library's own spelling of a Connect error.
  const { code, message, details } = JSON.parse(Buffer.from(bytes).toString()) as ConnectErrorJson;
  return toErrorResponse(status, codeFromString(code) ?? Code.Unknown, message ?? "", details);
}

interface ConnectErrorJson {
  code: string;
  message?: string;
  details?: { type: string; debug?: JsonObject }[];
}

function toErrorResponse(
  status: number,
  code: Code,
  message: string,
  details: ConnectErrorJson["details"] = [],
): UniversalServerResponse {
  const anys = details.map(({ type, debug }) => ({ "@type": `type.googleapis.com/${type}`, ...debug }));
  const body = Buffer.from(JSON.stringify({ code, message, details: anys.length > 0 ? anys : undefined }));
  const header = new Headers({ "content-type": "application/json", "content-length": String(body.length) });
  return { status, header, body: createAsyncIterable([body]) };
}
