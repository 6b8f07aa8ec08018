/** Numbers of the status codes that gRPC, Connect and REST share. @see https://grpc.io/docs/guides/status-codes/ */
export const statusCodes = {
  canceled: 1,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The name of a status code. */
export type StatusCode = keyof typeof statusCodes;

interface Reading {
  code: StatusCode;
  /** What Zitadel's clients know the error by; undefined where Zitadel gives plain text without one. */
  zitadel?: { key: string; id: string };
  /** What Kratos's clients know the error by; undefined where our own text stands as the reason. */
  kratos?: KratosReading;
}

interface KratosReading {
  /** What a client may act on; few errors have one. */
  id?: string;
  reason?: string;
  /** Stands for the one that all errors of this status have. */
  message?: string;
  /** Where our own text stands; undefined: nowhere. */
  ownText?: "reason" | "message";
}

/** Why a request failed, a line each, and how that reads in each dialect. */
export const reasons = {
  token_missing: { code: "unauthenticated" },
  token_invalid: { code: "unauthenticated", zitadel: { key: "Errors.Token.Invalid", id: "AUTH-7fs1e" } },
  issuer_unavailable: { code: "unavailable" },
  store_unavailable: { code: "unavailable" },
  session_missing: { code: "unauthenticated", kratos: { reason: "No valid session cookie found." } },
  // The same, where one asks who one is: Kratos has another text there.
  credentials_missing: {
    code: "unauthenticated",
    kratos: { reason: "No valid session credentials found in the request." },
  },
  assurance_too_low: {
    code: "permission_denied",
    kratos: {
      id: "session_aal2_required",
      reason:
        "An active session was found but it does not fulfill the requested Authenticator Assurance Level. Please verify yourself with a second factor to resolve this issue.",
      message: "Session does not fulfill the requested Authenticator Assurance Level",
    },
  },
  session_not_found: { code: "not_found", kratos: { message: "Unable to locate the resource" } },
  route_unknown: { code: "not_found", kratos: {} },
  method_unknown: { code: "unimplemented", kratos: {} },
  invalid_request: { code: "invalid_argument", kratos: { ownText: "message" } },
  expand_unknown: { code: "invalid_argument" },
  tokenizer_unknown: { code: "invalid_argument" },
  page_token_invalid: { code: "invalid_argument" },
  body_too_large: { code: "resource_exhausted" },
  creator_unknown: { code: "invalid_argument", zitadel: { key: "List.Query.Invalid", id: "GRPC-x8n24uh" } },
  agent_unknown: { code: "invalid_argument", zitadel: { key: "List.Query.Invalid", id: "GRPC-x8n23uh" } },
  limit_exceeded: { code: "invalid_argument", zitadel: { key: "Errors.Query.LimitExceeded", id: "QUERY-4M0fs" } },
  permission_denied: {
    code: "permission_denied",
    zitadel: { key: "No matching permissions found", id: "AUTH-AWfge" },
  },
  session_unknown: { code: "not_found", zitadel: { key: "Errors.Session.NotExisting", id: "QUERY-SFeaa" } },
  session_token_unknown: { code: "permission_denied", zitadel: { key: "Errors.PermissionDenied", id: "QUERY-dsfr3" } },
  session_token_invalid: {
    code: "permission_denied",
    zitadel: { key: "Errors.Session.Token.Invalid", id: "COMMAND-sGr42" },
  },
  session_terminated: {
    code: "failed_precondition",
    zitadel: { key: "Errors.Session.Terminated", id: "COMMAND-Hewfq" },
  },
  session_expired: { code: "failed_precondition", zitadel: { key: "Errors.Session.Expired", id: "COMMAND-Hkl3d" } },
  user_unknown: { code: "not_found" },
  user_ambiguous: { code: "failed_precondition" },
  user_not_active: { code: "failed_precondition", zitadel: { key: "Errors.User.NotActive", id: "SESSION-Gj4ko" } },
  // The same for each check: Zitadel has an id for each of the first three, and plain text for the others.
  password_needs_user: {
    code: "failed_precondition",
    zitadel: { key: "Errors.User.UserIDMissing", id: "COMMAND-Sfw3f" },
  },
  intent_needs_user: {
    code: "failed_precondition",
    zitadel: { key: "Errors.User.UserIDMissing", id: "COMMAND-Sfw3r" },
  },
  web_auth_n_needs_user: {
    code: "failed_precondition",
    zitadel: { key: "Errors.User.UserIDMissing", id: "COMMAND-eeR2e" },
  },
  check_needs_user: { code: "failed_precondition" },
  password_wrong: { code: "invalid_argument", zitadel: { key: "Errors.User.Password.Invalid", id: "COMMAND-3M0fs" } },
  check_wrong: { code: "invalid_argument" },
  user_locked: { code: "failed_precondition", zitadel: { key: "Errors.User.Locked", id: "COMMAND-JLK35" } },
  intent_not_succeeded: {
    code: "failed_precondition",
    zitadel: { key: "Errors.Intent.NotSucceeded", id: "COMMAND-Df4bw" },
  },
  intent_expired: { code: "failed_precondition", zitadel: { key: "Errors.Intent.Expired", id: "COMMAND-SAf42" } },
  check_not_possible: { code: "failed_precondition" },
  verifier_missing: { code: "unimplemented" },
  verifier_unavailable: { code: "unavailable" },
  internal: { code: "internal", zitadel: { key: "Errors.Internal", id: "QUERY-Sfg42" }, kratos: {} },
} as const satisfies Record<string, Reading>;

/** One of {@link reasons}. */
export type Reason = keyof typeof reasons;

/** A failure that the caller may know of. Anything else that is thrown reaches them as `internal`, and the log as it is. */
export class SessionError extends Error {
  override readonly name = "SessionError";
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A check that was made and failed, and how often checks of its kind did in a row; 0 if nobody counts. */
export class CheckError extends SessionError {
  readonly failedAttempts: number;

  constructor(reason: Extract<Reason, "password_wrong" | "check_wrong">, message: string, failedAttempts: number) {
    super(reason, message);
    this.failedAttempts = failedAttempts;
  }
}

/** How the reason reads in each dialect, with the optional parts spelled out. */
export function readingOf(reason: Reason): Reading {
  return reasons[reason];
}
