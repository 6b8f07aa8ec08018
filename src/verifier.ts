import { createHmac } from "node:crypto";
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import type { JsonObject } from "@bufbuild/protobuf";
import { SessionError } from "./errors.ts";
import { type Instant, splitInstant } from "./sessions/instant.ts";
import { invalidAnswer, readStarted, readVerdict, type Started, type Verdict } from "./verifier-answer.ts";

export type { Verdict } from "./verifier-answer.ts";

/** Whose check it is: the instance, the session that it counts for, and that session's user. */
export interface Subject {
  instanceId: string;
  sessionId: string;
  userId: string;
}

/**
 * The operator's verifier, which keeps the credentials that Rollcall does not.
 *
 * Both throw SessionError `verifier_unavailable` if it does not answer as docs/verifier.md says, and the signal's reason
 * once `signal` is aborted.
 */
export interface Verifier {
  /** Whether the check is proven. It is the JSON form of zitadel.session.v2.Checks with one field set. */
  check(subject: Subject, check: JsonObject, signal: AbortSignal): Promise<Verdict>;
  /**
   * The JSON form of zitadel.session.v2.Challenges with at most the one field that was asked for, or why it cannot be
   * started. The challenge is the JSON form of RequestChallenges with one field set.
   */
  challenge(subject: Subject, challenge: JsonObject, signal: AbortSignal): Promise<Started>;
}

/** Where the verifier is, and the secret that requests to it are signed with. */
export interface VerifierOptions {
  url: string;
  secret: string;
  now: () => Instant;
  /** From the first attempt to connect until the answer's last byte, in milliseconds. */
  timeoutMs?: number;
}

/** What is sent, and until when. */
interface Post {
  url: URL;
  signature: string;
  body: string;
  signal: AbortSignal;
}

const maxAnswerBytes = 65_536;
// Whoever refuses is being restarted, or one of several behind a name.
const refusedPauseMs = 100;

/** The client of a verifier. @see docs/verifier.md */
export function createVerifier({ url, secret, now, timeoutMs = 5_000 }: VerifierOptions): Verifier {
  const target = new URL(url);
  const ask = (question: JsonObject, signal: AbortSignal): Promise<string> => {
    const body = JSON.stringify(question);
    const signature = sign(body, secret, splitInstant(now()).seconds);
    return withinLimit(timeoutMs, signal, (limited) => postTwice({ url: target, signature, body, signal: limited }));
  };
  return {
    async check({ instanceId, sessionId, userId }, check, signal) {
      return readVerdict(await ask({ instanceId, sessionId, userId, check }, signal));
    },
    async challenge({ instanceId, sessionId, userId }, challenge, signal) {
      return readStarted(await ask({ instanceId, sessionId, userId, challenge }, signal), challenge);
    },
  };
}

function sign(body: string, secret: string, seconds: bigint): string {
  const mac = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${mac}`;
}

async function withinLimit<T>(
  limitMs: number,
  caller: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), limitMs);
  try {
    return await work(AbortSignal.any([caller, limit.signal]));
  } catch (error) {
    caller.throwIfAborted();
    if (error instanceof SessionError) throw error;
    const text = limit.signal.aborted ? `it did not answer within ${limitMs} ms` : describe(error);
    throw new SessionError("verifier_unavailable", "the verifier does not answer", { cause: new Error(text) });
  } finally {
    clearTimeout(timer);
  }
}

async function postTwice(message: Post): Promise<string> {
  try {
    return await post(message);
  } catch (error) {
    // Only where nothing was sent: a check that is made again may find its code used up, or count against the user.
    if (!isRefused(error)) throw error;
    await wait(refusedPauseMs, undefined, { signal: message.signal });
    return await post(message);
  }
}

/**
 * Not by fetch: it sends again after 421, and takes connections that were kept alive, which the verifier may be about
 * to close. A connection for each request costs less than any check.
 */
async function post({ url, signature, body, signal }: Post): Promise<string> {
  const headers = {
    accept: "application/json",
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "rollcall-signature": signature,
  };
  const { request: open } = url.protocol === "https:" ? https : http;
  const request = open(url, { method: "POST", headers, agent: false, signal });
  // Once the answer has begun, its reader is told as well; an error that nobody listens for would end the process.
  request.on("error", () => undefined);
  request.end(body);
  // Safe: that is what the event comes with.
  const [response] = (await once(request, "response", { signal })) as [IncomingMessage];
  try {
    if (response.statusCode === 401) throw invalidAnswer("its status is 401: does it have the same VERIFIER_SECRET?");
    if (response.statusCode !== 200) throw invalidAnswer(`its status is ${response.statusCode}`);
    return await readAnswer(response);
  } finally {
    request.destroy();
  }
}

async function readAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += chunk.length;
    if (length > maxAnswerBytes) throw invalidAnswer(`it is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// A name with several addresses is tried at each, and fails with all that went wrong.
function isRefused(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isRefused);
  return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
}

// The text only: the error itself may hold what was received, which may repeat what was sent.
function describe(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(describe).join("; ");
  return error instanceof Error ? error.message : String(error);
}
