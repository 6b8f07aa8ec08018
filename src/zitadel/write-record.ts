import { create, type JsonObject, toJson } from "@bufbuild/protobuf";
import { SessionSchema } from "../../gen/zitadel/session/v2/session_pb.ts";
import { printInstant } from "../sessions/instant.ts";
import type { Session, SessionOfUser, User } from "../sessions/schema.ts";
import { toSession } from "./message.ts";

/**
 * Writes a user as lines of an import, which `readRecords` reads: one or, of a deleted user, two, the first of which
 * deletes them and the second brings back what is left of them.
 */
export function writeUser({ instanceId, id, state, ...user }: User): string {
  const isDeleted = state === "deleted";
  const json = {
    id,
    organizationId: user.organizationId,
    userName: user.userName,
    loginName: user.loginName,
    displayName: user.displayName,
    avatarUrl: user.avatarUrl,
    state: isDeleted ? undefined : state,
    traits: user.traits,
    schemaId: user.schemaId,
    metadataPublic: user.metadataPublic,
    availableAal: user.availableAal,
    creationDate: printInstant(user.createdAt),
    changeDate: printInstant(user.changedAt),
  };
  const deletion = isDeleted ? writeLine({ instanceId, user: { id, deleted: true } }) : "";
  return deletion + writeLine({ instanceId, user: json });
}

/** Writes a session as a line of an import, which `readRecords` reads: all of it but its sequence and its token. */
export function writeSession(row: SessionOfUser): string {
  const { instanceId } = row.session;
  return writeLine({ instanceId, session: { ...toMessageJson(row), ...writeEnd(row.session) } });
}

function toMessageJson(row: SessionOfUser): JsonObject {
  const message = create(SessionSchema, toSession(row));
  // With what is empty, for an organization that is none has to be said. Safe: the JSON form of a message with fields.
  const json = toJson(SessionSchema, message, { alwaysEmitImplicit: true }) as JsonObject;
  const { sequence: _sequence, ...session } = json;
  return session;
}

// What is not there is left out: it must not open a session again that was ended where it is imported.
function writeEnd({ creatorId, endedAt, endReason, endedBy }: Session) {
  return {
    creatorId: creatorId ?? undefined,
    endedAt: endedAt === null ? undefined : printInstant(endedAt),
    endReason: endReason ?? undefined,
    endedBy: endedBy ?? undefined,
  };
}

function writeLine(record: object): string {
  return `${JSON.stringify(record)}\n`;
}
