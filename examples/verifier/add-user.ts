import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { hashPassword } from "./password.ts";
import { createTotpSecret } from "./totp.ts";
import { findUser, readUsers, type User, writeUsers } from "./users.ts";

const usage = `usage: node add-user.ts <users.json> <user id> [--totp]

Reads a password, a line of standard input, and stores its hash; an empty line leaves the password as it is.
With --totp it also makes a secret for an authenticator app and prints it as an otpauth:// URL.
`;
// Rollcall passes on no longer one.
const maxPasswordLength = 200;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { totp: { type: "boolean" } } });
const [file, id] = positionals;
if (file === undefined || id === undefined || positionals.length > 2) fail(usage);

const password = await readPassword();
if ([...password].length > maxPasswordLength) fail(`a password has at most ${maxPasswordLength} characters\n`);
const users = await readUsers(file).catch((error) => {
  if (error.code === "ENOENT") return {};
  throw error;
});
const user: User = { ...findUser(users, id) };
if (password === "" && !values.totp) fail("there is nothing to store: neither a password nor --totp\n");
if (password !== "") user.password = await hashPassword(password);
if (values.totp) {
  const { secret, url } = createTotpSecret(id);
  user.totp = secret;
  process.stdout.write(`${url}\n`);
}
await writeUsers(file, { ...users, [id]: user });

async function readPassword(): Promise<string> {
  const { stdin, stderr } = process;
  // Without an output it shows nothing of what is typed.
  const lines = createInterface({ input: stdin, terminal: stdin.isTTY });
  if (stdin.isTTY) stderr.write("password: ");
  for await (const line of lines) {
    if (stdin.isTTY) stderr.write("\n");
    return line;
  }
  return fail("there was no line\n");
}

function fail(text: string): never {
  process.stderr.write(text);
  process.exit(1);
}
