import { SessionError } from "../errors.ts";
import { sessionsOf } from "../sessions/access.ts";
import { endSessions } from "../sessions/change.ts";
import { hasIdIn, isLive, isNot } from "../sessions/filter.ts";
import type { Instant } from "../sessions/instant.ts";
import { listSessions } from "../sessions/store.ts";
import { assertAssured } from "./assurance.ts";
import { type Answer, baseOf, type Call, type Holder, holderOf } from "./call.ts";
import { toSessionJson, type View } from "./json.ts";
import { linkNumberedPages, readNumberedPage, toOffsetPage } from "./page.ts";
import { readId } from "./query.ts";

/**
 * The caller's other live sessions, newest first.
 *
 * Kratos leaves out the session in use; its clients show that one separately.
 */
export async function listMySessions(call: Call): Promise<Answer> {
  const { now, url, db } = call;
  const { session } = await assuredHolderOf(call);
  const page = readNumberedPage(url.searchParams);
  const { sessions, total } = await listSessions(db, sessionsOf(session.instanceId, session.userId), {
    conditions: [isLive(now), isNot(session.id)],
    page: toOffsetPage(page),
  });
  return {
    status: 200,
    header: { link: linkNumberedPages(url, page, total), "x-total-count": String(total) },
    json: sessions.map((row) => toSessionJson(row, wholeView(now))),
  };
}

/** The session in use, whatever the method: forwarding proxies ask with the one that they were asked with. */
export async function whoami(call: Call): Promise<Answer> {
  const { now, url } = call;
  const holder = await assuredHolderOf(call).catch((error) => {
    throw error instanceof SessionError && error.reason === "session_missing"
      ? new SessionError("credentials_missing", error.message, { cause: error })
      : error;
  });
  const template = url.searchParams.get("tokenize_as");
  if (template) {
    throw new SessionError("tokenizer_unknown", `Unable to find tokenizer template "${template.slice(0, 200)}".`);
  }
  return {
    status: 200,
    header: { "x-kratos-authenticated-identity-id": toHeaderValue(holder.session.userId) },
    json: toSessionJson(holder, { ...wholeView(now), schemaBase: baseOf(call.request, call.options) }),
  };
}

/** Ends the caller's other sessions. Counts those that were live, where Kratos counts ended and expired ones too. */
export async function endMyOtherSessions(call: Call): Promise<Answer> {
  const { session } = await provenHolderOf(call);
  const { live } = await endSessions(
    call.db,
    sessionsOf(session.instanceId, session.userId),
    [isNot(session.id)],
    revocation(call, session),
  );
  return { status: 200, json: { count: live } };
}

/** Ends one of the caller's other sessions. One that is not theirs, or over, or unknown is left as it is: nobody can tell. */
export async function endMySession(call: Call): Promise<Answer> {
  const { session } = await provenHolderOf(call);
  const id = readId(call.pathId);
  if (id === session.id) throw new SessionError("invalid_request", "cannot revoke current session");
  await endSessions(
    call.db,
    sessionsOf(session.instanceId, session.userId),
    [hasIdIn([id])],
    revocation(call, session),
  );
  return { status: 204, header: { "content-type": "application/json; charset=utf-8" } };
}

function wholeView(now: Instant): View {
  return { now, identity: true, devices: true, noDevices: null };
}

async function assuredHolderOf(call: Call): Promise<Holder> {
  const holder = await holderOf(call);
  assertAssured(holder, call.options.requiredAal);
  return holder;
}

// Kratos asks for no second factor here. But a session that only names a user, by no proof, must not sign them out.
async function provenHolderOf(call: Call): Promise<Holder> {
  const holder = await holderOf(call);
  assertAssured(holder, "aal1");
  return holder;
}

function revocation({ now }: Call, { userId }: Holder["session"]) {
  return { at: now, reason: "revoked_by_user", by: userId };
}

// Ids are any text, headers are not.
function toHeaderValue(id: string): string {
  return /^[\x21-\x7e]+$/.test(id) ? id : encodeURIComponent(id);
}
