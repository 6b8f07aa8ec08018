import { readGrant } from "../auth/grants.ts";
import { readDuration } from "../duration.ts";
import { toPrintable } from "../printable.ts";

/** The options of `rollcall token create`, as they were typed. */
export interface TokenOptions {
  user: string;
  name: string;
  scope: string;
  expires?: string;
}

/** A token that is to be made. */
export interface TokenOrder {
  userId: string;
  name: string;
  scope: string;
  /** For how long it is good, in milliseconds; undefined: for ever. */
  lifetimeMs: number | undefined;
}

const maxLength = 200;

/** Reads what token is to be made. Throws an Error that says which option is wrong. */
export function readTokenOrder({ user, name, scope, expires }: TokenOptions): TokenOrder {
  return {
    userId: readUserId(user),
    name: readText("--name", name),
    scope: readScope(scope),
    lifetimeMs: expires === undefined ? undefined : readLifetime(expires),
  };
}

/** Reads the id of a user. Throws an Error that says what is wrong with it. */
export function readUserId(user: string): string {
  return readText("--user", user);
}

function readText(option: string, text: string): string {
  if (text === "") throw new Error(`${option} must not be empty`);
  if ([...text].length > maxLength) throw new Error(`${option} must be at most ${maxLength} characters long`);
  assertNoControl(option, text);
  return text;
}

// Stricter than with a JWT's: there other words are for other services, here one that is not ours is a slip.
function readScope(scope: string): string {
  assertNoControl("--scope", scope);
  const words = scope.split(" ").filter((word) => word !== "");
  if (words.length === 0) throw new Error("--scope must not be empty");
  const unknown = words.find((word) => readGrant(word) === undefined);
  if (unknown === undefined) return words.join(" ");
  throw new Error(
    `--scope must not hold ${toPrintable(unknown)}: there are session.read, session.write and session.delete, each also with /ORG`,
  );
}

function readLifetime(expires: string): number {
  try {
    return readDuration(expires);
  } catch (error) {
    throw new Error(`--expires ${error instanceof Error ? error.message : error}`);
  }
}

function assertNoControl(option: string, text: string): void {
  if (/\p{Cc}/u.test(text)) throw new Error(`${option} must not hold control characters`);
}
