import { createHash, randomInt } from "node:crypto";

/** What every session token that is made here begins with. */
export const sessionTokenPrefix = "ory_st_";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const length = 32;

/** Makes a new session token: `ory_st_` and 32 letters and digits, 190 random bits. */
export function createSessionToken(): string {
  return createToken(sessionTokenPrefix);
}

/** Makes a secret that nobody can guess: the prefix and 32 letters and digits, 190 random bits. */
export function createToken(prefix: string): string {
  return prefix + Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}

/** What is stored of a token. A plain hash is enough: nobody can try 190 bits. */
export function hashToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
