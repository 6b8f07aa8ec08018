import { SessionError } from "../errors.ts";
import type { Caller } from "../sessions/access.ts";
import { useApiToken } from "../sessions/api-tokens.ts";
import type { Instant } from "../sessions/instant.ts";
import { isDisabled } from "../sessions/schema.ts";
import type { Db } from "../sessions/store.ts";
import { readGrants } from "./grants.ts";
import { hashToken } from "./token.ts";

/** What every API token begins with, and no other token that is made here. */
export const apiTokenPrefix = "rc_";

/** True for a token of a service's; whether it is good is another question. */
export function isApiToken(token: string): boolean {
  return token.startsWith(apiTokenPrefix);
}

/**
 * The caller that an API token stands for, at `now`, which is recorded as its use.
 *
 * Throws SessionError `token_invalid` if it is unknown, expired, revoked, of another instance or a disabled user's: a
 * caller must not be able to tell these apart.
 */
export async function readApiToken(
  db: Db,
  { instanceId, token, now }: { instanceId: string; token: string; now: Instant },
): Promise<Caller> {
  const found = await useApiToken(db, instanceId, hashToken(token), now);
  if (!found || isDisabled(found.user)) throw new SessionError("token_invalid", "API token is not good");
  const { userId, scope } = found.token;
  return { instanceId, userId, agentId: undefined, grants: readGrants(scope) };
}
