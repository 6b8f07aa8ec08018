import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createJudge } from "./judge.ts";
import { isSigned } from "./signature.ts";
import { findUser, readUsers, type Users } from "./users.ts";

/** Whose checks it judges, and who may ask. */
export type ExampleVerifierOptions = ({ users: Users } | { file: string }) & {
  /** VERIFIER_SECRET of Rollcall. */
  secret: string;
  /** On loopback; default any that is free. */
  port?: number;
  /** After so many failures in a row a user is locked, until the process ends. Default 5. */
  maxAttempts?: number;
  /** In milliseconds since 1970; default the machine's clock. */
  now?: () => number;
};

/** A verifier that runs. */
export interface ExampleVerifier {
  /** VERIFIER_URL of Rollcall. */
  url: string;
  close(): Promise<void>;
}

// As large as what Rollcall itself accepts.
const maxBodyBytes = 1_048_576;

/** Starts a verifier of passwords and TOTP codes on loopback. Users of a file are read anew for each check. */
export async function startExampleVerifier(options: ExampleVerifierOptions): Promise<ExampleVerifier> {
  const { secret, port = 0, maxAttempts = 5, now = Date.now } = options;
  const judge = await createJudge({
    findUser: async (id) => findUser("file" in options ? await readUsers(options.file) : options.users, id),
    maxAttempts,
    now,
  });

  const answer = async (request: IncomingMessage): Promise<[status: number, body?: object]> => {
    const body = await readBody(request);
    if (body === undefined) return [413];
    const signature = request.headers["rollcall-signature"]?.toString();
    if (!isSigned(signature, body, { secret, nowMs: now() })) return [401];
    return [200, await judge(JSON.parse(body.toString()))];
  };

  const server = createServer(async (request, response) => {
    const [status, body] = await answer(request).catch((error): [number] => {
      process.stderr.write(`a check could not be judged: ${error instanceof Error ? error.message : error}\n`);
      return [500];
    });
    response.writeHead(status, { "content-type": "application/json" }).end(body && JSON.stringify(body));
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  // Safe: it listens on a port, not on a pipe.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

/** The request's body, undefined if it is too large. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
