import { randomUUID } from "node:crypto";
import { hashToken } from "../../src/auth/token.ts";
import { apiTokens } from "../../src/sessions/schema.ts";
import { now } from "./given.ts";
import { type Importer, isAnn } from "./imports.ts";

/** A row by the names of its columns. */
export type Row = Record<string, unknown>;

/** An hour after the sessions of an import are created: when something happened to them. */
export const past = "2026-01-02T04:00:00Z";

/** The factors of a session of bob's. */
export const ofBob = { user: { ...isAnn.user, id: "bob" } };

/** The line that says that a user is deleted. */
export function deletion(instanceId: string, id = "ann") {
  return { instanceId, user: { id, deleted: true } };
}

/** Reads what imports left of an instance, with times to the microsecond, as text; and stores API tokens. */
export function createImportedRows({ database }: Pick<Importer, "database">) {
  const { client } = database;

  async function findUsers(instanceId: string): Promise<Row[]> {
    const rows = await client`
      select *, created_at::text, changed_at::text from users where instance_id = ${instanceId} order by id`;
    return rows.map((row) => ({ ...row }));
  }

  /** By their ids. */
  async function findSessions(instanceId: string): Promise<Record<string, Row>> {
    const rows = await client`
      select *, created_at::text, changed_at::text, ended_at::text from sessions
      where instance_id = ${instanceId} order by id`;
    return Object.fromEntries(rows.map((row) => [row["id"], { ...row }]));
  }

  async function findApiTokens(instanceId: string): Promise<string[]> {
    const rows = await client<{ id: string }[]>`
      select id from api_tokens where instance_id = ${instanceId}`;
    return rows.map(({ id }) => id);
  }

  async function findAll(instanceId: string) {
    const [users, sessions] = [await findUsers(instanceId), await findSessions(instanceId)];
    return { users, sessions, apiTokens: await findApiTokens(instanceId) };
  }

  /** An API token for each of these users, which is its own id too. */
  async function givenApiTokens(instanceId: string, userIds: string[]): Promise<string[]> {
    const tokens = userIds.map(() => `rc_${randomUUID()}`);
    const rows = tokens.map((token, i) => ({
      ...{ instanceId, id: token, userId: userIds[i] ?? "", name: "", scope: "session.read" },
      ...{ tokenHash: hashToken(token), createdAt: now },
    }));
    await database.db.insert(apiTokens).values(rows);
    return tokens;
  }

  return { findUsers, findSessions, findApiTokens, findAll, givenApiTokens };
}
