import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { minute, now, second } from "../support/given.ts";
import { idsOf, type KratosAnswer, linksOf, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());

// Ids that tell their place; c, b and a were created at once, on the border of every page of two.
const prefix = randomUUID();
beforeAll(async () => {
  const { user } = await server.signIn({ id: "ann" }, { id: `${prefix}-new`, createdAt: now + 1n, agentIp: "1.2.3.4" });
  for (const [name, row] of [
    ["c", {}],
    ["b", { endedAt: now }],
    ["a", { expiresAt: now }],
    ["expiring", { createdAt: now - 1n, expiresAt: now + 1n }],
    ["old", { createdAt: now - second, expiresAt: now - minute }],
  ] as const) {
    await server.given.session({ id: `${prefix}-${name}`, userId: user.id, createdAt: now, ...row });
  }
});

const all = ["new", "c", "b", "a", "expiring", "old"];
const live = ["new", "c", "expiring"];
const over = ["b", "a", "old"];

describe.each(["/admin/sessions", "/admin/identities/ann/sessions"])("GET %s, active", (path) => {
  test.each([
    ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, live] as const),
    ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, over] as const),
    ["", all] as const,
  ])("=%s", async (word, expected) => {
    expect(namesOf(await ask(`${path}?active=${word}`))).toEqual(expected);
  });

  test.each(["yes", "tRUE", "2", "null", "true%20"])("=%s is refused", async (word) => {
    const { status, json } = await ask(`${path}?active=${word}`);

    const error = { code: 400, status: "Bad Request", message: "could not parse parameter active" };
    expect({ status, json }).toEqual({ status: 400, json: { error } });
  });

  test("is told of each session as the filter has it", async () => {
    const { json } = await ask(path);

    const told = json.map(({ id, active }: { id: string; active: boolean }) => active && id.slice(prefix.length + 1));
    expect(told.filter(Boolean)).toEqual(live);
  });
});

describe("GET /admin/sessions, expand", () => {
  test.each([
    ["", false, false],
    ["?expand=identity", true, false],
    ["?expand=Devices", false, true],
    ["?expand=IDENTITY&expand=devices&expand=devices", true, true],
  ])("%s", async (query, hasIdentity, hasDevices) => {
    for (const path of ["/admin/sessions", `/admin/sessions/${prefix}-new`]) {
      const { json } = await ask(`${path}${query}`);
      const { identity, devices } = Array.isArray(json) ? json[0] : json;

      const schemaUrl = `${server.url}/schemas/ZGVmYXVsdA`;
      if (hasIdentity) expect(identity).toMatchObject({ id: "ann", schema_url: schemaUrl });
      else expect(identity).toBeNull();
      if (hasDevices) expect(devices).toMatchObject([{ ip_address: "1.2.3.4" }]);
      // Kratos has both.
      else expect(devices).toEqual(Array.isArray(json) ? null : []);
    }
  });

  test.each(["invalid", "", "identity,devices"])("=%s is refused", async (word) => {
    for (const path of ["/admin/sessions", `/admin/sessions/${prefix}-new`]) {
      const { status, json } = await ask(`${path}?expand=identity&expand=${word}`);

      expect({ status, reason: json.error.reason }).toEqual({
        status: 400,
        reason: `Could not parse expand option: ${word}`,
      });
    }
  });

  test("is always both where the sessions of one user are listed", async () => {
    const { json } = await ask("/admin/identities/ann/sessions");

    expect(json[0]).toMatchObject({ identity: { id: "ann", schema_url: "" }, devices: [{ ip_address: "1.2.3.4" }] });
  });
});

describe("GET /admin/sessions, pages", () => {
  test.each([1, 2, 3, 4, 5, 6, 7])("of %s hold each session once, also of those created at once", async (size) => {
    const pages = await follow(`/admin/sessions?page_size=${size}`);

    expect(pages.flatMap(namesOf)).toEqual(all);
    expect(pages.map(({ json }) => json.length).slice(0, -1)).toEqual(pages.slice(1).map(() => size));
    expect(pages.at(-1)?.json.length).toBeGreaterThan(0);
  });

  test("keep the filter and what else was asked", async () => {
    const pages = await follow("/admin/sessions?page_size=1&active=false&expand=identity&x=1");

    expect(pages.flatMap(namesOf)).toEqual(over);
    expect(linksOf(pages[1] ?? { headers: new Headers() })["next"]).toMatch(
      /^\/admin\/sessions\?active=false&expand=identity&page_size=1&page_token=[\w-]+&x=1$/,
    );
  });

  test("lead back to the first one, and have no total", async () => {
    const [, second] = await follow("/admin/sessions?page_size=2");
    const { headers } = second ?? { headers: new Headers() };

    const links = linksOf({ headers });
    expect(Object.keys(links)).toEqual(["first", "next"]);
    expect(headers.has("x-total-count")).toBe(false);
    expect(namesOf(await ask(links["first"] ?? ""))).toEqual(["new", "c"]);
  });

  test.each([
    ["0", 250],
    ["-1", 250],
    ["1001", 1_000],
    ["1000", 1_000],
    ["5", 5],
    ["99999999999999999999", 1_000],
  ])("of size %s have at most %s", async (size, expected) => {
    const listed = await ask(`/admin/sessions?page_size=${size}`);

    expect(linksOf(listed)["first"]).toContain(`page_size=${expected}&`);
  });

  test.each(["two", "1.5", "", "1e3", "0x10"])("of size %s are refused", async (size) => {
    const { status, json } = await ask(`/admin/sessions?page_size=${size}`);

    expect({ status, message: json.error.message }).toEqual({
      status: 400,
      message: "could not parse parameter page_size",
    });
  });

  test("are refused with a token that cannot be decoded", async () => {
    const { status, json } = await ask("/admin/sessions?page_token=%25");

    expect({ status, message: json.error.message }).toEqual({
      status: 400,
      message: "could not parse parameter page_size",
    });
  });

  test.each([
    ["nothing in it", "nonsense"],
    ["no id", "created_at=1"],
    ["no time", "id=a"],
    ["a time that is none", "id=a/created_at=yesterday"],
    ["a time before all times", `id=a/created_at=${-(10n ** 17n)}`],
    ["a time after all times", `id=a/created_at=${10n ** 18n - 1n}`],
    ["an id with a NUL", "id=%00/created_at=1"],
    ["an id that is badly escaped", "id=%/created_at=1"],
  ])("are refused with a token that has %s", async (_name, text) => {
    const { status, json } = await ask(`/admin/sessions?page_token=${Buffer.from(text).toString("base64url")}`);

    expect({ status, reason: json.error.reason }).toEqual({
      status: 400,
      reason: "The page token is invalid, do not craft your own page tokens",
    });
  });
});

async function ask(path: string): Promise<KratosAnswer> {
  return await server.ask("GET", path, { headers: await server.manager("session.read") });
}

async function follow(path: string): Promise<KratosAnswer[]> {
  const pages = [await ask(path)];
  for (let last = pages[0]; last !== undefined; ) {
    const { next } = linksOf(last);
    last = next === undefined ? undefined : await ask(next);
    if (last !== undefined) pages.push(last);
  }
  return pages;
}

function namesOf(listed: KratosAnswer): string[] {
  return idsOf(listed).map((id) => id.slice(prefix.length + 1));
}
