import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";

const textType = "application/grpc-web-text";
const binaryType = "application/grpc-web+proto";

/** Whether a content type is gRPC-Web's text form, the default of Google's generator, which the RPC library lacks. */
export function isGrpcWebText(contentType: string | null): boolean {
  return contentType?.split(/[+;]/, 1)[0]?.trim().toLowerCase() === textType;
}

/**
 * Serves the text form of gRPC-Web by a handler of the binary form: the same bytes, in base64.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md
 */
export function withGrpcWebText(handler: UniversalHandlerFn): UniversalHandlerFn {
  return async (request) => {
    const header = new Headers(request.header);
    header.set("content-type", binaryType);
    // Safe: bodies are byte streams on this server; nothing in front of the handlers parses them.
    const body = decode(request.body as AsyncIterable<Uint8Array>);
    const response = await handler({ ...request, header, body });
    if (!response.header?.get("content-type")?.startsWith("application/grpc-web")) return response;
    const textHeader = new Headers(response.header);
    textHeader.set("content-type", `${textType}+proto`);
    return { ...response, header: textHeader, body: response.body && encode(response.body) };
  };
}

/** A client may encode each piece on its own, so that padding stands in the middle too. */
async function* decode(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest = "";
  for await (const chunk of body) {
    const text = rest + Buffer.from(chunk).toString("latin1");
    const whole = text.length - (text.length % 4);
    rest = text.slice(whole);
    for (const piece of text.slice(0, whole).match(/[^=]*=*/g) ?? []) yield decodePiece(piece);
  }
  if (rest !== "") throw new ConnectError("body is not base64", Code.InvalidArgument);
}

function decodePiece(piece: string): Uint8Array {
  if (piece.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(piece)) {
    throw new ConnectError("body is not base64", Code.InvalidArgument);
  }
  return Buffer.from(piece, "base64");
}

/** One base64 text over all chunks: what would need padding is kept for the next chunk. */
async function* encode(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of body) {
    const bytes = Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % 3);
    rest = bytes.subarray(whole);
    yield Buffer.from(bytes.toString("base64", 0, whole));
  }
  yield Buffer.from(Buffer.from(rest).toString("base64"));
}
