import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { ErrorDetailSchema } from "@zitadel/proto/zitadel/message_pb.js";
import { projectFolder, run } from "./child.ts";
import type { ClientKind, Failure } from "./client.ts";

/** `buf curl`, which is a client in Go, with our protos. */
export function bufCurl(protocol: "grpc" | "grpcweb" | "connect"): ClientKind {
  return {
    name: `buf curl, ${protocol}`,
    protos: "superset",
    open: (url) => ({
      async call(rpc, request, token) {
        const { exitCode, stdout, stderr } = await run(join(projectFolder, "node_modules/.bin/buf"), [
          ...["curl", "--schema", ".", "--protocol", protocol, "--data", JSON.stringify(request)],
          ...(token === undefined ? [] : ["--header", `authorization: Bearer ${token}`]),
          `${url}/${rpc}`,
        ]);
        if (exitCode === 0) return { answer: JSON.parse(stdout) };
        const failure = readFailure(stderr);
        if (exitCode !== failure.code << 3) throw new Error(`buf curl ended with ${exitCode}: ${stderr}`);
        return { failure };
      },
      close: () => undefined,
    }),
  };
}

interface PrintedError {
  code: string;
  message: string;
  details?: { type: string; value: string }[];
}

function readFailure(stderr: string): Failure {
  // Safe: that is how it prints the error of a call; it exits with less than 8 if there was none.
  const { code, message, details = [] } = JSON.parse(stderr) as PrintedError;
  return {
    code: codeFromString(code) ?? Number.NaN,
    message,
    details: details.map(({ type, value }) => {
      if (type !== ErrorDetailSchema.typeName) throw new Error(`unexpected detail ${type}`);
      const { id, message } = fromBinary(ErrorDetailSchema, Buffer.from(value, "base64"));
      return { id, message };
    }),
  };
}
