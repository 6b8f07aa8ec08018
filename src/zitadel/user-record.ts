import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { GivenUser } from "../sessions/bulk.ts";
import type { Deletion } from "../sessions/deletions.ts";
import type { Instant } from "../sessions/instant.ts";
import { refused } from "./json-rules.ts";
import {
  assertNoMore,
  isAbsent,
  readDate,
  readId,
  readObject,
  readOneOf,
  readOrganizationId,
  readText,
} from "./record-fields.ts";

/**
 * Reads the user of an import's line, `{"id", "organizationId", …}`, or their deletion, `{"id", "deleted": true}`.
 *
 * Throws SessionError `invalid_request`, saying which field breaks which rule.
 */
export function readUserRecord(instanceId: string, json: JsonObject): { kind: "user"; user: GivenUser } | Deletion {
  const { deleted, ...user } = json;
  if (!isAbsent(deleted) && typeof deleted !== "boolean") throw refused("deleted must be true or false");
  return deleted ? readDeletion(instanceId, user) : { kind: "user", user: readUser(instanceId, user) };
}

function readDeletion(instanceId: string, { id, ...others }: JsonObject): Deletion {
  const [other] = Object.keys(others);
  if (other !== undefined) throw refused(`${other} must not stand beside deleted`);
  return { kind: "deleted_user", user: { instanceId, id: readId(id, "id") } };
}

function readUser(instanceId: string, json: JsonObject): GivenUser {
  const { id, organizationId, userName, loginName, displayName, avatarUrl, ...more } = json;
  return {
    instanceId,
    id: readId(id, "id"),
    organizationId: readOrganizationId(organizationId, "organizationId"),
    userName: readText(userName, "userName"),
    loginName: readText(loginName, "loginName"),
    displayName: readText(displayName, "displayName"),
    avatarUrl: readText(avatarUrl, "avatarUrl"),
    ...readIdentity(more),
  };
}

function readIdentity(json: JsonObject) {
  const { state, traits, schemaId, metadataPublic, availableAal, creationDate, changeDate, ...rest } = json;
  assertNoMore(rest);
  return {
    state: isAbsent(state) ? undefined : readOneOf(["active", "inactive"], state, "state"),
    traits: readObject(traits, "traits"),
    schemaId: isAbsent(schemaId) ? undefined : readId(schemaId, "schemaId"),
    metadataPublic: readObject(metadataPublic, "metadataPublic"),
    availableAal: isAbsent(availableAal) ? availableAal : readOneOf(["aal1", "aal2"], availableAal, "availableAal"),
    createdAt: readOptionalDate(creationDate, "creationDate"),
    changedAt: readOptionalDate(changeDate, "changeDate"),
  };
}

function readOptionalDate(value: JsonValue | undefined, field: string): Instant | undefined {
  return isAbsent(value) ? undefined : readDate(value, field);
}
