import { type DescMethodUnary, fromJson, type JsonObject, type Message, toJson } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import type { Outcome } from "./client.ts";
import { toFailure } from "./failure.ts";

type UnaryMethods = Record<string, (request: Message, options: CallOptions) => Promise<Message>>;

/** Calls a method of a client that Connect's `createClient` made. */
export async function callConnect(
  client: object,
  method: DescMethodUnary,
  request: JsonObject,
  headers: Record<string, string> = {},
): Promise<Outcome> {
  // Safe: the method belongs to the client's service, and none of those streams.
  const call = (client as UnaryMethods)[method.localName];
  if (call === undefined) throw new Error(`the client has no ${method.localName}`);
  try {
    const response = await call(fromJson(method.input, request), { headers });
    // Safe: the JSON of a message that is not a well-known type is an object.
    return { answer: toJson(method.output, response) as JsonObject };
  } catch (error) {
    return { failure: toFailure(error) };
  }
}
