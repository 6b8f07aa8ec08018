import type { HandlerContext } from "@connectrpc/connect";
import type * as v2 from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type * as v2beta from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { callerOf } from "../auth/caller.ts";
import { hashToken } from "../auth/token.ts";
import { SessionError } from "../errors.ts";
import { openedBy, readableBy } from "../sessions/access.ts";
import { hasIdIn, isNotEnded } from "../sessions/filter.ts";
import { isDisabled } from "../sessions/schema.ts";
import { findSession, listSessions } from "../sessions/store.ts";
import { toGetSessionResponse, toListSessionsResponse } from "./message.ts";
import { toSessionQuery } from "./query.ts";
import { createSessionWrites, type SessionWritesOptions } from "./session-writes.ts";
import { readText } from "./text-rules.ts";

/** The methods of `zitadel.session.v2.SessionService`, and those of v2beta: its messages are the same but for what it lacks. */
export function createSessionService(options: SessionWritesOptions) {
  const { database, now } = options;
  return {
    ...createSessionWrites(options),

    async listSessions(request: v2.ListSessionsRequest | v2beta.ListSessionsRequest, context: HandlerContext) {
      const caller = callerOf(context);
      const query = toSessionQuery(request, caller);
      const page = await listSessions(database.during(context.signal), readableBy(caller), query);
      return toListSessionsResponse(page, now());
    },

    async getSession(request: v2.GetSessionRequest | v2beta.GetSessionRequest, context: HandlerContext) {
      const caller = callerOf(context);
      const id = readText(request.sessionId, "sessionId");
      const token = request.sessionToken === undefined ? undefined : readText(request.sessionToken, "sessionToken");
      const scope = token === undefined ? readableBy(caller) : openedBy(caller.instanceId, hashToken(token));
      const found = await findSession(database.during(context.signal), scope, [hasIdIn([id]), isNotEnded()]);
      // The token of a disabled user opens nothing any more.
      if (found && (token === undefined || !isDisabled(found.user))) return toGetSessionResponse(found);
      // Whether such a session exists is nobody's business who may not see it.
      if (token === undefined) throw new SessionError("session_unknown", "there is no such session");
      throw new SessionError("session_token_unknown", "sessionToken is not the session's");
    },
  };
}
