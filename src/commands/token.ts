import { randomUUIDv7 } from "node:crypto";
import { apiTokenPrefix } from "../auth/api-token.ts";
import { createToken, hashToken } from "../auth/token.ts";
import { toPrintable } from "../printable.ts";
import { insertApiToken, listApiTokens, revokeApiToken, type ShownApiToken } from "../sessions/api-tokens.ts";
import { type Instant, instantOfMs, printInstant } from "../sessions/instant.ts";
import type { Db } from "../sessions/store.ts";
import { printTable } from "./table.ts";
import type { TokenOrder } from "./token-order.ts";

/** Makes an API token of an instance: prints the token alone to stdout, so that a shell can take it, and its id to stderr. */
export async function runTokenCreate(db: Db, instanceId: string, order: TokenOrder): Promise<void> {
  const { lifetimeMs, ...named } = order;
  const id = randomUUIDv7();
  const token = createToken(apiTokenPrefix);
  const createdAt = instantOfMs(Date.now());
  const expiresAt = lifetimeMs === undefined ? null : createdAt + BigInt(lifetimeMs) * 1_000n;
  const times = { createdAt, expiresAt, lastUsedAt: null };
  await insertApiToken(db, { instanceId, id, ...named, tokenHash: hashToken(token), ...times });
  process.stdout.write(`${token}\n`);
  process.stderr.write(`made the token ${id}; it is shown only this once\n`);
}

/** Prints the API tokens of an instance, as a table for people. */
export async function runTokenList(db: Db, instanceId: string): Promise<void> {
  const tokens = await listApiTokens(db, instanceId);
  process.stdout.write(tokens.length === 0 ? "there are no API tokens\n" : printTable(header, tokens.map(toCells)));
}

/** Removes an API token of an instance, which is refused from then on. Throws an Error if there is none with that id. */
export async function runTokenRevoke(db: Db, instanceId: string, id: string): Promise<void> {
  if (!(await revokeApiToken(db, instanceId, id))) throw new Error(`no API token has the id ${toPrintable(id)}`);
  process.stdout.write(`revoked the token ${toPrintable(id)}\n`);
}

const header = ["ID", "USER", "NAME", "SCOPE", "CREATED", "EXPIRES", "LAST USED"];

function toCells({ id, userId, name, scope, createdAt, expiresAt, lastUsedAt }: ShownApiToken): string[] {
  return [id, userId, name, scope, ...[createdAt, expiresAt, lastUsedAt].map(toCell)];
}

// To the minute, as ISO 8601 spells it.
function toCell(moment: Instant | null): string {
  return moment === null ? "never" : `${printInstant(moment).slice(0, "2026-01-02T03:04".length)}Z`;
}
