import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Code } from "@connectrpc/connect";
import { generateKeyPair, SignJWT } from "jose";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { createIssuer, type IssuerOptions } from "../../src/auth/issuer.ts";
import { createVerifyJwt } from "../../src/auth/jwt.ts";
import { openTestDatabase } from "../support/database.ts";
import { now } from "../support/given.ts";
import { audience, startTestIssuer, type TestIssuer } from "../support/issuer.ts";
import { startTestServer } from "../support/server.ts";
import { createClients, failureOf } from "./clients.ts";

const database = openTestDatabase();
afterAll(() => database.close());

const answered = "answered";
const unavailable = { code: Code.Unavailable, message: "the token issuer does not answer", id: undefined };
const refused = { code: Code.Unauthenticated, message: "Errors.Token.Invalid (AUTH-7fs1e)", id: "AUTH-7fs1e" };
const minuteMs = 60_000;

describe("an issuer that gets a new key", () => {
  test("is understood without a restart", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0 });
    expect(await call(await issuer.token())).toEqual(answered);

    await issuer.rotate();

    expect(await call(await issuer.token())).toEqual(answered);
  });

  test("is asked again at most once in the cooldown", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: minuteMs });
    const good = await issuer.token();
    expect(await call(good)).toEqual(answered);

    await issuer.rotate();

    for (const token of await Promise.all([issuer.token(), issuer.token()])) expect(await call(token)).toEqual(refused);
    expect(await call(good)).toEqual(answered);
    expect(issuer.keyFetches).toBe(1);
  });

  test("no longer lends its name to the old one, once the keys are too old", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0, maxAgeMs: 0 });
    const old = await issuer.token();
    expect(await call(old)).toEqual(answered);

    await issuer.rotate();

    expect(await call(old)).toEqual(refused);
  });
});

describe("how often the issuer is asked", () => {
  test("not before the first token that could be its own", async () => {
    const { issuer, call } = await givenServer();

    expect(await call("nonsense")).toEqual(refused);

    expect(issuer.keyFetches).toBe(0);
  });

  test("once for many tokens that come at the same time", async () => {
    const { issuer, call } = await givenServer();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => issuer.token({ sub: `user-${i}` })));

    expect(await Promise.all(tokens.map(call))).toEqual(Array(20).fill(answered));

    expect(issuer.keyFetches).toBe(1);
  });

  test("not for every token with an unknown key", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: minuteMs });
    expect(await call(await issuer.token())).toEqual(answered);

    for (let i = 0; i < 20; i += 1) expect(await call(await forgedToken(issuer.url))).toEqual(refused);

    expect(issuer.keyFetches).toBe(1);
  });
});

describe("an issuer that is down", () => {
  test("at start is said to be, and is found once it comes up", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0 });
    const token = await issuer.token();
    await issuer.stop();

    expect(await call(token)).toEqual(unavailable);
    expect(await call(token)).toEqual(unavailable);
    await issuer.start();
    expect(await call(token)).toEqual(answered);
  });

  test("at start leaves a token that cannot be good refused", async () => {
    const { issuer, call } = await givenServer();
    await issuer.stop();

    expect(await call("nonsense")).toEqual(refused);
    await issuer.start();
  });

  test("later leaves known keys good, and only unknown ones without an answer", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0 });
    const known = await issuer.token();
    expect(await call(known)).toEqual(answered);
    await issuer.stop();
    await issuer.rotate();
    const unknown = await issuer.token();

    expect(await call(known)).toEqual(answered);
    expect(await call(unknown)).toEqual(unavailable);
    expect(await call(known)).toEqual(answered);
    await issuer.start();
    expect(await call(unknown)).toEqual(answered);
  });

  test("leaves keys good that are due for a new look", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0, maxAgeMs: 0 });
    const known = await issuer.token();
    expect(await call(known)).toEqual(answered);

    await issuer.stop();

    expect(await call(known)).toEqual(answered);
    await issuer.start();
  });

  test("for too long takes its keys with it", async () => {
    const { issuer, call } = await givenServer({ cooldownMs: 0, maxAgeMs: 0, maxStaleMs: -1 });
    const known = await issuer.token();
    expect(await call(known)).toEqual(answered);

    await issuer.stop();

    expect(await call(known)).toEqual(unavailable);
    await issuer.start();
  });
});

