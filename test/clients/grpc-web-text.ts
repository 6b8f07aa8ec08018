import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import type { ClientKind } from "./client.ts";
import { readTrailers } from "./failure.ts";
import { findMethod } from "./services.ts";

const trailerFlag = 0x80;

/**
 * gRPC-Web in base64, as the code of Google's generator speaks it unless told otherwise.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export const grpcWebText: ClientKind = {
  name: "fetch, gRPC-Web-text",
  protos: "superset",
  open: (url) => ({
    async call(rpc, request, token) {
      const method = findMethod("superset", rpc);
      const message = toBinary(method.input, fromJson(method.input, request));
      const response = await fetch(`${url}/${rpc}`, {
        method: "POST",
        headers: {
          "content-type": "application/grpc-web-text",
          accept: "application/grpc-web-text",
          "x-user-agent": "grpc-web-javascript/0.1",
          "x-grpc-web": "1",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: toFrame(message).toString("base64"),
      });
      const type = response.headers.get("content-type") ?? "";
      if (!type.startsWith("application/grpc-web-text")) throw new Error(`answered ${response.status} ${type}`);
      const { data, trailer } = readFrames(decodePieces(await response.text()));
      // A failure without a body may stand in the headers ("trailers-only").
      const failure = readFailure(trailer ?? response.headers);
      if (failure !== undefined) return { failure };
      if (data === undefined) throw new Error("answered neither a message nor a failure");
      // Safe: the JSON of a message that is not a well-known type is an object.
      return { answer: toJson(method.output, fromBinary(method.output, data)) as JsonObject };
    },
    close: () => undefined,
  }),
};

function toFrame(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** A server may encode each piece on its own, so that padding stands in the middle too. */
function decodePieces(text: string): Buffer {
  const pieces = text.match(/[^=]+={0,2}/g) ?? [];
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, "base64")));
}

function readFrames(bytes: Buffer): { data?: Buffer; trailer?: Headers } {
  const frames: { data?: Buffer; trailer?: Headers } = {};
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const payload = bytes.subarray(at + 5, end);
    if (bytes.readUInt8(at) === trailerFlag) frames.trailer = readTrailer(payload.toString());
    else frames.data = payload;
    at = end;
  }
  return frames;
}

function readTrailer(text: string): Headers {
  const lines = text.split("\r\n").filter((line) => line !== "");
  return new Headers(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]));
}

function readFailure(trailer: Headers) {
  const code = Number(trailer.get("grpc-status") ?? Number.NaN);
  if (Number.isNaN(code)) throw new Error("answered without a grpc-status");
  if (code === 0) return undefined;
  const details = trailer.get("grpc-status-details-bin");
  const message = decodeURIComponent(trailer.get("grpc-message") ?? "");
  return readTrailers(code, message, details === null ? undefined : Buffer.from(details, "base64"));
}
