import { ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "../../gen/zitadel/v1/message_pb.ts";
import { readingOf, SessionError, statusCodes } from "../errors.ts";

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
  if (zitadel === undefined) return new ConnectError(message, statusCodes[code], undefined, undefined, error);
  const detail = { desc: ErrorDetailSchema, value: { id: zitadel.id, message: zitadel.key } };
  return new ConnectError(`${zitadel.key} (${zitadel.id})`, statusCodes[code], undefined, [detail], error);
}
