import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import type { JsonObject } from "@bufbuild/protobuf";
import { expect, onTestFinished } from "vitest";
import { instantOfMs } from "../../src/sessions/instant.ts";
import { createVerifier, type Verdict, type Verifier, type VerifierOptions } from "../../src/verifier.ts";
import { startTestVerifier, type TestVerifier } from "./verifier.ts";

/** Whose checks the tests ask about. */
export const subject = { instanceId: "default", sessionId: "s1", userId: "u1" };

/** A check, with a secret that must stand nowhere else. */
export const password = { password: { password: "hunter2" } };

/** What a verifier says of it, unless a test wants otherwise. */
export const proven = { verified: true, userVerified: false };

/** The signal of a caller who stays. */
export const never = new AbortController().signal;

/** A check to ask about, and how; whatever a test does not care for is made up. */
export interface Asked {
  options?: Partial<VerifierOptions>;
  check?: JsonObject;
  signal?: AbortSignal;
}

/** A verifier that says what the test wants, until the test is finished. */
export async function givenVerifier(): Promise<TestVerifier> {
  const verifier = await startTestVerifier();
  onTestFinished(() => verifier.close());
  return verifier;
}

/** A client of this verifier, or of the one that the options name. */
export function createClient({ url, secret }: TestVerifier, options: Partial<VerifierOptions> = {}): Verifier {
  return createVerifier({ url, secret, now: () => instantOfMs(Date.now()), ...options });
}

/** Asks this verifier, or the one that the options name. */
export function askVerifier(verifier: TestVerifier, asked: Asked = {}): Promise<Verdict> {
  const { options = {}, check = password, signal = never } = asked;
  return createClient(verifier, options).check(subject, check, signal);
}

/** What the promise fails with. */
export function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`it did not fail: ${JSON.stringify(value)}`);
    },
    (error) => error,
  );
}

/** The failure of a verifier that does not answer, with this in its cause. */
export function silent(cause: string) {
  return unavailable("the verifier does not answer", cause);
}

/** The failure of a verifier that answers nonsense, with this in its cause. */
export function invalid(cause: string) {
  return unavailable("the verifier's answer is not valid", cause);
}

/** Listens on a free port of loopback, which it returns, until the test is finished. */
export async function listen(server: net.Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  // Safe: it listens on a port, not on a pipe.
  return (server.address() as AddressInfo).port;
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  return port;
}

function unavailable(message: string, cause: string) {
  return expect.objectContaining({
    reason: "verifier_unavailable",
    message,
    cause: expect.objectContaining({ message: expect.stringContaining(cause) }),
  });
}
