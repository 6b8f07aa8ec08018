import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Instant, instantOf } from "../sessions/instant.ts";
import { assertDate, assertShallow, isObject, refused } from "./json-rules.ts";

// Every function here throws SessionError `invalid_request`, saying which field breaks which rule.

const maxIdLength = 200;

/** An id, which must be there: 1 to 200 characters, none of them a control character. */
export function readId(value: JsonValue | undefined, field: string): string {
  const id = readText(value, field);
  if (id === undefined) throw refused(`${field} is missing`);
  if (id === "") throw refused(`${field} must not be empty`);
  assertShort(id, field);
  if (/\p{Cc}/u.test(id)) throw refused(`${field} must not hold control characters`);
  return id;
}

/** The id of an organization, or "" for none: that has to be said, for who forgets it must not take people out of theirs. */
export function readOrganizationId(value: JsonValue | undefined, field: string): string {
  return value === "" ? value : readId(value, field);
}

/** Lets only a text of at most 200 characters pass. */
export function assertShort(text: string, field: string): void {
  if (text.length > maxIdLength && [...text].length > maxIdLength) {
    throw refused(`${field} must be at most ${maxIdLength} characters long`);
  }
}

/** A text; undefined if it is left out. */
export function readText(value: JsonValue | undefined, field: string): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== "string") throw refused(`${field} must be a text`);
  return value;
}

/** One of these texts. */
export function readOneOf<T extends string>(values: readonly T[], value: JsonValue, field: string): T {
  const found = values.find((one) => one === value);
  if (found === undefined) throw refused(`${field} must be ${values.join(" or ")}`);
  return found;
}

/** Free JSON; undefined if it is left out, null if it is null. */
export function readObject(value: JsonValue | undefined, field: string): JsonObject | null | undefined {
  if (isAbsent(value)) return value;
  if (!isObject(value)) throw refused(`${field} must be an object`);
  assertShallow(value, field);
  return value;
}

/** A date in RFC 3339. */
export function readDate(value: JsonValue, field: string): Instant {
  assertDate(value, field);
  return toInstant(fromJson(TimestampSchema, value), field);
}

/** A date that protobuf has read, and that must be there. */
export function toInstant(timestamp: Timestamp | undefined, field: string): Instant {
  if (!timestamp) throw refused(`${field} is missing`);
  return instantOf(timestamp.seconds, timestamp.nanos);
}

/** Refuses the keys that nobody has read. */
export function assertNoMore(rest: JsonObject): void {
  const [key] = Object.keys(rest);
  if (key !== undefined) throw refused(`${key} is not a known key`);
}

/** As everywhere in protobuf's JSON, null is the same as leaving it out. */
export function isAbsent(value: JsonValue | undefined): value is null | undefined {
  return value === undefined || value === null;
}
