import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const derive = promisify(argon2);

// What OWASP's Password Storage Cheat Sheet asks for at least: 19 MiB, two passes, one lane.
const cost = { memory: 19_456, passes: 2, parallelism: 1 };
const saltBytes = 16;
const hashBytes = 32;

/** Hashes a password with argon2id and a salt of its own, as the usual `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(saltBytes);
  const hash = await derive("argon2id", { ...cost, message: password, nonce, tagLength: hashBytes });
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${print(nonce)}$${print(hash)}`;
}

/** Whether the hash is of this password. Throws an Error if it is not of the form that {@link hashPassword} makes. */
export async function isPassword(password: string, encoded: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = "", tag = ""] =
    /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/.exec(encoded) ?? [];
  if (memory === undefined) throw new Error("a password's hash is not of argon2id");
  const hash = Buffer.from(tag, "base64");
  const proof = await derive("argon2id", {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    message: password,
    nonce: Buffer.from(salt, "base64"),
    tagLength: hash.length,
  });
  return timingSafeEqual(proof, hash);
}

// The form has base64 without padding.
function print(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
