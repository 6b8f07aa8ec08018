import {
  type DescService,
  fromBinary,
  fromJson,
  type JsonObject,
  type Message,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { ClientKind, Failure } from "./client.ts";
import { readTrailers } from "./failure.ts";
import { findMethod, services, splitRpc } from "./services.ts";

type UnaryMethod = (request: Message, metadata: grpc.Metadata, callback: grpc.requestCallback<Message>) => void;

/** gRPC's own client for Node. */
export const grpcJs: ClientKind = {
  name: "@grpc/grpc-js",
  protos: "superset",
  open(url, ca) {
    const credentials = ca ? grpc.credentials.createSsl(Buffer.from(ca)) : grpc.credentials.createInsecure();
    const channel = new grpc.Channel(new URL(url).host, credentials, {});
    return {
      async call(rpc, request, token) {
        const [service] = splitRpc(rpc);
        const method = findMethod("superset", rpc);
        const ServiceClient = grpc.makeGenericClientConstructor(define(services.superset[service]), service);
        const client = new ServiceClient(new URL(url).host, credentials, { channelOverride: channel });
        const metadata = new grpc.Metadata();
        if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
        // Safe: the definition says so, and none of the methods streams.
        const call = client[method.localName] as unknown as UnaryMethod;
        const answered = Promise.withResolvers<{ error: grpc.ServiceError | null; response?: Message }>();
        call.call(client, fromJson(method.input, request), metadata, (error, response) =>
          answered.resolve({ error, response }),
        );
        const { error, response } = await answered.promise;
        if (error) return { failure: toFailure(error) };
        if (response === undefined) throw new Error("answered neither a message nor a failure");
        // Safe: the JSON of a message that is not a well-known type is an object.
        return { answer: toJson(method.output, response) as JsonObject };
      },
      close: () => channel.close(),
    };
  },
};

function toFailure({ code, details, metadata }: grpc.ServiceError): Failure {
  const [statusDetails] = metadata.get("grpc-status-details-bin");
  return readTrailers(code, details, typeof statusDetails === "string" ? undefined : statusDetails);
}

function define(service: DescService): grpc.ServiceDefinition {
  const methods = service.methods.map(({ localName, name, input, output }) => [
    localName,
    {
      path: `/${service.typeName}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (message: Message) => Buffer.from(toBinary(input, message)),
      requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
      responseSerialize: (message: Message) => Buffer.from(toBinary(output, message)),
      responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
    },
  ]);
  return Object.fromEntries(methods);
}
