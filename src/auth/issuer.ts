import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWKSCacheInput,
  type JWTVerifyGetKey,
  jwksCache,
} from "jose";
import { SessionError } from "../errors.ts";

/** An OIDC issuer whose tokens are accepted. */
export interface Issuer {
  /** What its tokens carry as `iss`. */
  readonly url: string;
  /** Finds the key that signed a token. Throws SessionError `issuer_unavailable` if the issuer must be asked and fails. */
  readonly getKey: JWTVerifyGetKey;
}

/** How often an issuer is asked, in milliseconds. */
export interface IssuerOptions {
  /** For how long to wait for its answer. */
  timeoutMs?: number;
  /** An unknown key, or a failure, makes us ask again after this at the earliest, so that nobody can have us ask all the time. */
  cooldownMs?: number;
  /** Keys are fetched anew after this, so that a withdrawn one is forgotten. */
  maxAgeMs?: number;
  /** While it fails to answer, the keys it gave last stay good for this long. */
  maxStaleMs?: number;
}

type Keys = Required<JWKSCacheInput> | Record<string, never>;

/**
 * The issuer at a URL. Its keys are found by OIDC discovery when the first token comes, so it may be down at start;
 * new keys are noticed without a restart.
 *
 * @see OpenID Connect Discovery 1.0, section 4
 */
export function createIssuer(
  url: string,
  { timeoutMs = 5_000, cooldownMs = 5_000, maxAgeMs = 600_000, maxStaleMs = 86_400_000 }: IssuerOptions = {},
): Issuer {
  const known: Keys = {};
  const connect = async () =>
    createRemoteJWKSet(await discoverKeysUrl(url, timeoutMs), {
      timeoutDuration: timeoutMs,
      cooldownDuration: cooldownMs,
      cacheMaxAge: maxAgeMs,
      [jwksCache]: known,
    });
  let connecting: ReturnType<typeof connect> | undefined;
  const remote = () => {
    connecting ??= connect().catch((error) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  };
  // Why it could not be asked, and until when it is left alone: callers do not wait for it, nor does it for them.
  let failure: { error: unknown; untilMs: number } | undefined;
  const ask: JWTVerifyGetKey = async (header, token) => {
    if (failure !== undefined && Date.now() < failure.untilMs) throw failure.error;
    try {
      return await (await remote())(header, token);
    } catch (error) {
      if (!isAboutToken(error)) failure = { error, untilMs: Date.now() + cooldownMs };
      throw error;
    }
  };
  const getKey: JWTVerifyGetKey = async (header, token) => {
    try {
      return await ask(header, token);
    } catch (error) {
      if (isAboutToken(error)) throw error;
      return await findStaleKey(known, maxStaleMs, header, token).catch(() => {
        throw new SessionError("issuer_unavailable", "the token issuer does not answer", { cause: error });
      });
    }
  };
  return { url, getKey };
}

async function discoverKeysUrl(url: string, timeoutMs: number): Promise<URL> {
  const response = await fetch(`${url.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(timeoutMs),
    redirect: "error",
  });
  if (response.status !== 200) throw new Error(`discovery of ${url} answered ${response.status}`);
  // Safe: both fields are checked below.
  const { issuer, jwks_uri } = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  // Anything else could pass somebody else's keys off as this issuer's.
  if (issuer !== url) throw new Error(`discovery of ${url} speaks for another issuer: ${issuer}`);
  return new URL(String(jwks_uri));
}

async function findStaleKey(known: Keys, maxStaleMs: number, ...token: Parameters<JWTVerifyGetKey>) {
  if (known.jwks === undefined || Date.now() - known.uat > maxStaleMs) throw new errors.JWKSNoMatchingKey();
  return await createLocalJWKSet(known.jwks)(...token);
}

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
