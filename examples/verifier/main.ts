import { startExampleVerifier } from "./server.ts";
import { readUsers } from "./users.ts";

const { VERIFIER_SECRET: secret = "", PORT: port = "8081", USERS_FILE: file = "users.json" } = process.env;
if (secret.length < 32) fail("VERIFIER_SECRET must be what Rollcall has, at least 32 characters");
await readUsers(file).catch((error) => fail(`USERS_FILE cannot be read: ${error.message}`));
const { url } = await startExampleVerifier({ file, secret, port: Number(port) });
process.stdout.write(`the verifier of ${file} listens at ${url}\n`);

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
