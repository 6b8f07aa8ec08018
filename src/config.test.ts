import { describe, expect, test } from "vitest";
import { type Config, ConfigError, readConfig } from "./config.ts";

describe("readConfig", () => {
  const usual: Config = {
    host: "127.0.0.1",
    port: 8080,
    databaseUrl: undefined,
    databaseConnections: 10,
    dataDir: ".rollcall",
    instanceId: "default",
    oidcIssuer: undefined,
    oidcAudience: undefined,
    publicUrl: undefined,
    sessionCookieName: "ory_kratos_session",
    sessionRequiredAal: "aal1",
    sessionLifespanMs: 86_400_000,
    verifierUrl: undefined,
    verifierSecret: undefined,
    retentionEndedMs: 90 * 86_400_000,
    retentionExpiredMs: 30 * 86_400_000,
    corsOrigins: [],
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
    requestTimeoutMs: 30_000,
    shutdownTimeoutMs: 10_000,
    logLevel: "info",
  };

  test("an empty environment means the defaults", () => {
    expect(readConfig({})).toEqual(usual);
  });

  test("empty and blank variables are as good as unset ones", () => {
    expect(readConfig({ PORT: "", DATABASE_URL: "  ", CORS_ORIGINS: "\t", TLS_CERT_FILE: "" })).toEqual(usual);
  });

  test("variables that are nobody's are ignored", () => {
    expect(readConfig({ PORTS: "x", port: "x", PATH: "/bin" })).toEqual(usual);
  });

  test.each<[string, string, Partial<Config>]>([
    ["HOST", "::", { host: "::" }],
    ["PORT", "0", { port: 0 }],
    ["PORT", " 65535 ", { port: 65_535 }],
    [
      "DATABASE_URL",
      "postgres://u:p@h:5432/d?sslmode=require",
      { databaseUrl: "postgres://u:p@h:5432/d?sslmode=require" },
    ],
    ["DATABASE_URL", "postgresql://h/d", { databaseUrl: "postgresql://h/d" }],
    ["DATABASE_CONNECTIONS", "1", { databaseConnections: 1 }],
    ["DATA_DIR", "/var/lib/roll call", { dataDir: "/var/lib/roll call" }],
    ["INSTANCE_ID", "one", { instanceId: "one" }],
    ["OIDC_ISSUER", "https://issuer.example.com/", { oidcIssuer: "https://issuer.example.com/" }],
    ["OIDC_ISSUER", "http://localhost:8081", { oidcIssuer: "http://localhost:8081" }],
    ["OIDC_AUDIENCE", "rollcall", { oidcAudience: "rollcall" }],
    ["CORS_ORIGINS", "*", { corsOrigins: ["*"] }],
    [
      "CORS_ORIGINS",
      "https://a.com, http://b:1 https://c.com",
      { corsOrigins: ["https://a.com", "http://b:1", "https://c.com"] },
    ],
    ["REQUEST_TIMEOUT_MS", "3600000", { requestTimeoutMs: 3_600_000 }],
    ["SHUTDOWN_TIMEOUT_MS", "0", { shutdownTimeoutMs: 0 }],
    ["LOG_LEVEL", "silent", { logLevel: "silent" }],
  ])("%s=%s is read", (name, value, expected) => {
    expect(readConfig({ [name]: value })).toEqual({ ...usual, ...expected });
  });

  test("a certificate and its key are read together", () => {
    expect(readConfig({ TLS_CERT_FILE: "a.pem", TLS_KEY_FILE: "b.pem" })).toMatchObject({
      tlsCertFile: "a.pem",
      tlsKeyFile: "b.pem",
    });
  });

  test("defaults of the caller come before the usual ones and after the environment", () => {
    const defaults = { LOG_LEVEL: "warn", PORT: "1" };

    expect(readConfig({ PORT: "2" }, { defaults })).toEqual({ ...usual, logLevel: "warn", port: 2 });
  });
});

