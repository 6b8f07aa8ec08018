import { generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { instantOfMs } from "../sessions/instant.ts";
import type { Issuer } from "./issuer.ts";
import { createVerifyJwt } from "./jwt.ts";

const url = "https://id.example";
const audience = "rollcall";
const nowSeconds = Date.parse("2026-03-01T12:00:00Z") / 1_000;
const secret = new TextEncoder().encode("a secret that is long enough for HMAC by any measure, up to SHA-512");
const { privateKey, publicKey } = await generateKeyPair("ES256");

describe("a token signed with a shared secret", () => {
  test.each([["HS256"], ["HS384"], ["HS512"]])("%s is refused, even if the issuer has the secret", async (alg) => {
    const token = await toJwt().setProtectedHeader({ alg }).sign(secret);

    await expect(verify(token, async () => secret)).rejects.toMatchObject({ reason: "token_invalid" });
  });
});

describe("the issuer's clock may differ from ours by seconds", () => {
  test.each<[string, JWTPayload]>([
    ["begins in 3 s", { nbf: nowSeconds + 3 }],
    ["ended 3 s ago", { exp: nowSeconds - 3 }],
  ])("a token that %s is good", async (_name, claims) => {
    expect(await verifyClaims(claims)).toMatchObject({ userId: "ann" });
  });

  test.each<[string, JWTPayload]>([
    ["begins in 60 s", { nbf: nowSeconds + 60 }],
    ["begins in 6 s", { nbf: nowSeconds + 6 }],
    ["ended 60 s ago", { exp: nowSeconds - 60 }],
    ["ended 6 s ago", { exp: nowSeconds - 6 }],
  ])("a token that %s is refused", async (_name, claims) => {
    await expect(verifyClaims(claims)).rejects.toMatchObject({ reason: "token_invalid" });
  });
});

async function verifyClaims(claims: JWTPayload) {
  const token = await toJwt(claims).setProtectedHeader({ alg: "ES256" }).sign(privateKey);
  return await verify(token, async () => publicKey);
}

function toJwt(claims: JWTPayload = {}): SignJWT {
  return new SignJWT({ iss: url, aud: audience, sub: "ann", exp: nowSeconds + 60, ...claims });
}

function verify(token: string, getKey: Issuer["getKey"]) {
  return createVerifyJwt({ issuer: { url, getKey }, audience, now: () => instantOfMs(nowSeconds * 1_000) })(token);
}
