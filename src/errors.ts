/** Numbers of the status codes that gRPC, Connect and REST share. @see https://grpc.io/docs/guides/status-codes/ */
export const statusCodes = { invalid_argument: 3, internal: 13, unavailable: 14, unauthenticated: 16 } as const;

interface Reading {
  code: keyof typeof statusCodes;
  /** What Zitadel's clients know the error by; undefined where Zitadel gives plain text without one. */
  zitadel?: { key: string; id: string };
}

/** Why a request failed, a line each, and how that reads in each dialect. */
export const reasons = {
  token_missing: { code: "unauthenticated" },
  token_invalid: { code: "unauthenticated", zitadel: { key: "Errors.Token.Invalid", id: "AUTH-7fs1e" } },
  issuer_unavailable: { code: "unavailable" },
  invalid_request: { code: "invalid_argument" },
  creator_unknown: { code: "invalid_argument", zitadel: { key: "List.Query.Invalid", id: "GRPC-x8n24uh" } },
  agent_unknown: { code: "invalid_argument", zitadel: { key: "List.Query.Invalid", id: "GRPC-x8n23uh" } },
  limit_exceeded: { code: "invalid_argument", zitadel: { key: "Errors.Query.LimitExceeded", id: "QUERY-4M0fs" } },
  internal: { code: "internal", zitadel: { key: "Errors.Internal", id: "QUERY-Sfg42" } },
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

/** How the reason reads in each dialect, with the optional parts spelled out. */
export function readingOf(reason: Reason): Reading {
  return reasons[reason];
}
