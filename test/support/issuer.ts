import { randomUUID, type webcrypto } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

/** What a test's tokens are made for. */
export const audience = "rollcall-test";

/** A real OIDC issuer on loopback, with the powers a test needs. */
export interface TestIssuer {
  readonly url: string;
  /** How often its keys were fetched. */
  keyFetches: number;
  /** A good token; claims that are given replace the usual ones, undefined ones are left out. */
  token(claims?: JWTPayload): Promise<string>;
  /** Replaces its key by a new one. */
  rotate(): Promise<void>;
  /** From now on it answers nobody, until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Starts an issuer on a free port of loopback. */
export async function startTestIssuer(): Promise<TestIssuer> {
  let key = await createKey();
  const server = createServer((request, response) => {
    const isDiscovery = request.url === "/.well-known/openid-configuration";
    if (!isDiscovery) issuer.keyFetches += 1;
    const document = isDiscovery ? { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` } : { keys: [key.publicJwk] };
    // Not kept alive, so that a stopped issuer is gone at once.
    response.writeHead(200, { "content-type": "application/json", connection: "close" }).end(JSON.stringify(document));
  });
  let port = 0;
  const issuer = {
    url: "",
    keyFetches: 0,
    token(claims: JWTPayload = {}) {
      const nowSeconds = Math.floor(Date.now() / 1_000);
      const usual = { iss: issuer.url, aud: audience, sub: "somebody", iat: nowSeconds, exp: nowSeconds + 3_600 };
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: "ES256", kid: key.kid, typ: "at+jwt" })
        .sign(key.privateKey);
    },
    async rotate() {
      key = await createKey();
    },
    async stop() {
      server.close();
      await once(server, "close");
    },
    async start() {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      // Safe: it listens on a port, not on a pipe.
      port = (server.address() as AddressInfo).port;
      issuer.url = `http://127.0.0.1:${port}`;
    },
  };
  await issuer.start();
  return issuer;
}

async function createKey(): Promise<{ kid: string; privateKey: webcrypto.CryptoKey; publicJwk: JWK }> {
  const kid = randomUUID();
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" } };
}