describe("a discovery document", () => {
  test.each<[string, (real: TestIssuer, fakeUrl: string) => Discovery]>([
    ["that speaks for another issuer", (real) => ({ json: { issuer: real.url, jwks_uri: `${real.url}/keys` } })],
    ["that speaks for nobody", (real) => ({ json: { jwks_uri: `${real.url}/keys` } })],
    ["that differs by a slash", (real, url) => ({ json: { issuer: `${url}/`, jwks_uri: `${real.url}/keys` } })],
    ["without keys", (_real, url) => ({ json: { issuer: url } })],
    ["that is not there", () => ({ status: 404, json: {} })],
    ["that is no JSON", () => ({ body: "<html>" })],
    [
      "that stands elsewhere",
      (real) => ({ status: 302, headers: { location: `${real.url}/.well-known/openid-configuration` } }),
    ],
  ])("%s is not trusted", async (_name, discovery) => {
    const real = await givenIssuer();
    const url = await givenDiscovery((fakeUrl) => discovery(real, fakeUrl));
    const { call } = await givenServer({}, { ...real, url });

    expect(await call(await real.token({ iss: url }))).toEqual(unavailable);
    expect(real.keyFetches).toBe(0);
  });

  test("is found under an issuer whose URL ends in a slash", async () => {
    const real = await givenIssuer();
    const url = await givenDiscovery((fake) => ({ json: { issuer: `${fake}/`, jwks_uri: `${real.url}/keys` } }));
    const { call } = await givenServer({}, { ...real, url: `${url}/` });

    expect(await call(await real.token({ iss: `${url}/` }))).toEqual(answered);
  });
});

interface Discovery {
  status?: number;
  headers?: Record<string, string>;
  json?: object;
  body?: string;
}

async function givenIssuer(): Promise<TestIssuer> {
  const issuer = await startTestIssuer();
  onTestFinished(() => issuer.stop());
  return issuer;
}

/** A server that trusts an issuer by these options, and what it does with a token. */
async function givenServer(options: IssuerOptions = {}, issuer?: TestIssuer) {
  const trusted = issuer ?? (await givenIssuer());
  const verifyJwt = createVerifyJwt({
    issuer: createIssuer(trusted.url, options),
    audience,
    now: () => BigInt(Date.now()) * 1_000n,
  });
  const authenticate = createAuthenticate({ instanceId: randomUUID(), verifyJwt, database, now: () => now });
  const server = await startTestServer({ authenticate, directory: { database, now: () => now } });
  onTestFinished(() => server.close());
  const { sessions } = createClients(server);
  const call = async (token: string) => {
    const response = sessions.listSessions({}, { headers: { authorization: `Bearer ${token}` } });
    return await response.then(
      () => answered,
      () => failureOf(response),
    );
  };
  return { issuer: trusted, call };
}

/** A web server that answers every path with one document; its URL. */
async function givenDiscovery(discovery: (url: string) => Discovery): Promise<string> {
  const server = createServer((_request, response) => {
    const { status = 200, headers = {}, json, body = JSON.stringify(json) } = discovery(url);
    response.writeHead(status, { connection: "close", ...headers }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // Safe: it listens on a port, not on a pipe.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => void server.close());
  return url;
}

/** A token that says what a good one says, signed with a key that nobody knows. */
async function forgedToken(iss: string): Promise<string> {
  const { privateKey } = await generateKeyPair("ES256");
  return await new SignJWT({ iss, aud: audience, sub: "ann" })
    .setProtectedHeader({ alg: "ES256", kid: randomUUID() })
    .setExpirationTime("1h")
    .sign(privateKey);
}
