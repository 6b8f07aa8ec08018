import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { SessionError } from "../errors.ts";

/**
 * Throws SessionError `invalid_request` at the first part of the JSON that the message does not have.
 *
 * It says what protobuf's own parser says, but with the path in the JSON and in words for people.
 */
export function assertMessage(message: DescMessage, json: JsonValue, path: string): void {
  if (!isObject(json)) throw refused(`${path} must be an object`);
  for (const [key, value] of Object.entries(json)) {
    const field = message.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    if (!field) throw refused(`${path}${path && "."}${key} is not a known key`);
    if (key !== field.jsonName && field.jsonName in json) throw refused(`${path}${path && "."}${key} is given twice`);
    if (value === null) continue;
    assertField(field, value, `${path}${path && "."}${key}`);
  }
}

function assertField(field: DescField, json: JsonValue, path: string): void {
  switch (field.fieldKind) {
    case "message":
      if (field.message.typeName === TimestampSchema.typeName) assertDate(json, path);
      else assertMessage(field.message, json, path);
      return;
    case "map":
      if (!isObject(json)) throw refused(`${path} must be an object`);
      for (const [key, value] of Object.entries(json)) {
        const entry = `${path}[${JSON.stringify(key)}]`;
        if (field.message) assertMessage(field.message, value, entry);
        else assertScalar(field.scalar, value, entry);
      }
      return;
    case "list":
      if (!Array.isArray(json)) throw refused(`${path} must be a list`);
      for (const value of json) assertScalar(field.scalar, value, path);
      return;
    default:
      assertScalar(field.scalar, json, path);
  }
}

function assertScalar(type: ScalarType | undefined, json: JsonValue, path: string): void {
  if (type === ScalarType.BOOL) {
    if (typeof json !== "boolean") throw refused(`${path} must be true or false`);
    return;
  }
  if (typeof json !== "string") throw refused(`${path} must be a text`);
  if (type === ScalarType.BYTES && !isBase64(json)) throw refused(`${path} must be base64`);
}

function isBase64(text: string): boolean {
  try {
    base64Decode(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Throws SessionError `invalid_request` unless the JSON is a date.
 *
 * Date.parse, which protobuf uses, takes February 30 for March 1 or 2, and 24:00 for the next day.
 */
export function assertDate(json: JsonValue, path: string): void {
  const [, year, month, day, hour] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):/.exec(String(json)) ?? [];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  const exists = date.getUTCDate() === Number(day) && Number(hour) < 24;
  try {
    if (exists && fromJson(TimestampSchema, json)) return;
  } catch {
    // Said below.
  }
  throw refused(`${path} must be a date between the years 1 and 9999, like 2026-01-02T03:04:05.123456Z`);
}

// No record is that deep: what is deeper is refused for its form, and must not exhaust the stack before that.
const maxDepth = 10;

/**
 * Throws SessionError `invalid_request` if a text cannot be stored as it is.
 *
 * PostgreSQL keeps no NUL, and UTF-8 no half of a surrogate pair: the one would fail, the other become U+FFFD.
 */
export function assertStorable(json: JsonValue | undefined, path = "", depth = 0): void {
  if (typeof json === "string") {
    if (json.includes("\0") || !json.isWellFormed()) throw refused(`${path} holds a character that cannot be stored`);
  } else if (typeof json === "object" && json !== null && depth < maxDepth) {
    for (const [key, value] of Object.entries(json)) {
      assertStorable(key, `a key of ${path || "the record"}`);
      assertStorable(value, `${path}${path && "."}${key}`, depth + 1);
    }
  }
}

// Far deeper than anything people make, and far from where writing it would exhaust the stack.
const maxFreeDepth = 100;

/** Throws SessionError `invalid_request` if free JSON is nested so deep that nobody can store it. */
export function assertShallow(json: JsonValue, path: string, depth = 0): void {
  if (typeof json !== "object" || json === null) return;
  if (depth >= maxFreeDepth) throw refused(`${path} must not be nested deeper than ${maxFreeDepth} levels`);
  for (const value of Object.values(json)) assertShallow(value, path, depth + 1);
}

/** True for what JSON spells with braces. */
export function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** A refusal: the field first, then the rule. */
export function refused(message: string): SessionError {
  return new SessionError("invalid_request", message);
}
