import { startExampleVerifier } from "./server.ts";

const { VERIFIER_SECRET: secret, PORT: port = "8081", USERS_FILE: file = "users.json" } = process.env;
if (!secret) {
  process.stderr.write("VERIFIER_SECRET is not set: it must be what Rollcall has\n");
  process.exit(1);
}
const { url } = await startExampleVerifier({ file, secret, port: Number(port) });
process.stdout.write(`the verifier of ${file} listens at ${url}\n`);
