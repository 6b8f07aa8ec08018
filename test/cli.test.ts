import { generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createTestDatabase, openTestDatabase, type TestDatabase, testDatabaseUrl } from "./support/database.ts";
import { audience, startTestIssuer, type TestIssuer } from "./support/issuer.ts";
import { startCommand } from "./support/rollcall.ts";

describe("rollcall --help", () => {
  test("shows the commands", async () => {
    const { code, stdout } = await startCommand(["--help"]).ended;

    expect(code).toBe(0);
    for (const command of ["serve", "migrate", "import"]) expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
  });
});

describe("rollcall serve", () => {
  test("says what is missing if nothing tells whose callers to trust, and fails", async () => {
    const { code, stdout, stderr } = await startCommand(["serve"]).ended;

    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^rollcall: OIDC_ISSUER is not set/);
    expect(stderr).toMatch(/^OIDC_AUDIENCE is not set/m);
  });

  test("refuses the demo's issuer", async () => {
    const settings = { OIDC_ISSUER: "http://127.0.0.1:9/rollcall-demo-issuer", OIDC_AUDIENCE: audience };

    const { code, stderr } = await startCommand(["serve"], settings).ended;

    expect([code, stderr]).toEqual([1, expect.stringContaining("OIDC_ISSUER is the demo's issuer")]);
  });

  test("tells every setting that is wrong or missing at once", async () => {
    const settings = { PORT: "high", TLS_KEY_FILE: "key.pem", OIDC_ISSUER: "https://id.example" };

    const { code, stderr } = await startCommand(["serve"], settings).ended;

    expect(code).toBe(1);
    for (const problem of ["PORT must", "TLS_CERT_FILE must be set together", "OIDC_AUDIENCE is not set"]) {
      expect(stderr).toContain(problem);
    }
  });

  test("refuses a key that is not the certificate's", async () => {
    const file = (name: string) => fileURLToPath(new URL(`support/tls/${name}`, import.meta.url));
    const settings = { OIDC_ISSUER: "https://id.example", OIDC_AUDIENCE: audience };
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const otherKey = join(tmpdir(), `rollcall-key-${randomUUID()}.pem`);
    await writeFile(otherKey, privateKey.export({ type: "pkcs8", format: "pem" }));

    const tls = { TLS_CERT_FILE: file("test-only-cert.pem"), TLS_KEY_FILE: otherKey };
    const { code, stderr } = await startCommand(["serve"], { ...settings, ...tls }).ended;

    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/TLS_CERT_FILE and TLS_KEY_FILE cannot be used: .*mismatch/),
    ]);
    await rm(otherKey);
  });

  test("keeps its data in the embedded server from one start to the next", async () => {
    const dataDir = join(tmpdir(), `rollcall-cli-${randomUUID()}`);
    const line = JSON.stringify({ session: { id: "kept", creationDate: "2026-01-01T00:00:00Z" } });

    const first = await startCommand(["import", "-"], { DATA_DIR: dataDir }, line).ended;
    const second = await startCommand(["import", "-"], { DATA_DIR: dataDir }, line).ended;

    expect(first.stdout).toMatch(/^imported 0 users, 1 sessions; unchanged 0; refused 0$/m);
    expect(second.stdout).toMatch(/^imported 0 users, 0 sessions; unchanged 1; refused 0$/m);
    // Or whoever forgot DATABASE_URL would take it for that of their server.
    const note = `DATABASE_URL is not set: on the instance default of the embedded database in ${dataDir}\n`;
    expect([first.stderr, second.stderr]).toEqual([note, note]);
    await rm(dataDir, { recursive: true });
  });
});

describe("rollcall import", () => {
  test("takes INSTANCE_ID for records that name no instance", async () => {
    const [id, instanceId] = [randomUUID(), randomUUID()];
    const line = JSON.stringify({ session: { id, creationDate: "2026-01-01T00:00:00Z" } });
    const settings = { DATABASE_URL: testDatabaseUrl(), INSTANCE_ID: instanceId };

    const { code, stderr } = await startCommand(["import", "-"], settings, line).ended;

    expect([code, stderr]).toEqual([0, ""]);
    const database = openTestDatabase();
    const rows = await database.client`select instance_id from sessions where id = ${id}`;
    expect(rows).toMatchObject([{ instance_id: instanceId }]);
    await database.close();
  });
});

describe("SIGTERM", () => {
  let issuer: TestIssuer;
  let database: TestDatabase;
  beforeAll(async () => {
    issuer = await startTestIssuer();
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
    await issuer.stop();
  });

  test("lets requests in flight finish, tells HTTP/2 clients to go, and ends with 0", async () => {
    const { url, rollcall } = await startServe();
    const headers = { authorization: `Bearer ${await issuer.token()}` };
    const session = http2.connect(url);
    const goaway = once(session, "goaway");
    const lock = await database.lockSessions();
    const answers = [
      fetch(`${url}/v2/sessions/search`, { method: "POST", headers }).then((response) => response.status),
      requestOver(session, headers),
    ];
    await vi.waitFor(async () => expect(await database.countQueries()).toBe(2));

    // Twice, as npm passes on the Ctrl-C that the terminal has sent already.
    rollcall.child.kill("SIGTERM");
    rollcall.child.kill("SIGTERM");
    await goaway;
    await lock.release();

    expect(await Promise.all(answers)).toEqual([200, 200]);
    expect((await rollcall.ended).code).toBe(0);
    expect(await database.countQueries()).toBe(0);
  });

  test("ends after the time limit even if a request does not", async () => {
    const { url, rollcall } = await startServe({ SHUTDOWN_TIMEOUT_MS: "200" });
    const headers = { authorization: `Bearer ${await issuer.token()}` };
    const lock = await database.lockSessions();
    const answer = fetch(`${url}/v2/sessions/search`, { method: "POST", headers });
    const failed = expect(answer).rejects.toThrow();
    await vi.waitFor(async () => expect(await database.countQueries()).toBe(1));

    rollcall.child.kill("SIGTERM");

    await failed;
    expect((await rollcall.ended).code).toBe(0);
    await lock.release();
  });

  async function startServe(settings: Record<string, string> = {}) {
    const rollcall = startCommand(["serve"], {
      PORT: "0",
      DATABASE_URL: database.url,
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: audience,
      ...settings,
    });
    const { url } = JSON.parse(await rollcall.line(/listening/));
    return { rollcall, url };
  }
});

function requestOver(session: http2.ClientHttp2Session, headers: Record<string, string>): Promise<number | undefined> {
  const stream = session.request({ ":method": "POST", ":path": "/v2/sessions/search", ...headers });
  stream.end();
  return once(stream, "response").then(([response]) => {
    stream.resume();
    return response[":status"];
  });
}
