import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createIssuer, type IssuerOptions } from "../../src/auth/issuer.ts";
import { createVerifyJwt } from "../../src/auth/jwt.ts";
import { instantOfMs } from "../../src/sessions/instant.ts";
import { audience, startTestIssuer } from "../support/issuer.ts";

const minuteMs = 60_000;
// For those who never answer; the others get a second.
const shortMs = 50;
const secondMs = 1_000;
const unavailable = "issuer_unavailable";
const fail = (response: ServerResponse) => void response.writeHead(500).end();
const hang = () => {};

describe("an issuer that hangs", () => {
  test("is asked once in the cooldown, and its keys stay good although they are due for a new look", async () => {
    const { issuer, verify } = await givenIssuer({ timeoutMs: secondMs, cooldownMs: minuteMs, maxAgeMs: 0 });
    const known = await issuer.token();
    expect(await verify(known)).toBe("good");
    const before = issuer.requests.length;

    issuer.answer = hang;

    for (let i = 0; i < 5; i += 1) {
      const tokens = [...Array(10).fill(known), await issuer.unknownToken()];
      expect(await Promise.all(tokens.map(verify))).toEqual([...Array(10).fill("good"), unavailable]);
    }
    expect(issuer.requests.slice(before)).toEqual(["/keys"]);
  });

  test("is asked again after the cooldown, and found once it answers", async () => {
    const { issuer, verify } = await givenIssuer({ timeoutMs: secondMs, cooldownMs: 0, maxAgeMs: 0 });
    const known = await issuer.token();
    expect(await verify(known)).toBe("good");
    const { answer } = issuer;
    issuer.answer = hang;
    const unknown = await issuer.unknownToken();
    expect(await verify(unknown)).toBe(unavailable);

    issuer.answer = answer;

    expect(await verify(unknown)).toBe("good");
  });

  test("from the start is given up after the timeout, and asked once in the cooldown", async () => {
    const { issuer, verify } = await givenIssuer({ timeoutMs: shortMs, cooldownMs: minuteMs });
    issuer.answer = hang;

    for (let i = 0; i < 5; i += 1) expect(await verify(await issuer.token())).toBe(unavailable);

    expect(issuer.requests).toEqual([discovery]);
  });

  test("in the middle of its discovery document is given up after the timeout", async () => {
    const { issuer, verify } = await givenIssuer({ timeoutMs: shortMs, cooldownMs: minuteMs });
    issuer.answer = (response) => void response.writeHead(200).write("{");

    expect(await verify(await issuer.token())).toBe(unavailable);
  });
});

describe("an issuer that fails", () => {
  test("is not asked for every token", async () => {
    const { issuer, verify } = await givenIssuer({ cooldownMs: minuteMs });
    issuer.answer = fail;

    for (let i = 0; i < 50; i += 1) expect(await verify(await issuer.unknownToken())).toBe(unavailable);

    expect(issuer.requests).toEqual([discovery]);
  });

  test("to give its keys is not asked for every token", async () => {
    const { issuer, verify } = await givenIssuer({ cooldownMs: minuteMs });
    const { answer } = issuer;
    issuer.answer = (response, path) => (path === discovery ? answer(response, path) : fail(response));

    for (let i = 0; i < 50; i += 1) expect(await verify(await issuer.unknownToken())).toBe(unavailable);

    expect(issuer.requests).toEqual([discovery, "/keys"]);
  });
});

test("a discovery document that stands elsewhere is not fetched, even if it is the right one", async () => {
  const { issuer, verify } = await givenIssuer();
  const { answer } = issuer;
  issuer.answer = (response, path) => {
    if (path === discovery) response.writeHead(302, { location: "/elsewhere" }).end();
    else answer(response, path === "/elsewhere" ? discovery : path);
  };

  expect(await verify(await issuer.token())).toBe(unavailable);
  expect(issuer.requests).toEqual([discovery]);
});

const discovery = "/.well-known/openid-configuration";

/** An issuer whose answers a test can replace, and what becomes of tokens of its. */
async function givenIssuer(options: IssuerOptions = {}) {
  const real = await startTestIssuer();
  const issuer = {
    url: "",
    /** The paths that were asked for. */
    requests: [] as string[],
    answer(response: ServerResponse, path: string) {
      if (path === discovery) return answerJson(response, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
      return fetch(`${real.url}/keys`).then(async (keys) => answerJson(response, await keys.json()));
    },
    token: () => real.token({ iss: issuer.url }),
    /** A token with a key that is new to everybody. */
    async unknownToken() {
      await real.rotate();
      return await issuer.token();
    },
  };
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    issuer.requests.push(path);
    void issuer.answer(response, path);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await real.stop();
  });
  // Safe: it listens on a port, not on a pipe.
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { issuer, verify: createVerify(createIssuer(issuer.url, options)) };
}

function createVerify(issuer: ReturnType<typeof createIssuer>) {
  const verifyJwt = createVerifyJwt({ issuer, audience, now: () => instantOfMs(Date.now()) });
  return (token: string) =>
    verifyJwt(token).then(
      () => "good",
      (error) => error.reason,
    );
}

function answerJson(response: ServerResponse, json: unknown): void {
  response.writeHead(200, { "content-type": "application/json", connection: "close" }).end(JSON.stringify(json));
}
