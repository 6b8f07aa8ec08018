import { ConnectError } from "@connectrpc/connect";
import { CredentialsCheckErrorSchema, ErrorDetailSchema } from "../../gen/zitadel/v1/message_pb.ts";
import { CheckError, readingOf, SessionError, statusCodes } from "../errors.ts";

/**
 * The error as Zitadel's clients know it: `key (id)` with the same in an ErrorDetail, or our own text without a detail
 * where Zitadel gives no id.
 *
 * A ConnectError stays as it is; anything else that is not for callers becomes an internal error that tells nothing.
 */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  const { reason, message } = error instanceof SessionError ? error : new SessionError("internal", "internal error");
  const { code, zitadel } = readingOf(reason);
  if (error instanceof CheckError) return toCheckError(error);
  if (zitadel === undefined) return new ConnectError(message, statusCodes[code], undefined, undefined, error);
  const detail = { desc: ErrorDetailSchema, value: { id: zitadel.id, message: zitadel.key } };
  return new ConnectError(`${zitadel.key} (${zitadel.id})`, statusCodes[code], undefined, [detail], error);
}

// Zitadel tells how often it failed, in a detail that only these errors have.
function toCheckError(error: CheckError): ConnectError {
  const { code, zitadel } = readingOf(error.reason);
  const { key, id } = zitadel ?? { key: error.message, id: "" };
  const value = { id, message: key, failedAttempts: error.failedAttempts };
  const detail = { desc: CredentialsCheckErrorSchema, value };
  return new ConnectError(id ? `${key} (${id})` : key, statusCodes[code], undefined, [detail], error);
}
