import { randomUUIDv7 } from "node:crypto";
import type { HandlerContext } from "@connectrpc/connect";
import type * as v2 from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type * as v2beta from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { callerOf } from "../auth/caller.ts";
import { createSessionToken, hashToken } from "../auth/token.ts";
import type { Directory } from "../directory.ts";
import { SessionError } from "../errors.ts";
import {
  type Caller,
  endableBy,
  grantedTo,
  holdsOnInstance,
  openableBy,
  openedBy,
  readableBy,
} from "../sessions/access.ts";
import { changeSession, openSession } from "../sessions/change.ts";
import { hasIdIn, isNotEnded } from "../sessions/filter.ts";
import type { Instant } from "../sessions/instant.ts";
import { type SessionChange, toChanged, toChanges, type UnstoredSession } from "../sessions/lifecycle.ts";
import { bareSession, isDisabled, type Session } from "../sessions/schema.ts";
import { type Db, findSession } from "../sessions/store.ts";
import { findUser } from "../sessions/users.ts";
import type { Verifier } from "../verifier.ts";
import { readAgent, readChange } from "./change.ts";
import { toCreateSessionResponse, toDeleteSessionResponse, toSetSessionResponse } from "./message.ts";
import { prove } from "./proof.ts";
import { readText } from "./text-rules.ts";

/** What sessions are written with. */
export interface SessionWritesOptions extends Directory {
  /** Who makes the checks beyond the user; without one they are not to be had. */
  verifier?: Verifier | undefined;
}

type Proven = Pick<SessionChange, "proof" | "isChallenged">;

const unproven: Proven = { proof: undefined, isChallenged: false };

/** The methods of SessionService that open, change and end sessions. */
export function createSessionWrites({ database, now, verifier }: SessionWritesOptions) {
  return {
    async createSession(request: v2.CreateSessionRequest | v2beta.CreateSessionRequest, context: HandlerContext) {
      const caller = callerOf(context);
      const { user: search, ...wanted } = readChange(request);
      const agent = readAgent(request.userAgent);
      const scope = openableBy(caller);
      const db = database.during(context.signal);
      const user = search && (await findUser(db, scope, search, null));
      const id = randomUUIDv7();
      const bare = { ...bareSession, ...agent, instanceId: caller.instanceId, id, creatorId: caller.userId };
      const open = (at: Instant, proven: Proven): UnstoredSession => {
        const session = { ...bare, createdAt: at, changedAt: at };
        return { ...session, ...toChanges(session, { ...wanted, user, ...proven }, at) };
      };
      // Once before, so that the verifier is not asked in vain: it may send messages, and a code counts once.
      open(now(), unproven);
      const subject = { instanceId: caller.instanceId, sessionId: id, userId: user?.id };
      const { proof, challenges } = await prove(verifier, subject, wanted, context.signal);
      const session = open(now(), { proof, isChallenged: challenges !== undefined });
      const token = createSessionToken();
      const opened = await openSession(db, scope, { ...session, tokenHash: hashToken(token) });
      return toCreateSessionResponse(opened, token, challenges);
    },

    async setSession(request: v2.SetSessionRequest | v2beta.SetSessionRequest, context: HandlerContext) {
      const caller = callerOf(context);
      const id = readText(request.sessionId, "sessionId");
      const { user: search, ...wanted } = readChange(request);
      const scope = grantedTo(caller, "session.write");
      const db = database.during(context.signal);
      const found = (await findSession(db, scope, [hasIdIn([id])])) ?? (await refuse(db, caller, id));
      const user = search && (await findUser(db, scope, search, found.session.userId));
      // Once before the row is locked, so that the verifier is not asked in vain.
      toChanges(found.session, { ...wanted, user, ...unproven }, now());
      const isProving = wanted.checks.length > 0 || wanted.challenges.length > 0;
      if (isProving && isDisabled(found.user)) throw new SessionError("user_not_active", "the user is not active");
      const userId = user?.id ?? found.session.userId ?? undefined;
      const subject = { instanceId: caller.instanceId, sessionId: id, userId };
      const { proof, challenges } = await prove(verifier, subject, wanted, context.signal);
      const token = createSessionToken();
      const change = { ...wanted, user, proof, isChallenged: challenges !== undefined };
      const { before, after } =
        (await changeSession(db, scope, id, {
          userId: user?.id ?? proof?.userId,
          decide(session) {
            const changes = toChanges(session, change, now());
            return changes && { ...changes, tokenHash: hashToken(token) };
          },
        })) ?? (await refuse(db, caller, id));
      return toSetSessionResponse(after, before === after ? undefined : token, challenges);
    },

    async deleteSession(request: v2.DeleteSessionRequest | v2beta.DeleteSessionRequest, context: HandlerContext) {
      const caller = callerOf(context);
      const id = readText(request.sessionId, "sessionId");
      const { sessionToken: token } = request;
      const scope = token ? openedBy(caller.instanceId, hashToken(token)) : endableBy(caller);
      const ended = await changeSession(database.during(context.signal), scope, id, {
        decide: (session) =>
          session.endedAt === null ? toEnded(session, caller, { isByToken: !!token, at: now() }) : undefined,
      });
      if (ended !== undefined) return toDeleteSessionResponse(ended.after);
      if (token) throw new SessionError("session_token_invalid", "sessionToken is not the session's");
      // Who may end every session may know that there is none of this id; to others it is one that they may not end.
      if (holdsOnInstance(caller, "session.delete")) return { details: { resourceOwner: caller.instanceId } };
      throw new SessionError("permission_denied", "ending the session takes session.delete");
    },
  };
}

async function refuse(db: Db, caller: Caller, id: string): Promise<never> {
  const visible = await findSession(db, readableBy(caller), [hasIdIn([id]), isNotEnded()]);
  if (visible === undefined) throw new SessionError("session_unknown", "there is no such session");
  throw new SessionError("permission_denied", "changing the session takes session.write");
}

function toEnded(
  session: Session,
  { userId }: Caller,
  { isByToken, at }: { isByToken: boolean; at: Instant },
): Partial<Session> {
  const byAnother = isByToken ? "revoked_by_token" : "revoked_by_admin";
  const endReason = session.userId === userId ? "revoked_by_user" : byAnother;
  const { changedAt } = toChanged(session, at);
  return { changedAt, endedAt: changedAt, endReason, endedBy: userId };
}
