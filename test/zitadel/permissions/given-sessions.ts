import { randomUUID } from "node:crypto";
import { inArray } from "drizzle-orm";
import { instantOfMs } from "../../../src/sessions/instant.ts";
import { bareSession, type Session, sessions } from "../../../src/sessions/schema.ts";
import { hour } from "../../support/given.ts";
import type { TestServer } from "../../support/server.ts";
import { ownOrganization } from "./callers.ts";
import type { Kind } from "./rules.ts";

/** A session that a caller names, and what kind it is; its row if it is anywhere. */
export interface NamedSession {
  id: string;
  kind: Kind;
  row: Session | undefined;
}

/** Who calls. */
export interface Who {
  userId: string;
  agentId: string;
}

const other = "somebody else";
const now = instantOfMs(Date.now());

/** Stores a session of each kind, as the caller sees it. */
export async function givenSessions(
  { database, instanceId }: TestServer,
  who: Who,
  kinds: readonly Kind[],
): Promise<NamedSession[]> {
  const named = kinds.map((kind) => ({ id: randomUUID(), kind }));
  const values = named
    .filter(({ kind }) => kind.where !== "nowhere")
    .map(({ id, kind }) => ({ ...toColumns(kind, who), instanceId: toInstance(kind, instanceId), id }));
  const rows = await database.db.insert(sessions).values(values).returning();
  return named.map((one) => ({ ...one, row: rows.find(({ id }) => id === one.id) }));
}

/** The same sessions with their rows as they are now. */
export async function readAgain({ database }: TestServer, named: readonly NamedSession[]): Promise<NamedSession[]> {
  const ids = named.map(({ id }) => id);
  const rows = await database.db.select().from(sessions).where(inArray(sessions.id, ids));
  return named.map((one) => ({ ...one, row: rows.find(({ id }) => id === one.id) }));
}

function toInstance({ where }: Kind, instanceId: string): string {
  return where === "here" ? instanceId : `${instanceId}-elsewhere`;
}

function toColumns({ user, tie, state }: Kind, who: Who) {
  return {
    ...bareSession,
    createdAt: now - hour,
    changedAt: now - hour,
    creatorId: tie === "created by them" ? who.userId : other,
    agentFingerprintId: tie === "in their user agent" ? who.agentId : other,
    ...toUser(user, who),
    expiresAt: state === "expired" ? now - 1n : null,
    ...(state === "ended" ? { endedAt: now - 1n, endReason: "revoked_by_admin", endedBy: other } : {}),
  };
}

function toUser(user: Kind["user"], who: Who) {
  const userCheckedAt = now - hour;
  switch (user) {
    case "themselves":
      return { userId: who.userId, organizationId: ownOrganization, userCheckedAt };
    case "a colleague":
      return { userId: "colleague", organizationId: ownOrganization, userCheckedAt };
    case "an outsider":
      return { userId: "outsider", organizationId: `${ownOrganization}0`, userCheckedAt };
    case "nobody":
      return {};
    default:
      user satisfies never;
      throw new Error("unknown user");
  }
}
