import { assertByteStreamRequest, readAllBytes } from "@connectrpc/connect/protocol";
import { SessionError } from "../errors.ts";
import { grantedTo } from "../sessions/access.ts";
import { endSessions, eraseSessions, extendSession } from "../sessions/change.ts";
import { hasIdIn, hasUser } from "../sessions/filter.ts";
import { type Instant, maxInstant } from "../sessions/instant.ts";
import type { SessionOfUser } from "../sessions/schema.ts";
import { findSession, listSessions, listSessionsAfter } from "../sessions/store.ts";
import { type Answer, baseOf, type Call, managerOf } from "./call.ts";
import { toSessionJson } from "./json.ts";
import { linkKeysetPages, linkNumberedPages, readKeysetPage, readNumberedPage, toOffsetPage } from "./page.ts";
import { readActive, readBulkOrder, readExpand, readId } from "./query.ts";

const maxBodyBytes = 1_048_576;
// Kratos's. One statement over more would lock rows for too long.
const maxBulkRows = 5_000;

/** Every session that the caller may read, newest first. */
export async function listAllSessions(call: Call): Promise<Answer> {
  const { now, url, db } = call;
  const caller = await managerOf(call);
  const conditions = readActive(url.searchParams, now);
  const expand = readExpand(url.searchParams);
  const page = readKeysetPage(url.searchParams);
  const { sessions, next } = await listSessionsAfter(db, grantedTo(caller, "session.read"), { conditions, ...page });
  const view = {
    now,
    identity: expand.has("identity"),
    schemaBase: baseOf(call.request, call.options),
    devices: expand.has("devices"),
    noDevices: null,
  };
  return {
    status: 200,
    header: { link: linkKeysetPages(url, page, next) },
    json: sessions.map((row) => toSessionJson(row, view)),
  };
}

/** One session, whether it is over or not. */
export async function getSession(call: Call): Promise<Answer> {
  const { now, url, db } = call;
  const caller = await managerOf(call);
  const id = readId(call.pathId);
  const expand = readExpand(url.searchParams);
  const row = assertFound(await findSession(db, grantedTo(caller, "session.read"), [hasIdIn([id])]));
  const view = {
    now,
    identity: expand.has("identity"),
    schemaBase: baseOf(call.request, call.options),
    devices: expand.has("devices"),
  };
  return { status: 200, json: toSessionJson(row, { ...view, noDevices: [] }) };
}

/** Ends one session; one that was ended before stays as it is. */
export async function endSession(call: Call): Promise<Answer> {
  const { now, db } = call;
  const caller = await managerOf(call);
  const id = readId(call.pathId);
  const scope = grantedTo(caller, "session.delete");
  const { ended } = await endSessions(db, scope, [hasIdIn([id])], revocation(now, caller.userId));
  if (ended === 0) assertFound(await findSession(db, scope, [hasIdIn([id])]));
  return { status: 204, header: { "content-type": "application/json; charset=utf-8" } };
}

/** Lets a session live for a lifespan from now, also one that is expired. */
export async function extendOneSession(call: Call): Promise<Answer> {
  const { now, db, options } = call;
  const caller = await managerOf(call);
  const id = readId(call.pathId);
  const end = now + BigInt(options.lifespanMs) * 1_000n;
  const expiresAt = end < maxInstant ? end : maxInstant;
  // Who may end a session may as well let it live: there are tokens for managing sessions without `session.write`.
  const scope = grantedTo(caller, "session.write", "session.delete");
  const row = assertFound(await extendSession(db, scope, id, { expiresAt, at: now }));
  return { status: 200, json: toSessionJson(row, { now, identity: false, devices: false, noDevices: [] }) };
}

/** The sessions of one user, newest first; none of a user that is not known. */
export async function listSessionsOfUser(call: Call): Promise<Answer> {
  const { now, url, db } = call;
  const caller = await managerOf(call);
  const conditions = [hasUser(readId(call.pathId)), ...readActive(url.searchParams, now)];
  const page = readNumberedPage(url.searchParams);
  const { sessions, total } = await listSessions(db, grantedTo(caller, "session.read"), {
    conditions,
    page: toOffsetPage(page),
  });
  return {
    status: 200,
    header: { link: linkNumberedPages(url, page, total), "x-total-count": String(total) },
    json: sessions.map((row) => toSessionJson(row, { now, identity: true, devices: true, noDevices: null })),
  };
}

/** Erases the sessions of one user, ended ones included. */
export async function eraseSessionsOfUser(call: Call): Promise<Answer> {
  const caller = await managerOf(call);
  const userId = readId(call.pathId);
  const erased = await eraseSessions(call.db, grantedTo(caller, "session.delete"), [hasUser(userId)]);
  if (erased === 0) throw new SessionError("session_not_found", "the user has no session");
  return { status: 204 };
}

/**
 * Ends or erases many sessions, at most 5000 in one call; `more` tells that another call may find some left.
 *
 * Kratos limits a call only for `*`; a user can have that many sessions as well.
 */
export async function manageSessions(call: Call): Promise<Answer> {
  const { now, db, request } = call;
  const caller = await managerOf(call);
  assertByteStreamRequest(request);
  const { action, conditions } = readBulkOrder(await readAllBytes(request.body, maxBodyBytes));
  const scope = grantedTo(caller, "session.delete");
  const processed =
    action === "delete"
      ? await eraseSessions(db, scope, conditions, maxBulkRows)
      : (await endSessions(db, scope, conditions, { ...revocation(now, caller.userId), limit: maxBulkRows })).ended;
  return { status: 200, json: { processed, more: processed === maxBulkRows } };
}

function assertFound(row: SessionOfUser | undefined): SessionOfUser {
  if (row === undefined) throw new SessionError("session_not_found", "there is no such session");
  return row;
}

function revocation(at: Instant, by: string) {
  return { at, reason: "revoked_by_admin", by };
}
