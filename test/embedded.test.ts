import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import postgres, { type Sql } from "postgres";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type EmbeddedServer, startEmbedded } from "../src/embedded/server.ts";

const childScript = fileURLToPath(new URL("support/embedded-child.ts", import.meta.url));
const settings = { fsync: "off" };
const isRoot = process.getuid?.() === 0;

describe("startEmbedded", { timeout: 60_000 }, () => {
  let parentDir: string;
  let dataDir: string;

  beforeEach(async ({ onTestFinished }) => {
    parentDir = await mkdtemp(join(tmpdir(), "rollcall-embedded-"));
    // As root the server runs as another user, who must get in.
    await chmod(parentDir, 0o755);
    dataDir = join(parentDir, "data");
    // Registered first, so it runs last: after the servers have stopped. An afterEach would run before them.
    onTestFinished(() => rm(parentDir, { recursive: true, force: true }));
  });

  test("data is kept from one start to the next", async () => {
    const first = await start();
    await query(first.url, (sql) => sql`CREATE TABLE kept AS SELECT 'Zoë' AS name`);
    await first.close();

    const second = await start();

    expect(await query(second.url, (sql) => sql`SELECT name FROM kept`)).toEqual([{ name: "Zoë" }]);
  });

  test("the first start leaves a database rollcall in UTF-8 that sorts by bytes, and no draft", async () => {
    const { url } = await start();

    const rows = await query(
      url,
      (sql) => sql`SELECT datname, pg_encoding_to_char(encoding) AS encoding, datcollate, datctype
        FROM pg_database WHERE datname = current_database()`,
    );

    expect(rows).toEqual([{ datname: "rollcall", encoding: "UTF8", datcollate: "C", datctype: "C" }]);
    expect((await readdir(dataDir)).sort()).toEqual(["postgres", "postgres.log"]);
  });

  test("settings are applied, but it listens on loopback only", async () => {
    const { url } = await start({ work_mem: "7MB", listen_addresses: "*" });

    const rows = await query(
      url,
      (sql) => sql`SELECT current_setting('work_mem') AS work_mem, current_setting('fsync') AS fsync,
        current_setting('listen_addresses') AS listens, current_setting('unix_socket_directories') AS sockets`,
    );

    expect(rows).toEqual([{ work_mem: "7MB", fsync: "on", listens: "127.0.0.1", sockets: "" }]);
  });

  test("the password is required, and only its owner may read the file", async () => {
    const { url } = await start();
    const file = join(dataDir, "postgres", "password");

    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(new URL(url).password).toBe(await readFile(file, "utf8"));
    const wrong = new URL(url);
    wrong.password = "wrong";
    await expect(query(wrong.href, (sql) => sql`SELECT 1`)).rejects.toThrow("password authentication failed");
  });

  test("a second process on the same data is refused, and the first one goes on", async () => {
    const { url } = await start();

    const child = spawnChild();
    const [errors, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);

    expect(code).toBe(1);
    expect(errors).toContain(`the database in ${clusterDir()} is in use by process ${process.pid}`);
    expect(await query(url, (sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
  });

  test("data in use is refused under another name of its folder too", async () => {
    await start();
    const alias = join(parentDir, "alias");
    await symlink(dataDir, alias);

    await expect(startEmbedded({ dataDir: alias })).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test("of processes that start together on no data yet, exactly one gets it", async () => {
    const children = [spawnChild(), spawnChild(), spawnChild()];
    const outcomes = await Promise.all(
      children.map((child) => Promise.race([once(child.stdout, "data"), once(child, "exit").then(() => undefined)])),
    );

    const winners = outcomes.filter((outcome) => outcome !== undefined);

    expect(winners).toHaveLength(1);
    expect(await query(String(winners[0]), (sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
    await Promise.all(children.map(endChild));
    // Waits for the winner's server, which is still stopping.
    await start();
  });

  test("the server that a killed process left is stopped, and its data kept", async () => {
    const child = spawnChild();
    const [url] = await once(child.stdout, "data");
    const { closed } = await openWatched(String(url), (sql) => sql`CREATE TABLE kept AS SELECT 1 AS one`);
    child.kill("SIGKILL");
    await once(child, "exit");

    const server = await start();

    await closed;
    expect(await query(server.url, (sql) => sql`SELECT one FROM kept`)).toEqual([{ one: 1 }]);
  });

  test("a lock left behind does not count, even if its process number is another process's now", async () => {
    const first = await start();
    const lockFile = join(clusterDir(), "postmaster.pid");
    const lock = await readFile(lockFile, "utf8");
    await first.close();
    const other = await spawnAsServerUser();
    await writeFile(lockFile, lock.replace(/^\d+/, String(other.pid)));

    const server = await start();

    expect(await query(server.url, (sql) => sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
    expect(other.exitCode ?? other.signalCode).toBeNull();
  });

  test("what an interrupted first start left is removed", async () => {
    const { pid } = spawnSync("true");
    await mkdir(join(dataDir, `initdb-${pid}-abc`, "data"), { recursive: true });

    await start();

    expect((await readdir(dataDir)).sort()).toEqual(["postgres", "postgres.log"]);
  });

  test("a process that ends without closing stops its server", async () => {
    const child = spawnChild();
    const [url] = await once(child.stdout, "data");
    const { closed } = await openWatched(String(url), (sql) => sql`SELECT 1`);

    child.stdin.end();

    expect(await once(child, "exit")).toEqual([0, null]);
    await closed;
    // Waits for the server, which is still stopping.
    await start();
  });

  test("closing again does nothing, and leaves no handler on the process", async () => {
    const handlers = process.listenerCount("exit");
    const server = await start();

    await Promise.all([server.close(), server.close()]);
    await server.close();

    expect(process.listenerCount("exit")).toBe(handlers);
  });

  test("an exit that nobody asked for is reported with the end of the log", async () => {
    const { promise, resolve } = Promise.withResolvers<Error>();
    await start(settings, resolve);
    const lock = await readFile(join(clusterDir(), "postmaster.pid"), "utf8");

    process.kill(Number.parseInt(lock, 10), "SIGINT");

    expect((await promise).message).toMatch(/exited unexpectedly.*database system is shut down/s);
  });

  test("a start that fails says why, and the next one works", async () => {
    await expect(start({ shared_buffers: "plenty" })).rejects.toThrow(
      /did not start.*invalid value for parameter "shared_buffers": "plenty"/s,
    );

    await start();
  });

  test.runIf(isRoot)("a folder that the server's user cannot enter is refused with the ways out", async () => {
    await chmod(parentDir, 0o700);

    await expect(start()).rejects.toThrow(`cannot enter ${parentDir}: move Rollcall and its DATA_DIR`);

    expect(await readdir(parentDir)).toEqual([]);
  });

  function clusterDir(): string {
    return join(dataDir, "postgres", "data");
  }

  async function start(
    given: Record<string, string> = {},
    onUnexpectedExit?: (error: Error) => void,
  ): Promise<EmbeddedServer> {
    const server = await startEmbedded({ dataDir, settings: given, ...(onUnexpectedExit && { onUnexpectedExit }) });
    onTestFinished(() => server.close());
    return server;
  }

  function spawnChild(): ChildProcessWithoutNullStreams {
    const child = spawn(process.execPath, [childScript, dataDir]);
    onTestFinished(() => endChild(child));
    return child;
  }

  // Only a process of the same user makes PostgreSQL take a lock for a living one.
  async function spawnAsServerUser(): Promise<ChildProcessWithoutNullStreams> {
    const { uid, gid } = await stat(clusterDir());
    const child = spawn("cat", { uid, gid, cwd: "/" });
    onTestFinished(() => endChild(child));
    await once(child, "spawn");
    return child;
  }
});

async function query<T>(url: string, run: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1 });
  try {
    return await run(sql);
  } finally {
    await sql.end();
  }
}

// Keeps its connection: `closed` resolves when the server cuts it.
async function openWatched(url: string, run: (sql: Sql) => Promise<unknown>): Promise<{ closed: Promise<void> }> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const sql = postgres(url, { max: 1, onclose: () => resolve() });
  onTestFinished(() => sql.end());
  await run(sql);
  return { closed };
}

async function endChild(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.stdin.end();
  await once(child, "exit");
}