describe("readConfig refuses", () => {
  test.each([
    ["PORT", "-1", "PORT must be a whole number, 0 to 65535"],
    ["PORT", "65536", "PORT must be a whole number, 0 to 65535"],
    ["PORT", "80.5", "PORT must be a whole number, 0 to 65535"],
    ["PORT", "1e3", "PORT must be a whole number, 0 to 65535"],
    ["PORT", "0x50", "PORT must be a whole number, 0 to 65535"],
    ["PORT", "http", "PORT must be a whole number, 0 to 65535"],
    ["DATABASE_CONNECTIONS", "0", "DATABASE_CONNECTIONS must be a whole number, 1 to 1000"],
    ["REQUEST_TIMEOUT_MS", "0", "REQUEST_TIMEOUT_MS must be a whole number, 1 to 3600000"],
    ["SHUTDOWN_TIMEOUT_MS", "3600001", "SHUTDOWN_TIMEOUT_MS must be a whole number, 0 to 3600000"],
    ["DATABASE_URL", "mysql://h/d", "DATABASE_URL must be a URL that begins with postgres:// or postgresql://"],
    ["DATABASE_URL", "host=h user=u", "DATABASE_URL must be a URL that begins with postgres:// or postgresql://"],
    [
      "DATABASE_URL",
      "postgres://u:a#b/c@h/d",
      "DATABASE_URL is no URL: special characters of a name or a password must",
    ],
    ["OIDC_ISSUER", "issuer.example.com", "OIDC_ISSUER must be a URL that begins with https:// or http://"],
    ["OIDC_ISSUER", "ftp://issuer", "OIDC_ISSUER must be a URL that begins with https:// or http://"],
    ["CORS_ORIGINS", "https://a.com/", "CORS_ORIGINS must hold origins like https://example.com, or *"],
    ["CORS_ORIGINS", "https://a.com b.com", "CORS_ORIGINS must hold origins like https://example.com, or *"],
    ["CORS_ORIGINS", "https://*.a.com/x", "CORS_ORIGINS must hold origins like https://example.com, or *"],
    ["CORS_ORIGINS", "null", "CORS_ORIGINS must hold origins like https://example.com, or *"],
    ["LOG_LEVEL", "INFO", "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent"],
    ["VERIFIER_URL", "https://login.example.com/verify", "VERIFIER_SECRET must be set together with VERIFIER_URL"],
    ["VERIFIER_SECRET", "x".repeat(32), "VERIFIER_URL must be set together with VERIFIER_SECRET"],
    ["RETENTION_ENDED", "90", "RETENTION_ENDED must be a duration like 90d, 12h, 30m or 45s, 1s to 36500d"],
    ["TLS_CERT_FILE", "a.pem", "TLS_KEY_FILE must be set together with TLS_CERT_FILE"],
    ["TLS_KEY_FILE", "b.pem", "TLS_CERT_FILE must be set together with TLS_KEY_FILE"],
  ])("%s=%s", (name, value, message) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringContaining(message)]);
  });

  test("a secret that is too short, and only that", () => {
    const problems = problemsOf({ VERIFIER_URL: "https://login.example.com", VERIFIER_SECRET: "x".repeat(31) });

    expect(problems).toEqual(["VERIFIER_SECRET must have at least 32 characters"]);
  });

  test("everything that is wrong at once, a line each", () => {
    const problems = problemsOf({
      PORT: "x",
      DATABASE_URL: "x",
      DATABASE_CONNECTIONS: "x",
      OIDC_ISSUER: "x",
      CORS_ORIGINS: "x",
      REQUEST_TIMEOUT_MS: "x",
      SHUTDOWN_TIMEOUT_MS: "x",
      LOG_LEVEL: "x",
    });

    expect(problems.map((problem) => problem.split(" ")[0])).toEqual([
      "PORT",
      "DATABASE_URL",
      "DATABASE_CONNECTIONS",
      "OIDC_ISSUER",
      "CORS_ORIGINS",
      "REQUEST_TIMEOUT_MS",
      "SHUTDOWN_TIMEOUT_MS",
      "LOG_LEVEL",
    ]);
  });

  test("a wrong default of the caller like a wrong variable", () => {
    expect(() => readConfig({}, { defaults: { PORT: "x" } })).toThrow("PORT must be a whole number");
  });

  test.each([
    ["DATABASE_URL", "postgres:/u:secret@h/d:x"],
    ["DATABASE_URL", "mysql://u:secret@h/d"],
    ["DATABASE_URL", "u:secret@h/d"],
    ["OIDC_ISSUER", "ldap://u:secret@issuer"],
    ["CORS_ORIGINS", "https://u:secret@a.com"],
  ])("%s=%s without repeating the password", (name, value) => {
    const problems = problemsOf({ [name]: value, PORT: "x" });

    expect(problems.join()).toMatch(/^PORT/);
    expect(problems.join()).not.toContain("secret");
  });
});

function problemsOf(environment: Record<string, string>): string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  throw new Error("nothing was wrong");
}
