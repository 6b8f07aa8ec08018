import { randomUUID } from "node:crypto";
import { apiTokenPrefix } from "../../src/auth/api-token.ts";
import { createToken, hashToken } from "../../src/auth/token.ts";
import type { Database } from "../../src/database.ts";
import { insertApiToken } from "../../src/sessions/api-tokens.ts";
import type { ApiToken } from "../../src/sessions/schema.ts";
import { hour, now } from "./given.ts";

/** A service's token, and what is stored of it. */
export interface GivenApiToken {
  id: string;
  token: string;
  tokenHash: Buffer;
}

/** What of a token may stand nowhere but on the screen of who made it: the token, and its hash however it is spelled. */
export function secretsOf(token: string): string[] {
  const hashes = (["hex", "base64", "base64url"] as const).map((encoding) => hashToken(token).toString(encoding));
  return [token.slice(apiTokenPrefix.length), ...hashes];
}

/** Stores API tokens of one instance: of the user `service`, with `session.read` and without an end unless a test says so. */
export function createGivenApiToken({ database, instanceId }: { database: Database; instanceId: string }) {
  return async (more: Partial<ApiToken> = {}): Promise<GivenApiToken> => {
    const token = createToken(apiTokenPrefix);
    const made = { id: randomUUID(), tokenHash: hashToken(token), createdAt: now - hour };
    const usual = { userId: "service", name: "Backup", scope: "session.read", expiresAt: null, lastUsedAt: null };
    const row = { instanceId, ...made, ...usual, ...more };
    await insertApiToken(database.db, row);
    return { id: row.id, token, tokenHash: row.tokenHash };
  };
}
