import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** Whom a token of the demo is for, and what it allows. */
export interface DemoClaims {
  userId: string;
  /** Permissions, space-separated; without any, one's own sessions only. */
  scope?: string;
  agentId?: string;
}

/** A token issuer on this machine: whoever can start it can have any token. */
export interface DemoIssuer {
  readonly url: string;
  /** A JWT access token, good for {@link tokenHours}. @see RFC 9068 */
  createToken(claims: DemoClaims): Promise<string>;
  close(): Promise<void>;
}

/** The audience of the demo's tokens. */
export const demoAudience = "rollcall-demo";

/** For how many hours a token of the demo is good. */
export const tokenHours = 12;

// By this path production knows the demo's issuer and refuses it.
const issuerPath = "/rollcall-demo-issuer";
const algorithm = "ES256";
const keyId = "demo";

/** Whether this is the URL of a demo's issuer, whichever machine and port it is on. */
export function isDemoIssuer(url: string): boolean {
  return URL.canParse(url) && new URL(url).pathname.replace(/\/$/, "") === issuerPath;
}

/** Starts an issuer on a free port of 127.0.0.1, with a key that nobody keeps: its tokens end with it. */
export async function startDemoIssuer(): Promise<DemoIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm);
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm, use: "sig" }] };
  const documents = new Map<string | undefined, () => object>([
    [`${issuerPath}/.well-known/openid-configuration`, () => describe(url)],
    [`${issuerPath}/keys`, () => keys],
  ]);
  const server = createServer((request, response) => {
    const document = documents.get(request.url)?.();
    response.writeHead(document ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(document ?? { error: "not_found" }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  // Safe: a server that listens on TCP has an AddressInfo.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${issuerPath}`;
  return {
    url,
    createToken: ({ userId, scope, agentId }) =>
      new SignJWT({ client_id: "demo", scope, agent_id: agentId })
        .setProtectedHeader({ alg: algorithm, typ: "at+jwt", kid: keyId })
        .setIssuer(url)
        .setAudience(demoAudience)
        .setSubject(userId)
        .setJti(crypto.randomUUID())
        .setIssuedAt()
        .setExpirationTime(`${tokenHours}h`)
        .sign(privateKey),
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

// Nobody signs in here, so there is no authorization endpoint to name.
function describe(url: string): object {
  return {
    issuer: url,
    jwks_uri: `${url}/keys`,
    response_types_supported: ["token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: [algorithm],
  };
}
