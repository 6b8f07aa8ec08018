import { execFile } from "node:child_process";
import http from "node:http";
import https from "node:https";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { instantOfMs } from "../src/sessions/instant.ts";
import { testTls } from "./support/sockets.ts";
import { raw, reset, type TestVerifier } from "./support/verifier.ts";
import {
  type Asked,
  askVerifier,
  createClient,
  failureOf,
  freePort,
  givenVerifier,
  invalid,
  listen,
  never,
  password,
  proven,
  silent,
  subject,
} from "./support/verifier-client.ts";

const minuteMs = 60_000;
const maxBytes = 65_536;

let verifier: TestVerifier;
beforeEach(async () => {
  verifier = await givenVerifier();
});
const ask = (asked?: Asked) => askVerifier(verifier, asked);

describe("a request", () => {
  test("tells whose check it is, and the check as it was sent", async () => {
    const check = { webAuthN: { credentialAssertionData: { id: "é", response: { signature: "c2ln" } } } };

    expect(await ask({ check })).toEqual(proven);
    expect(await createClient(verifier).challenge(subject, { otpSms: {} }, never)).toEqual({ challenge: {} });

    expect(verifier.questions).toEqual([
      { ...subject, check },
      { ...subject, challenge: { otpSms: {} } },
    ]);
  });

  test("tells of the subject what is documented, and nothing else", async () => {
    const more = { ...subject, token: "secret" };

    await createClient(verifier).check(more, password, never);

    expect(verifier.questions).toEqual([{ ...subject, check: password }]);
  });

  test("is signed with HMAC-SHA256 over time and body", async () => {
    const received = Promise.withResolvers<http.IncomingHttpHeaders>();
    const url = await givenHttp((request, response) => {
      received.resolve(request.headers);
      response.end('{"verified": true}');
    });
    const now = () => instantOfMs(1_772_366_400_999);

    await ask({ options: { url, secret: "0123456789abcdef0123456789abcdef", now } });

    // printf '%s' '1772366400.{"instanceId":"default","sessionId":"s1","userId":"u1","check":{"password":{"password":"hunter2"}}}' |
    //   openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    expect(await received.promise).toMatchObject({
      "rollcall-signature": "t=1772366400,v1=e47a3a50a927f794824f4670454e5353778e2439a19c030ecca94f9b98319d1d",
      "content-type": "application/json",
      "content-length": "99",
      connection: "close",
    });
  });

  test("with another secret is refused by the verifier", async () => {
    const failure = await failureOf(ask({ options: { secret: "another" } }));

    expect(failure).toEqual(invalid("its status is 401"));
    expect([verifier.questions, verifier.badSignatures]).toEqual([[], [expect.stringMatching(/^t=\d+,v1=/)]]);
  });

  test("goes over TLS only to whom a certificate vouches for", async () => {
    const server = https.createServer(testTls, (_request, response) => response.end('{"verified": true}'));
    const url = `https://127.0.0.1:${await listen(server)}`;
    const trusted = { NODE_EXTRA_CA_CERTS: fileURLToPath(new URL("support/tls/test-only-cert.pem", import.meta.url)) };

    expect(await failureOf(ask({ options: { url } }))).toEqual(silent("self-signed certificate"));
    expect(await askFromProcess([url], trusted)).toEqual(["proven"]);
  });
});

describe("an answer", () => {
  test.each([201, 204, 301, 307, 400, 401, 404, 407, 421, 429, 500, 503])(
    "with status %i is not valid",
    async (status) => {
      verifier.answer = () => raw(status === 204 ? "" : '{"verified": true}', status);

      expect(await failureOf(ask())).toEqual(invalid(`its status is ${status}`));
      expect(verifier.questions).toHaveLength(1);
    },
  );

  test("that leads elsewhere is not followed", async () => {
    const location = verifier.url;
    verifier.answer = () => (response) => void response.writeHead(307, { location }).end();

    expect(await failureOf(ask())).toEqual(invalid("its status is 307"));
    expect(verifier.questions).toHaveLength(1);
  });

  test("of 64 KiB is read", async () => {
    verifier.answer = () => raw('{"verified": true}'.padEnd(maxBytes));

    expect(await ask()).toEqual(proven);
  });

  test("of 64 KiB and a byte is not", async () => {
    verifier.answer = () => raw('{"verified": true}'.padEnd(maxBytes + 1));

    expect(await failureOf(ask())).toEqual(invalid("it is longer than 65536 bytes"));
  });

  test.each([
    [200, "it is longer than 65536 bytes"],
    [500, "its status is 500"],
  ])("without an end, status %i, is cut off", async (status, problem) => {
    const closed = Promise.withResolvers<void>();
    verifier.answer = () => (response) => {
      const more = () => void response.write(" ".repeat(1_024), (error) => error ?? setImmediate(more));
      response.writeHead(status).once("close", closed.resolve);
      more();
    };

    expect(await failureOf(ask({ options: { timeoutMs: minuteMs } }))).toEqual(invalid(problem));
    await closed.promise;
  });

  test("that breaks the rules is not valid", async () => {
    verifier.answer = () => ({ verified: true });

    const failure = await failureOf(createClient(verifier).challenge(subject, { otpSms: {} }, never));

    expect(failure).toEqual(invalid("it does not answer the question"));
  });
});

test("what fails tells neither the credential, nor the secret, nor the answer", async () => {
  const told: string[] = [];
  const replies = [raw(JSON.stringify(password)), raw(`"hunter2`), raw(verifier.secret, 500), reset];
  for (const reply of replies) {
    verifier.answer = () => reply;
    // Safe: SessionErrors are errors.
    const failure = (await failureOf(ask())) as Error;
    told.push(
      JSON.stringify([
        { ...failure },
        failure.message,
        failure.stack,
        { ...Object(failure.cause) },
        String(failure.cause),
      ]),
    );
  }

  expect(told).toHaveLength(4);
  for (const text of told) {
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain(verifier.secret);
  }
});

test("no request leaves anything behind that keeps the process", async () => {
  const huge = await givenHttp((_request, response) => response.end("x".repeat(maxBytes * 2)));
  const urls = [verifier.url, huge, `http://127.0.0.1:${await freePort()}`];

  const answers = await askFromProcess(urls);

  expect(answers).toEqual(["proven", expect.stringContaining("is longer"), expect.stringContaining("ECONNREFUSED")]);
});

/** What comes of a check at each URL, in a process of its own, which ends by itself. */
async function askFromProcess(urls: string[], environment: Record<string, string> = {}): Promise<string[]> {
  const script = `
    import { createVerifier } from ${JSON.stringify(new URL("../src/verifier.ts", import.meta.url))};
    const options = { secret: ${JSON.stringify(verifier.secret)}, timeoutMs: ${minuteMs}, now: () => BigInt(Date.now()) * 1000n };
    for (const url of ${JSON.stringify(urls)}) {
      const asked = createVerifier({ ...options, url }).check(${JSON.stringify(subject)}, {}, new AbortController().signal);
      console.log(await asked.then(() => "proven", (error) => error.cause.message));
    }`;
  const args = ["--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...environment } });
  return stdout.trimEnd().split("\n");
}

async function givenHttp(handler: http.RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(http.createServer(handler))}/`;
}
