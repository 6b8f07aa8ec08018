import { and, eq, inArray, or, type SQL, sql } from "drizzle-orm";
import { SessionError } from "../errors.ts";
import { sessions } from "./schema.ts";

/** What a caller may be allowed to do with sessions that are not their own. */
export type Permission = "session.read" | "session.write" | "session.delete";

/** One permission, on the users of one organization, or on the whole instance if `organizationId` is undefined. */
export interface Grant {
  permission: Permission;
  organizationId: string | undefined;
}

/** Who asks, as authentication found out. */
export interface Caller {
  instanceId: string;
  userId: string;
  /** The fingerprint of the user agent that the caller sits at; undefined if the token names none. */
  agentId: string | undefined;
  grants: readonly Grant[];
}

declare const scopeBrand: unique symbol;

/**
 * The rows of `sessions` that one caller may touch, as a condition.
 *
 * Only this file makes one and every function of the store demands one, so that a query without authorisation
 * does not compile. It always names the instance.
 */
export type Scope = SQL & { readonly instanceId: string; readonly [scopeBrand]: true };

/**
 * The sessions that the caller may read: those they created, those of their user or of their user agent, those of
 * the organizations and of the instance on which they hold `session.read`.
 */
export function readableBy(caller: Caller): Scope {
  const granted = grantedRows(caller, ["session.read"]);
  if (granted === "all") return scope(caller.instanceId);
  return scope(
    caller.instanceId,
    or(
      eq(sessions.creatorId, caller.userId),
      eq(sessions.userId, caller.userId),
      caller.agentId === undefined ? undefined : eq(sessions.agentFingerprintId, caller.agentId),
      granted,
    ),
  );
}

/**
 * The sessions on which the caller holds one of these permissions: those of the instance, or of some organizations, or
 * none.
 *
 * Unlike {@link readableBy} their own sessions are not among them: this is for those who manage the sessions of others.
 */
export function grantedTo(caller: Caller, ...permissions: Permission[]): Scope {
  const granted = grantedRows(caller, permissions);
  return scope(caller.instanceId, granted === "all" ? undefined : granted);
}

/**
 * The sessions that the caller may end: those of their user, and those on which they hold `session.delete`.
 *
 * Not those that they created, and not those of their user agent: they are somebody else's.
 */
export function endableBy(caller: Caller): Scope {
  const granted = grantedRows(caller, ["session.delete"]);
  return scope(caller.instanceId, granted === "all" ? undefined : or(eq(sessions.userId, caller.userId), granted));
}

/** Whether the caller holds a permission on the whole instance, and so on sessions that are nobody's or unknown. */
export function holdsOnInstance({ grants }: Caller, permission: Permission): boolean {
  return grants.some((grant) => grant.permission === permission && grant.organizationId === undefined);
}

/**
 * The instance in which the caller may open sessions.
 *
 * Throws SessionError `permission_denied` if they do not hold `session.write` on all of it: a new session has no
 * user, and so no organization, on which they could hold less.
 */
export function openableBy(caller: Caller): Scope {
  if (!holdsOnInstance(caller, "session.write")) {
    throw new SessionError("permission_denied", "opening a session takes session.write on the instance");
  }
  return scope(caller.instanceId);
}

/**
 * The sessions of the caller's user agent, of whichever user; none if the caller has no agent.
 *
 * A session without a fingerprint is in nobody's agent: two tokens that name no agent have nothing in common.
 */
export function inAgentOf(caller: Caller): Scope {
  return scope(
    caller.instanceId,
    caller.agentId === undefined ? sql`false` : eq(sessions.agentFingerprintId, caller.agentId),
  );
}

/** The sessions of one user: what the issuer of that user's token may speak of. */
export function sessionsOf(instanceId: string, userId: string): Scope {
  return scope(instanceId, eq(sessions.userId, userId));
}

/** The session that a token opens: whoever holds the token may use it. */
export function openedBy(instanceId: string, tokenHash: Buffer): Scope {
  return scope(instanceId, eq(sessions.tokenHash, tokenHash));
}

/** Every session of an instance: for whoever runs Rollcall, never for a caller. */
export function everySessionOf(instanceId: string): Scope {
  return scope(instanceId);
}

function grantedRows(caller: Caller, permissions: readonly Permission[]): SQL | "all" {
  const grants = caller.grants.filter(({ permission }) => permissions.includes(permission));
  if (grants.some(({ organizationId }) => organizationId === undefined)) return "all";
  const organizationIds = grants.flatMap(({ organizationId }) => organizationId ?? []);
  return inArray(sessions.organizationId, organizationIds);
}

function scope(instanceId: string, rows?: SQL): Scope {
  // Safe: this is the one place where a condition becomes a Scope, and it names the instance.
  return Object.assign(sql`${and(eq(sessions.instanceId, instanceId), rows)}`, { instanceId }) as Scope;
}
