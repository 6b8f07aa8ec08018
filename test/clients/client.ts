import type { JsonObject } from "@bufbuild/protobuf";

/** The services that a client may call, by their names on the wire. */
export type ServiceName =
  | "zitadel.session.v2.SessionService"
  | "zitadel.session.v2beta.SessionService"
  | "zitadel.auth.v1.AuthService";

/** A method by its name on the wire. */
export type Rpc = `${ServiceName}/${string}`;

/** Why a call failed, however the client spells that; `code` is gRPC's number. */
export interface Failure {
  code: number;
  message: string;
  /** Of every `zitadel.v1.ErrorDetail` that came along, and of every `CredentialsCheckError`, which alone counts. */
  details: { id: string; message: string; failedAttempts?: number }[];
}

/** What became of a call; the answer is in protobuf's JSON. */
export type Outcome = { answer: JsonObject } | { failure: Failure };

/** A client that is connected to one server. It throws only if the server breaks the client's protocol. */
export interface Client {
  /** Sends a request, in protobuf's JSON, with a bearer token if there is one. */
  call(rpc: Rpc, request: JsonObject, token?: string): Promise<Outcome>;
  close(): void;
}

/** A client program or library, in one of its protocols. */
export interface ClientKind {
  name: string;
  /** Which protos it was generated from: our own, or those of `@zitadel/proto` 1.3.1, which lack the newest fields. */
  protos: "superset" | "upstream";
  /** Connects to a server; over TLS it trusts `ca`. */
  open(url: string, ca?: string | Buffer): Client;
}
