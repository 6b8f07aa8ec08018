import type { HandlerContext } from "@connectrpc/connect";
import type { ListMyUserSessionsRequest } from "../../gen/zitadel/auth/v1/auth_service_pb.ts";
import { callerOf } from "../auth/caller.ts";
import type { Directory } from "../directory.ts";
import { inAgentOf } from "../sessions/access.ts";
import { listAccounts } from "../sessions/store.ts";
import { toListMyUserSessionsResponse } from "./message.ts";

/** The methods of `zitadel.auth.v1.AuthService` that Rollcall serves. */
export function createAuthService({ database, now }: Directory) {
  return {
    async listMyUserSessions(_request: ListMyUserSessionsRequest, context: HandlerContext) {
      const accounts = await listAccounts(database.during(context.signal), inAgentOf(callerOf(context)), now());
      return toListMyUserSessionsResponse(accounts);
    },
  };
}
