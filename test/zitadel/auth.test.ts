import { randomUUID, type webcrypto } from "node:crypto";
import { Code } from "@connectrpc/connect";
import {
  type CompactJWSHeaderParameters,
  CompactSign,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { audience } from "../support/issuer.ts";
import { startTestServer } from "../support/server.ts";
import { admin, createClients, failureOf } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());
const { sessions } = createClients(server);

// The time of tokens is the real one.
const nowSeconds = Math.floor(Date.now() / 1_000);
const usual: JWTPayload = { iss: server.issuer.url, aud: audience, sub: "ann", exp: nowSeconds + 60 };
const { publicJwk, kid } = await fetchKey();

describe("a token that is good", () => {
  test.each<[string, JWTPayload]>([
    ["has what the issuer says", {}],
    ["may be for others too", { aud: ["somebody-else", audience] }],
    ["may begin in the past", { nbf: nowSeconds - 60 }],
    ["may lack the time of its making", { iat: undefined }],
    ["may carry claims that nobody knows", { azp: "app", roles: { admin: true }, scope: ["session.read"] }],
  ])("%s", async (_rule, claims) => {
    expect(await callWith(`Bearer ${await server.issuer.token(claims)}`)).toBe("answered");
  });

  test.each([["bearer"], ["BEARER"]])("may be announced as %s", async (scheme) => {
    expect(await callWith(`${scheme} ${await server.issuer.token()}`)).toBe("answered");
  });
});

describe("a token with wrong claims is refused", () => {
  test.each<[string, JWTPayload]>([
    ["another issuer", { iss: "https://evil.example.com" }],
    ["an issuer that only begins like ours", { iss: `${server.issuer.url}/evil` }],
    ["no issuer", { iss: undefined }],
    ["another audience", { aud: "somebody-else" }],
    ["several other audiences", { aud: ["a", "b"] }],
    ["an audience that differs by case", { aud: audience.toUpperCase() }],
    ["no audience", { aud: undefined }],
    ["an end in the past", { exp: nowSeconds - 60 }],
    ["an end in 1970", { exp: 0 }],
    ["no end", { exp: undefined }],
    ["a start in the future", { nbf: nowSeconds + 600 }],
    ["no user", { sub: undefined }],
    ["an empty user", { sub: "" }],
    ["a user with a NUL", { sub: "ann\0" }],
  ])("%s", async (_name, claims) => {
    expect(await callWith(`Bearer ${await server.issuer.token(claims)}`)).toEqual(refusal);
  });
});

describe("a token with a wrong signature is refused", () => {
  test.each<[string, () => string | Promise<string>]>([
    ["none at all", () => new UnsecuredJWT(usual).encode()],
    ["none, but the name of the key", () => `${encode({ alg: "none", kid })}.${encode(usual)}.`],
    ["none in other letters", () => `${encode({ alg: "None", kid })}.${encode(usual)}.`],
    ["that of the public key as a shared secret", () => signWithSecret(JSON.stringify(publicJwk))],
    ["that of the public key's coordinate as a shared secret", () => signWithSecret(publicJwk.x ?? "")],
    ["that of another key under the name of ours", () => signWithKeyOf("ES256", { kid })],
    ["that of an unknown key", () => signWithKeyOf("ES256", { kid: "unknown" })],
    ["that of a key without a name", () => signWithKeyOf("ES256", {})],
    ["that of another algorithm under the name of our key", () => signWithKeyOf("RS256", { kid })],
    ["that of a key inside the token", signWithKeyInside],
    ["one flipped bit", async () => flip(await server.issuer.token())],
    ["another token's", mixed],
    ["an extension that must be understood", () => signWithKeyOf("ES256", { kid, crit: ["exp"], exp: 1 })],
  ])("%s", async (_name, token) => {
    expect(await callWith(`Bearer ${await token()}`)).toEqual(refusal);
  });
});

