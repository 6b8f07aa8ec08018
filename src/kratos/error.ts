import { STATUS_CODES } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { readingOf, SessionError, type StatusCode } from "../errors.ts";
import { type Answer, baseOf, type KratosOptions, recordOf } from "./call.ts";
import { isOutage } from "./outage.ts";

interface Status {
  status: number;
  /** What every error of the status says that has no message of its own. */
  message: string;
}

const statuses: Record<StatusCode, Status> = {
  invalid_argument: { status: 400, message: "The request was malformed or contained invalid parameters" },
  failed_precondition: { status: 400, message: "The request was malformed or contained invalid parameters" },
  unauthenticated: { status: 401, message: "The request could not be authorized" },
  permission_denied: { status: 403, message: "The requested action was forbidden" },
  not_found: { status: 404, message: "The requested resource could not be found" },
  unimplemented: { status: 405, message: "The requested resource does not know the method" },
  resource_exhausted: { status: 413, message: "The request was too large" },
  // What nginx calls it, and Kratos after it; nobody is left to read it.
  canceled: { status: 499, message: "The client closed the request" },
  internal: {
    status: 500,
    message: "An internal server error occurred, please contact the system administrator",
  },
  unavailable: { status: 503, message: "The service is not available at the moment, please try again later" },
  deadline_exceeded: { status: 504, message: "The request took too long" },
};

// Whoever sends longer ones wants to see what happens.
const requestIdPattern = /^[\x20-\x7e]{1,200}$/;

/**
 * The answer to a request that failed: Kratos's envelope. What it hides goes into the log.
 *
 * What is not for callers becomes a 500 that tells nothing, or a 503 if it is the database that cannot be reached:
 * a 401 for that would have clients sign their users out (https://github.com/ory/kratos/issues/3250).
 */
export function toErrorAnswer(
  error: unknown,
  request: UniversalServerRequest,
  options: Pick<KratosOptions, "publicUrl"> = {},
): Answer {
  const { signal } = request;
  if (signal.aborted) return toEnd(signal.reason, request);
  const told = toSessionError(error);
  const { code, kratos = { ownText: "reason" } } = readingOf(told.reason);
  log(request, code, error);
  const redirect =
    told.reason === "assurance_too_low"
      ? { redirect_browser_to: `${baseOf(request, options)}/self-service/login/browser?aal=aal2` }
      : undefined;
  return toAnswer(code, {
    id: kratos.id,
    request: redirect ? undefined : readRequestId(request),
    reason: kratos.ownText === "reason" ? told.message : kratos.reason,
    details: redirect,
    message: kratos.ownText === "message" ? told.message : kratos.message,
  });
}

function toSessionError(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  if (isOutage(error)) return new SessionError("store_unavailable", "The sessions cannot be reached.");
  if (error instanceof ConnectError && error.code === Code.ResourceExhausted) {
    return new SessionError("body_too_large", "The body is too large.");
  }
  return new SessionError("internal", "internal error");
}

/** The request was over before it was answered; whatever else broke, broke because of that. */
function toEnd(reason: unknown, request: UniversalServerRequest): Answer {
  const isLate = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  const code = isLate ? "deadline_exceeded" : "canceled";
  recordOf(request).code = code;
  return toAnswer(code, { request: readRequestId(request) });
}

function log(request: UniversalServerRequest, code: StatusCode, error: unknown): void {
  const record = recordOf(request);
  record.code = code;
  if (error instanceof SessionError) record.reason = error.message;
  if (code === "internal" || code === "unavailable") record.err = error;
}

interface Texts {
  id?: string | undefined;
  request?: string | undefined;
  reason?: string | undefined;
  details?: { redirect_browser_to: string } | undefined;
  message?: string | undefined;
}

function toAnswer(code: StatusCode, { id, request, reason, details, message }: Texts): Answer {
  const { status, message: defaultMessage } = statuses[code];
  const error = {
    id,
    code: status,
    status: STATUS_CODES[status] ?? "Client Closed Request",
    request,
    reason,
    details,
    message: message ?? defaultMessage,
  };
  return {
    status,
    header: { "content-type": "application/json", "ory-error-id": id ?? "" },
    json: { error, ...details },
  };
}

function readRequestId({ header }: UniversalServerRequest): string | undefined {
  const requestId = header.get("x-request-id") ?? "";
  return requestIdPattern.test(requestId) ? requestId : undefined;
}
