import { create, createFileRegistry, createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { CredentialsCheckErrorSchema, ErrorDetailSchema } from "@zitadel/proto/zitadel/message_pb.js";
import type { Failure } from "./client.ts";

// The details that there are, with what their JSON leaves out.
const blankDetails: Record<string, Failure["details"][number]> = {
  [`type.googleapis.com/${ErrorDetailSchema.typeName}`]: { id: "", message: "" },
  [`type.googleapis.com/${CredentialsCheckErrorSchema.typeName}`]: { id: "", message: "", failedAttempts: 0 },
};

/** A `google.rpc.Status` in protobuf's JSON, which is also the body of a failed REST call. */
export interface Status {
  code: number;
  message: string;
  details?: ({ "@type": string } & Partial<Failure["details"][number]>)[];
}

// In no package that we have: https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto
const statusFile = create(FileDescriptorProtoSchema, {
  name: "google/rpc/status.proto",
  package: "google.rpc",
  syntax: "proto3",
  dependency: ["google/protobuf/any.proto"],
  messageType: [
    {
      name: "Status",
      field: [
        { name: "code", jsonName: "code", number: 1, type: Type.INT32, label: Label.OPTIONAL },
        { name: "message", jsonName: "message", number: 2, type: Type.STRING, label: Label.OPTIONAL },
        {
          name: "details",
          jsonName: "details",
          number: 3,
          type: Type.MESSAGE,
          label: Label.REPEATED,
          typeName: ".google.protobuf.Any",
        },
      ],
    },
  ],
});
const statusSchema = createFileRegistry(statusFile, () => file_google_protobuf_any.proto).getMessage(
  "google.rpc.Status",
);

/** The failure that Connect's clients throw. Throws anything else again. */
export function toFailure(error: unknown): Failure {
  if (!(error instanceof ConnectError)) throw error;
  const plain = error.findDetails(ErrorDetailSchema).map(({ id, message }) => ({ id, message }));
  const checks = error.findDetails(CredentialsCheckErrorSchema);
  const details = [...plain, ...checks.map(({ id, message, failedAttempts }) => ({ id, message, failedAttempts }))];
  return { code: error.code, message: error.rawMessage, details };
}

/** The failure that gRPC's trailers tell. Throws if the one with the details tells another. */
export function readTrailers(code: number, message: string, statusDetails: Uint8Array | undefined): Failure {
  if (statusDetails === undefined) return { code, message, details: [] };
  if (statusSchema === undefined) throw new Error("google.rpc.Status is not described");
  // Safe: it is the JSON of that message, with every detail unpacked.
  const status = toJson(statusSchema, fromBinary(statusSchema, statusDetails), {
    registry: createRegistry(ErrorDetailSchema, CredentialsCheckErrorSchema),
  }) as unknown as Status;
  const failure = readStatus(status);
  if (failure.code !== code || failure.message !== message) {
    throw new Error(`grpc-status-details-bin tells another failure: ${JSON.stringify(failure)}`);
  }
  return failure;
}

/** The failure that a status tells. Throws if a detail is not Zitadel's. */
export function readStatus({ code, message, details = [] }: Status): Failure {
  return {
    code,
    message,
    details: details.map(({ "@type": type, ...detail }) => {
      const blank = blankDetails[type];
      if (blank === undefined) throw new Error(`unexpected detail ${type}`);
      return { ...blank, ...detail };
    }),
  };
}
