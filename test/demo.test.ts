import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { settings } from "../src/config.ts";

interface Demo {
  child: ChildProcessWithoutNullStreams;
  /** What it had printed when it was ready. */
  output: string;
  url: string;
  /** The answers to the printed commands, in their order. */
  answers: Answer[];
}

interface Answer {
  details?: { totalResult: string };
  sessions?: { id: string; factors?: { user: { organizationId: string } }; userAgent?: { fingerprintId: string } }[];
  result?: { authState: string; displayName: string; agentId: string }[];
}

const root = fileURLToPath(new URL("..", import.meta.url));
const managedOrganizationId = "318838604669517832";
let parentDir: string;
let dataDir: string;
let first: Demo;

beforeAll(async () => {
  parentDir = await mkdtemp(join(tmpdir(), "rollcall-demo-"));
  // As root the database runs as another user, who must get in.
  await chmod(parentDir, 0o755);
  dataDir = join(parentDir, "data");
  first = await start({ DATABASE_URL: "postgres://nobody@127.0.0.1:1/production" });
});

afterAll(async () => {
  first?.child.kill("SIGKILL");
  await rm(parentDir, { recursive: true, force: true });
});

describe("demo", { timeout: 60_000 }, () => {
  test("it prints the port that it has, and leaves the configured database alone", () => {
    expect(first.output).toMatch(/^# Rollcall answers at http:\/\/127\.0\.0\.1:[1-9]\d+ /m);
    expect(first.output).toContain("# DATABASE_URL is left alone");
    expect(first.output).toContain("made just now: 3 organizations, 200 users, 5,000 sessions");
  });

  test("all that it prints is one script", async () => {
    await promisify(execFile)("bash", ["-n", "-c", first.output]);
  });

  test("the admin sees 2 of all sessions", () => {
    const [admin] = first.answers;

    expect(admin?.sessions?.length).toBe(2);
    expect(Number(admin?.details?.totalResult)).toBeGreaterThan(4_000);
  });

  test("the manager sees 2 sessions of their organization, and fewer in all than the admin", () => {
    const [admin, manager] = first.answers;
    const organizationIds = manager?.sessions?.map((session) => session.factors?.user.organizationId);

    expect(organizationIds).toEqual([managedOrganizationId, managedOrganizationId]);
    expect(Number(manager?.details?.totalResult)).toBeGreaterThan(1_000);
    expect(Number(manager?.details?.totalResult)).toBeLessThan(Number(admin?.details?.totalResult));
  });

  test("the ordinary user sees four accounts in her browser, two of them active", () => {
    const accounts = first.answers[2]?.result ?? [];

    expect(accounts.map(({ authState, displayName }) => [authState, displayName])).toEqual([
      ["SESSION_STATE_ACTIVE", "Mei Tanaka"],
      ["SESSION_STATE_ACTIVE", "Mei Tanaka"],
      ["SESSION_STATE_TERMINATED", "Jonas Keller"],
      ["SESSION_STATE_TERMINATED", "Amara Okonkwo"],
    ]);
  });

  test("in Kratos's dialect the ordinary user sees her other session", () => {
    const others = first.answers[3];

    expect(others).toMatchObject([{ active: true, identity: { traits: { name: "Mei Tanaka" } } }]);
  });

  test("over gRPC the ordinary user sees the sessions in her browser", () => {
    const agentId = first.answers[2]?.result?.[0]?.agentId;
    const sessions = first.answers[4]?.sessions ?? [];

    expect(sessions.map((session) => session.userAgent?.fingerprintId)).toEqual([agentId, agentId, agentId]);
  });

  test("the commands of the README answer as it says", async () => {
    const [tokens = ""] = first.output.split("\n\n").slice(1);
    const readme = await readFile(join(root, "README.md"), "utf8");
    const shown = [...readme.matchAll(/```sh\n([^`]*127\.0\.0\.1[^`]*)```\n\n```json\n([^`]*)```/g)];
    expect(shown.length).toBe(5);

    for (const [, command = "", answer = ""] of shown) {
      const answered = await run(`${tokens}\n${command.replace("http://127.0.0.1:8080", first.url)}`);

      expect(withoutChances(answered)).toEqual(withoutChances(JSON.parse(answer)));
    }
  });

  test("Ctrl-C stops it, leaves nothing running, and a second start has the same data", async () => {
    await expectToStop(first, "SIGINT");

    const second = await start();

    expect(second.output).toContain("kept from an earlier start");
    expect(second.answers.map(withoutTime)).toEqual(first.answers.map(withoutTime));
    // npm passes Ctrl-C on to a process that has got it from the terminal already.
    second.child.kill("SIGINT");
    await expectToStop(second, "SIGINT");
  });

  test("if the default port is taken it listens on another one", async () => {
    const port = Number(settings.port.unset);
    const rival = createServer().listen(port, "127.0.0.1");
    onTestFinished(() => void rival.close());
    // Whoever else has it serves as well.
    await once(rival, "listening").catch(() => undefined);

    const demo = await start({ PORT: String(port) });

    expect(new URL(demo.url).port).not.toBe(String(port));
    expect(demo.answers[0]?.sessions?.length).toBe(2);
    await expectToStop(demo, "SIGTERM");
  });
});

async function start(environment: Record<string, string> = {}): Promise<Demo> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, ["src/main.ts", "demo"], {
    cwd: root,
    env: { PATH, HOME, DATA_DIR: dataDir, PORT: "0", ...environment },
  });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const output = await readGreeting(child);
  const url = /answers at (\S+)/.exec(output)?.[1] ?? "";
  const [tokens = "", ...commands] = output.split("\n\n").slice(1);
  try {
    expect(commands.length).toBe(5);
    const answers: Answer[] = [];
    for (const command of commands) answers.push(await run(`${tokens}\n${command}`));
    return { child, output, url, answers };
  } catch (error) {
    child.kill("SIGKILL");
    throw new Error(`the demo does not work, having printed ${output}${errors}`, { cause: error });
  }
}

// Up to the end of the last block, the one of gRPC.
async function readGreeting(child: ChildProcessWithoutNullStreams): Promise<string> {
  let output = "";
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    if (/^# gRPC(.|\n)*'\n\n?$/m.test(output)) break;
  }
  return output.trimEnd();
}

async function run(script: string): Promise<Answer> {
  const { stdout } = await promisify(execFile)("bash", ["-c", script], { cwd: root });
  return JSON.parse(stdout);
}

async function expectToStop({ child, url }: Demo, signal: NodeJS.Signals): Promise<void> {
  const exit = once(child, "exit");
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  await expect(fetch(url)).rejects.toThrow("fetch failed");
  expect(existsSync(join(dataDir, "postgres", "data", "postmaster.pid"))).toBe(false);
}

function withoutTime({ details, ...answer }: Answer): Answer {
  return { ...answer, details: details && { totalResult: details.totalResult } };
}

// Everything but what is another at every start: times, numbers of changes, and ids that hold times.
function withoutChances(answer: Answer): unknown {
  return JSON.parse(
    JSON.stringify(answer)
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replace(/"(sequence|processedSequence)":"\d+"/g, '"$1":"NUMBER"')
      .replace(/"01[0-9a-f]{6}-[0-9a-f]{4}-7/g, '"7')
      .replace(/"id":"[0-9a-f-]{36}","ip_address"/g, '"id":"MADE OF THE SESSION\'S","ip_address"'),
  );
}
