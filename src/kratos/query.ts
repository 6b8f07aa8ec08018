import { SessionError } from "../errors.ts";
import { type Condition, hasIdIn, hasUserIn, isLive, isOver } from "../sessions/filter.ts";
import type { Instant } from "../sessions/instant.ts";

/** What an answer of the admin routes may hold besides the session itself. */
export type Expandable = "identity" | "devices";

/** Many sessions to be disabled or deleted. */
export interface BulkOrder {
  action: "disable" | "delete";
  /** Which ones, among those that the caller may end. */
  conditions: Condition[];
}

const maxIdLength = 200;
const maxIds = 500;
const expandables: readonly string[] = ["identity", "devices"] satisfies Expandable[];
// What Go's strconv.ParseBool takes, and nothing else.
const trueWords = ["1", "t", "T", "true", "TRUE", "True"];
const falseWords = ["0", "f", "F", "false", "FALSE", "False"];

/**
 * The id that stands in a path. Ids are opaque here, so one that is not a UUID is fine.
 *
 * Throws SessionError `invalid_request` if nothing could ever have it.
 */
export function readId(part: string): string {
  let id: string;
  try {
    id = decodeURIComponent(part);
  } catch {
    throw new SessionError("invalid_request", "id: is not well-formed");
  }
  assertId(id, "id");
  return id;
}

/** Reads `active`: the sessions that are live, or those that are not; without it, both. Throws for any other word. */
export function readActive(query: URLSearchParams, now: Instant): Condition[] {
  const word = query.get("active") ?? "";
  if (word === "") return [];
  if (trueWords.includes(word)) return [isLive(now)];
  if (falseWords.includes(word)) return [isOver(now)];
  throw new SessionError("invalid_request", "could not parse parameter active");
}

/** Reads every `expand`, in any letter case. Throws SessionError `expand_unknown`. */
export function readExpand(query: URLSearchParams): Set<Expandable> {
  return new Set(query.getAll("expand").map(readExpandable));
}

/**
 * Reads the body of `POST /admin/sessions`: an action on at most 500 sessions or users, or on the sessions of all users.
 *
 * Throws SessionError `invalid_request`.
 */
export function readBulkOrder(body: Uint8Array): BulkOrder {
  const { action, identities, sessions } = readObject(body);
  if (action !== "disable" && action !== "delete") throw refused("action: must be disable or delete");
  const userIds = readIds(identities, "identities");
  const sessionIds = readIds(sessions, "sessions");
  if (userIds.length > 0 === sessionIds.length > 0) throw refused("either identities or sessions must be given");
  if (sessionIds.length > 0) return { action, conditions: [hasIdIn(sessionIds)] };
  return { action, conditions: userIds.length === 1 && userIds[0] === "*" ? [] : [hasUserIn(userIds)] };
}

function readExpandable(text: string): Expandable {
  const word = text.toLowerCase();
  if (isExpandable(word)) return word;
  throw new SessionError("expand_unknown", `Could not parse expand option: ${text.slice(0, maxIdLength)}`);
}

function isExpandable(word: string): word is Expandable {
  return expandables.includes(word);
}

function readObject(body: Uint8Array): Record<string, unknown> {
  try {
    const json: unknown = JSON.parse(Buffer.from(body).toString());
    // Safe: an object of JSON has nothing but texts for keys.
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  } catch {
    // Told below, without the parser's view of our code.
  }
  throw refused("body must be a JSON object");
}

function readIds(value: unknown, name: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw refused(`${name}: must be an array`);
  if (value.length > maxIds) throw refused(`${name}: must be at most ${maxIds}`);
  return value.map((id: unknown, index) => {
    const path = `${name}[${index}]`;
    if (typeof id !== "string") throw refused(`${path}: must be a text`);
    if (id === "*" && (name !== "identities" || value.length > 1)) {
      throw refused(`${path}: * stands for all identities, and alone`);
    }
    assertId(id, path);
    return id;
  });
}

function assertId(id: string, path: string): void {
  const { length } = [...id];
  if (length < 1 || length > maxIdLength) throw refused(`${path}: must be 1 to ${maxIdLength} characters`);
  if (/\p{Cc}/u.test(id) || !id.isWellFormed()) throw refused(`${path}: must be printable text`);
}

function refused(message: string): SessionError {
  return new SessionError("invalid_request", message);
}
