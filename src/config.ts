import { readDuration } from "./duration.ts";

const minSecretLength = 32;

interface Setting<T> {
  /** The variable's name. */
  name: string;
  /** What an unset or empty variable means, as text; "" if it has no default. */
  unset: string;
  /** Reads the text; throws an Error that says what it must be. */
  read: (text: string) => T;
}

/** Every setting, in the order of docs/configuration.md, which tells what each is for. */
export const settings = {
  host: setting("HOST", "127.0.0.1", readText),
  port: setting("PORT", "8080", readInteger(0, 65_535)),
  databaseUrl: setting("DATABASE_URL", "", optional(readUrl("postgres:", "postgresql:"))),
  databaseConnections: setting("DATABASE_CONNECTIONS", "10", readInteger(1, 1_000)),
  dataDir: setting("DATA_DIR", ".rollcall", readText),
  instanceId: setting("INSTANCE_ID", "default", readText),
  oidcIssuer: setting("OIDC_ISSUER", "", optional(readUrl("https:", "http:"))),
  oidcAudience: setting("OIDC_AUDIENCE", "", optional(readText)),
  publicUrl: setting("PUBLIC_URL", "", optional(readUrl("https:", "http:"))),
  sessionCookieName: setting("SESSION_COOKIE_NAME", "ory_kratos_session", readCookieName),
  sessionRequiredAal: setting("SESSION_REQUIRED_AAL", "aal1", readOneOf("aal1", "highest_available")),
  sessionLifespanMs: setting("SESSION_LIFESPAN_MS", "86400000", readInteger(1, Number.MAX_SAFE_INTEGER)),
  verifierUrl: setting("VERIFIER_URL", "", optional(readUrl("https:", "http:"))),
  verifierSecret: setting("VERIFIER_SECRET", "", optional(readSecret)),
  retentionEndedMs: setting("RETENTION_ENDED", "90d", readDuration),
  retentionExpiredMs: setting("RETENTION_EXPIRED", "30d", readDuration),
  corsOrigins: setting("CORS_ORIGINS", "", readOrigins),
  tlsCertFile: setting("TLS_CERT_FILE", "", optional(readText)),
  tlsKeyFile: setting("TLS_KEY_FILE", "", optional(readText)),
  requestTimeoutMs: setting("REQUEST_TIMEOUT_MS", "30000", readInteger(1, 3_600_000)),
  shutdownTimeoutMs: setting("SHUTDOWN_TIMEOUT_MS", "10000", readInteger(0, 3_600_000)),
  logLevel: setting("LOG_LEVEL", "info", readOneOf("fatal", "error", "warn", "info", "debug", "trace", "silent")),
};

/** What the environment says. */
export type Config = { [K in keyof typeof settings]: ReturnType<(typeof settings)[K]["read"]> };

/** The environment makes no configuration. Its message tells every problem, a line each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What is wrong, by the variable's name: each text continues it, like `must be set`. */
export type Problems = Map<string, string>;

/** What a command wants of its configuration beyond the usual. */
export interface ConfigOptions {
  /** Defaults, by variable, that differ from the usual ones. */
  defaults?: Environment;
  /** Tells what is missing or wrong for a purpose, though each setting by itself is good. */
  check?: (config: Partial<Config>) => Problems;
}

/** Reads the configuration from an environment. Throws ConfigError with all that is wrong with it. */
export function readConfig(
  environment: Environment = process.env,
  { defaults = {}, check = noProblems }: ConfigOptions = {},
): Config {
  const problems: Problems = new Map();
  const entries = Object.entries(settings).map(([key, { name, unset, read }]) => {
    try {
      return [key, read(environment[name]?.trim() || (defaults[name] ?? unset))];
    } catch (error) {
      problems.set(name, error instanceof Error ? error.message : String(error));
      return [key, undefined];
    }
  });
  // Safe: each key of Config was read by its own setting, or there is a problem.
  const config = Object.fromEntries(entries) as Config;
  for (const [name, problem] of [...checkPairs(environment), ...check(config)]) {
    // A setting that could not be read has been told of already.
    if (!problems.has(name)) problems.set(name, problem);
  }
  if (problems.size > 0) throw new ConfigError([...problems].map((problem) => problem.join(" ")).join("\n"));
  return config;
}

function noProblems(): Problems {
  return new Map();
}

// Of the texts: one that could not be read is set nevertheless.
function checkPairs(environment: Environment): Problems {
  const pairs = [
    ["TLS_CERT_FILE", "TLS_KEY_FILE"],
    ["VERIFIER_URL", "VERIFIER_SECRET"],
  ] as const;
  const isSet = (name: string) => Boolean(environment[name]?.trim());
  return new Map(
    pairs.flatMap(([one, other]) => {
      if (isSet(one) === isSet(other)) return [];
      const [present, missing] = isSet(one) ? [one, other] : [other, one];
      return [[missing, `must be set together with ${present}`]];
    }),
  );
}

function setting<T>(name: string, unset: string, read: (text: string) => T): Setting<T> {
  return { name, unset, read };
}

function optional<T>(read: (text: string) => T): (text: string) => T | undefined {
  return (text) => (text === "" ? undefined : read(text));
}

function readText(text: string): string {
  return text;
}

function readSecret(text: string): string {
  // As many as HMAC-SHA256 has bytes of strength; the text is not repeated.
  if (text.length < minSecretLength) throw new Error(`must have at least ${minSecretLength} characters`);
  return text;
}

function readCookieName(text: string): string {
  // RFC 6265: a token of HTTP.
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(text)) throw new Error("must be a name that a cookie can have");
  return text;
}

function readInteger(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) throw new Error(`must be a whole number, ${min} to ${max}`);
    return value;
  };
}

function readUrl(...protocols: string[]): (text: string) => string {
  return (text) => {
    // The text is not repeated: a database URL holds a password.
    if (!URL.canParse(text) && protocols.some((protocol) => text.startsWith(`${protocol}//`))) {
      throw new Error("is no URL: special characters of a name or a password must be percent-encoded");
    }
    if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
      throw new Error(`must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`);
    }
    return text;
  };
}

function readOrigins(text: string): string[] {
  const origins = text.split(/[\s,]+/).filter((origin) => origin !== "");
  if (!origins.every((origin) => origin === "*" || (URL.canParse(origin) && new URL(origin).origin === origin))) {
    throw new Error("must hold origins like https://example.com, or *, none with a path");
  }
  return origins;
}

function readOneOf<T extends string>(...values: T[]): (text: string) => T {
  return (text) => {
    const value = values.find((value) => value === text);
    if (value === undefined) throw new Error(`must be one of ${values.join(", ")}`);
    return value;
  };
}
