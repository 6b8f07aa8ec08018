import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { JsonObject } from "@bufbuild/protobuf";
import { isSigned } from "../../examples/verifier/signature.ts";
import type { Subject } from "../../src/verifier.ts";

/** What a verifier is asked: a check or a challenge, each by its name. */
export interface Question extends Subject {
  check?: Record<string, JsonObject>;
  challenge?: Record<string, JsonObject>;
}

/** What it answers: JSON with status 200, or something of its own, like `raw(…)` or `hang`. */
export type Reply = JsonObject | ((response: ServerResponse) => void);

/** A verifier on loopback, which says what a test wants. */
export interface TestVerifier {
  readonly url: string;
  readonly secret: string;
  /** What it was asked, with a good signature, in order. */
  readonly questions: Question[];
  /** The signatures that were not good; their senders got 401. */
  readonly badSignatures: (string | undefined)[];
  /**
   * What it answers, for a test to replace. At first every challenge is started, and every check is proven, but for a
   * code that is not the one that was returned for its session last.
   */
  answer(question: Question): Reply | Promise<Reply>;
  close(): Promise<void>;
}

/** Answers this body, as it is. */
export function raw(body: string, status = 200): Reply {
  return (response) => void response.writeHead(status).end(body);
}

/** Never answers. */
export function hang(): void {}

/** Resets the connection without an answer. */
export function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

const passkeyOptions = { publicKey: { challenge: "Y2hhbGxlbmdl" } };

/** Starts a verifier on a free port of loopback. */
export async function startTestVerifier(secret = "a secret of tests, 32 characters"): Promise<TestVerifier> {
  const server = createServer(async (request, response) => {
    // Empty, and so not signed, if the client left in the middle of it.
    const body = await buffer(request).catch(() => Buffer.alloc(0));
    const signature = request.headers["rollcall-signature"]?.toString();
    if (!isSigned(signature, body, { secret, nowMs: Date.now() })) {
      verifier.badSignatures.push(signature);
      return void response.writeHead(401).end();
    }
    const question: Question = JSON.parse(body.toString());
    verifier.questions.push(question);
    const reply = await verifier.answer(question);
    if (typeof reply === "function") reply(response);
    else response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const verifier: TestVerifier = {
    // Safe: it listens on a port, not on a pipe.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/verify`,
    secret,
    questions: [],
    badSignatures: [],
    answer: createUsualAnswer(),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return verifier;
}

function createUsualAnswer(): (question: Question) => Reply {
  const codes = new Map<string, string>();
  const answerCheck = (key: string, code: unknown): Reply => {
    const isRight = (codes.get(key) ?? code) === code;
    return isRight ? { verified: true } : { verified: false, reason: "wrong", failedAttempts: 1 };
  };
  return ({ sessionId, check, challenge = {} }): Reply => {
    const [[name = "", fields = {}] = []] = Object.entries(check ?? challenge);
    const key = `${sessionId} ${name}`;
    if (check !== undefined) return answerCheck(key, fields["code"]);
    if (name === "webAuthN") return { challenge: { webAuthN: { publicKeyCredentialRequestOptions: passkeyOptions } } };
    // True for an SMS, an empty object for an e-mail.
    if (!fields["returnCode"]) return { challenge: {} };
    const code = String(randomInt(100_000, 1_000_000));
    codes.set(key, code);
    return { challenge: { [name]: code } };
  };
}