describe("a header that is no bearer token is refused", () => {
  test.each<[string, (token: string) => string]>([
    ["empty", () => ""],
    ["the scheme alone", () => "Bearer"],
    ["the scheme and a space", () => "Bearer "],
    ["the token alone", (token) => token],
    ["another scheme", (token) => `Basic ${token}`],
    ["a scheme that begins like it", (token) => `Bearers ${token}`],
    ["two tokens", (token) => `Bearer ${token} ${token}`],
    ["two headers in one", (token) => `Bearer ${token}, Bearer ${token}`],
    ["two spaces", (token) => `Bearer  ${token}`],
    ["no token", () => "Bearer nonsense"],
    ["three empty parts", () => "Bearer .."],
    ["a text as claims", () => `Bearer ${encode({ alg: "ES256", kid })}.${encode("x")}.AA`],
    ["8,000 characters", () => `Bearer ${"x".repeat(8_000)}`],
  ])("%s", async (_name, header) => {
    expect(await callWith(header(await server.issuer.token()))).toEqual(refusal);
  });

  test("missing, which is said", async () => {
    expect(await failureOf(sessions.listSessions({}))).toEqual({
      code: Code.Unauthenticated,
      message: "auth header missing",
      id: undefined,
    });
  });
});

describe("the scope of a token", () => {
  beforeAll(() => server.given.session({ id: "of-ann", userId: "ann" }));

  test.each([
    ["words of others are ignored", "openid profile session.read email", ["of-ann"]],
    ["the order of words and spaces between them do not matter", "  openid   session.read  ", ["of-ann"]],
    ["an organization is told after a slash", "openid session.read/org-1", ["of-ann"]],
    ["an empty organization grants nothing, least of all everything", "session.read/", []],
    ["case matters", "Session.Read SESSION.READ", []],
    ["a word that begins like ours grants nothing", "session.reader session.read.all session.read:org-1", []],
    ["a word that ends like ours grants nothing", "zitadel:session.read", []],
    ["spaces are the only separator", "openid,session.read", []],
    ["a NUL grants nothing", "session.read \0", []],
    ["no scope grants nothing", "", []],
  ])("%s", async (_rule, scope, expected) => {
    const headers = { authorization: `Bearer ${await server.issuer.token({ sub: "stranger", scope })}` };
    const response = await sessions.listSessions({}, { headers });

    expect(response.sessions.map((session) => session.id)).toEqual(expected);
  });
});

const refusal = { code: Code.Unauthenticated, message: "Errors.Token.Invalid (AUTH-7fs1e)", id: "AUTH-7fs1e" };

async function callWith(authorization: string) {
  const call = sessions.listSessions({ query: { limit: 1 } }, { headers: { authorization } });
  return await call.then(
    () => "answered",
    () => failureOf(call),
  );
}

async function fetchKey(): Promise<{ publicJwk: JWK; kid: string }> {
  const response = await fetch(`${server.issuer.url}/keys`);
  // Safe: it is the issuer of the tests that answers.
  const { keys } = (await response.json()) as { keys: [JWK & { kid: string }] };
  return { publicJwk: keys[0], kid: keys[0].kid };
}

async function signWithSecret(secret: string): Promise<string> {
  return await new SignJWT({ ...usual, ...admin })
    .setProtectedHeader({ alg: "HS256", kid })
    .sign(new TextEncoder().encode(secret.padEnd(32, "\0")));
}

async function signWithKeyOf(alg: string, header: object): Promise<string> {
  const { privateKey } = await generateKeyPair(alg);
  return await sign(privateKey, { alg, ...header });
}

async function signWithKeyInside(): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  return await sign(privateKey, { alg: "ES256", kid, jwk, jku: `${server.issuer.url}/keys?${randomUUID()}` });
}

async function sign(key: webcrypto.CryptoKey, header: CompactJWSHeaderParameters): Promise<string> {
  const claims = new TextEncoder().encode(JSON.stringify(usual));
  return await new CompactSign(claims).setProtectedHeader(header).sign(key, { crit: { exp: true } });
}

async function mixed(): Promise<string> {
  const [header, claims] = (await server.issuer.token(admin)).split(".");
  const [, , signature] = (await server.issuer.token({ sub: "ann" })).split(".");
  return `${header}.${claims}.${signature}`;
}

function flip(token: string): string {
  const [header, claims, signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes.writeUInt8(bytes.readUInt8(10) ^ 1, 10);
  return `${header}.${claims}.${bytes.toString("base64url")}`;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
