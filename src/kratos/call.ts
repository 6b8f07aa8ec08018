import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Authenticate } from "../auth/authenticate.ts";
import type { AuthenticateHolder } from "../auth/holder.ts";
import type { Directory } from "../directory.ts";
import { SessionError } from "../errors.ts";
import { type RequestRecord, requestRecord } from "../http/listener.ts";
import type { Caller } from "../sessions/access.ts";
import type { Instant } from "../sessions/instant.ts";
import type { Session, SessionOfUser } from "../sessions/schema.ts";
import type { Db } from "../sessions/store.ts";
import type { RequiredAal } from "./assurance.ts";

/** What Kratos's dialect is served with. */
export interface KratosOptions {
  directory: Directory;
  /** Who manages sessions: the bearer of a token. */
  authenticate: Authenticate;
  /** Who is signed in: the holder of a session. */
  authenticateHolder: AuthenticateHolder;
  /** Where browsers find the sign-in pages; undefined: where the request came to. */
  publicUrl?: string | undefined;
  /** How sure we must be of who holds a session before it tells anything. */
  requiredAal: RequiredAal;
  /** For how long an extended session lives from then on, in milliseconds. */
  lifespanMs: number;
}

/** One request, as its handler needs it. */
export interface Call {
  request: UniversalServerRequest;
  url: URL;
  /** What stands for `{id}` in the path, still percent-encoded; "" if the path has none. */
  pathId: string;
  now: Instant;
  /** Where its queries run; they end with the request. */
  db: Db;
  options: KratosOptions;
}

/** What the URLs in an answer begin with, without a slash at the end. */
export function baseOf({ url }: UniversalServerRequest, { publicUrl }: Pick<KratosOptions, "publicUrl">): string {
  return (publicUrl ?? new URL(url).origin).replace(/\/+$/, "");
}

/** What a handler answers; without `json` there is no body. */
export interface Answer {
  status: number;
  header?: Record<string, string>;
  json?: unknown;
}

/** A session in use, with its user. */
export interface Holder extends SessionOfUser {
  session: Session & { userId: string };
}

/** What the log will tell of the request. */
export function recordOf({ contextValues }: UniversalServerRequest): RequestRecord {
  return contextValues?.get(requestRecord) ?? {};
}

/**
 * The session that the caller uses.
 *
 * Throws SessionError `session_missing` if there is none, or if it has no checked user: whoever that is, we do not know.
 */
export async function holderOf({ request, options }: Call): Promise<Holder> {
  const { session, user } = await options.authenticateHolder(request.header, request.signal);
  const { userId } = session;
  if (userId === null) throw new SessionError("session_missing", "the session has no checked user");
  recordOf(request).userId = userId;
  return { session: { ...session, userId }, user };
}

/** Who manages sessions. Throws SessionError if they do not say who they are. */
export async function managerOf({ request, options }: Call): Promise<Caller> {
  const caller = await options.authenticate(request.header, request.signal);
  recordOf(request).userId = caller.userId;
  return caller;
}
