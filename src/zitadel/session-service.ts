import type { HandlerContext } from "@connectrpc/connect";
import type { ListSessionsRequest } from "../../gen/zitadel/session/v2/session_service_pb.ts";
import type { ListSessionsRequest as ListSessionsRequestBeta } from "../../gen/zitadel/session/v2beta/session_service_pb.ts";
import { callerOf } from "../auth/caller.ts";
import type { Directory } from "../directory.ts";
import { readableBy } from "../sessions/access.ts";
import { listSessions } from "../sessions/store.ts";
import { toListSessionsResponse } from "./message.ts";
import { toSessionQuery } from "./query.ts";

/**
 * The methods of `zitadel.session.v2.SessionService` that are built, which are those of v2beta too: its messages are
 * the same but for what it lacks. The others answer UNIMPLEMENTED.
 */
export function createSessionService({ database, now }: Directory) {
  return {
    async listSessions(request: ListSessionsRequest | ListSessionsRequestBeta, context: HandlerContext) {
      const caller = callerOf(context);
      const query = toSessionQuery(request, caller);
      const page = await listSessions(database.during(context.signal), readableBy(caller), query);
      return toListSessionsResponse(page, now());
    },
  };
}
