import type { UniversalHandlerFn } from "@connectrpc/connect/protocol";

const name = "grpc-message";

/**
 * Spells the `grpc-message` of a handler's gRPC responses as the protocol asks: only `%` and what is not printable ASCII
 * is encoded.
 *
 * The RPC library encodes `:`, `,` and `/` too, which `@grpc/grpc-js` then shows to people as `%3A`, `%2C` and `%2F`.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Percent-Encoded"
 */
export function withGrpcMessage(handler: UniversalHandlerFn): UniversalHandlerFn {
  return async (request) => {
    const response = await handler(request);
    const { body, trailer } = response;
    if (body === undefined || trailer === undefined) return response;
    return { ...response, body: spellAfter(body, trailer) };
  };
}

/** The trailer is known only when the body has come to its end. */
async function* spellAfter(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncIterable<Uint8Array> {
  yield* body;
  const message = trailer.get(name);
  if (message !== null) trailer.set(name, decodeURIComponent(message).replace(/[^ -$&-~]+/gu, encodeURIComponent));
}
