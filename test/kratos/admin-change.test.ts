import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hour, minute, now } from "../support/given.ts";
import { startKratosServer } from "../support/kratos.ts";

const lifespanMs = 7_200_000;
const server = await startKratosServer({ lifespanMs });
afterAll(() => server.close());
const { given } = server;

let manager: { authorization: string };
beforeAll(async () => {
  manager = await server.manager();
});

const notFound = { code: 404, status: "Not Found", message: "Unable to locate the resource" };

describe("PATCH /admin/sessions/{id}/extend", () => {
  test.each([
    ["with little left", { expiresAt: now + minute }],
    ["with more left than a lifespan", { expiresAt: now + 100n * hour }],
    ["that has expired, which is revived", { expiresAt: now - hour }],
  ])("lets a session live for the lifespan from now on: one %s", async (_name, row) => {
    const { id } = await given.session({ userId: "ann", ...row });

    const { status, json } = await ask("PATCH", `/admin/sessions/${id}/extend`);

    expect({ status, json }).toMatchObject({
      status: 200,
      json: { id, active: true, expires_at: "2026-03-01T14:00:00.123456Z", identity: null, devices: [] },
    });
    expect((await ask("GET", `/admin/sessions/${id}`)).json).toEqual(json);
  });

  test("leaves one that never expires as it is", async () => {
    const { id } = await given.session({ userId: "ann" });

    const { status, json } = await ask("PATCH", `/admin/sessions/${id}/extend`);

    expect({ status, json }).toMatchObject({ status: 200, json: { id, expires_at: "9999-12-31T23:59:59Z" } });
  });

  test("takes a form without a field, as Kratos's client sends it", async () => {
    const { id } = await given.session();
    const headers = { ...manager, "content-type": "application/x-www-form-urlencoded", "content-length": "0" };

    expect((await server.ask("PATCH", `/admin/sessions/${id}/extend`, { headers })).status).toBe(200);
  });

  test("never brings back one that was ended", async () => {
    const { id } = await given.session({ endedAt: now - minute, expiresAt: now + minute });

    expect((await ask("PATCH", `/admin/sessions/${id}/extend`)).json).toMatchObject({
      active: false,
      expires_at: "2026-03-01T12:01:00.123456Z",
    });
  });

  test("gives a session that can be used again", async () => {
    const other = await startKratosServer();
    // Its time is the real one here, since whoami has it.
    const ann = await other.signIn({}, { expiresAt: now - hour });
    const real = await startKratosServer({ lifespanMs: 100 * 365 * 86_400_000 });
    await other.database.client`
      update sessions set instance_id = ${real.instanceId} where instance_id = ${other.instanceId}`;
    const statuses = [(await real.ask("GET", "/sessions/whoami", ann)).status];
    await real.ask("PATCH", `/admin/sessions/${ann.session.id}/extend`, { headers: await real.manager() });
    statuses.push((await real.ask("GET", "/sessions/whoami", ann)).status);
    await Promise.all([other.close(), real.close()]);

    expect(statuses).toEqual([401, 200]);
  });
});

describe("DELETE /admin/sessions/{id}", () => {
  test("ends a session, keeps its row, and says so a second time", async () => {
    const { id } = await given.session({ userId: "ann" });

    const answers = [await ask("DELETE", `/admin/sessions/${id}`), await ask("DELETE", `/admin/sessions/${id}`)];

    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [204, ""],
      [204, ""],
    ]);
    expect((await ask("GET", `/admin/sessions/${id}`)).json.active).toBe(false);
  });

  test("tells the row by whom it was ended, and the second time nothing new", async () => {
    const { id } = await given.session({ userId: "ann" });
    await ask("DELETE", `/admin/sessions/${id}`);
    const [first] = await rowsOf(id);
    await ask("DELETE", `/admin/sessions/${id}`);

    expect(first).toMatchObject({ end_reason: "revoked_by_admin", ended_by: "manager" });
    expect(await rowsOf(id)).toEqual([first]);
  });
});

describe("DELETE /admin/identities/{id}/sessions", () => {
  test("erases ended and expired ones as well, and none of others", async () => {
    for (const row of [{}, { endedAt: now }, { expiresAt: now - hour }]) {
      await given.session({ userId: "to-erase", ...row });
    }
    const witness = await given.session({ userId: "witness", creatorId: "to-erase" });

    const { status, text, headers } = await ask("DELETE", "/admin/identities/to-erase/sessions");

    expect({ status, text, type: headers.get("content-type") }).toEqual({ status: 204, text: "", type: null });
    expect((await ask("GET", "/admin/identities/to-erase/sessions")).json).toEqual([]);
    expect((await ask("GET", `/admin/sessions/${witness.id}`)).status).toBe(200);
    expect((await ask("DELETE", "/admin/identities/to-erase/sessions")).json).toEqual({ error: notFound });
  });
});

describe("ids", () => {
  const routes = [
    ["GET", "/admin/sessions/{id}"],
    ["DELETE", "/admin/sessions/{id}"],
    ["PATCH", "/admin/sessions/{id}/extend"],
    ["GET", "/admin/identities/{id}/sessions"],
    ["DELETE", "/admin/identities/{id}/sessions"],
  ] as const;

  describe.each(routes)("%s %s", (method, path) => {
    test.each(["BADUUID", "a/b c?d#e", "ä🙂", "%", "x".repeat(200), "🙂".repeat(200)])(
      "%s is one like any other",
      async (id) => {
        await given.session({ id, userId: id }).catch(() => undefined);

        const { status } = await ask(method, path.replace("{id}", encodeURIComponent(id)));

        expect([200, 204]).toContain(status);
      },
    );

    test.each([
      ["empty", ""],
      ["201 characters", "x".repeat(201)],
      ["a NUL", "%00"],
      ["a line break", "a%0Ab"],
      ["a control character of Latin-1", "%C2%85"],
      ["no UTF-8", "%FF"],
      ["a bad escape", "%zz"],
    ])("%s is refused", async (_name, id) => {
      const { status, json } = await ask(method, path.replace("{id}", id));

      expect({ status, code: json.error.code }).toEqual({ status: 400, code: 400 });
    });

    test("one that nobody knows is not there", async () => {
      const { status, json } = await ask(method, path.replace("{id}", "unknown"));

      expect({ status, json }).toEqual(
        method === "GET" && path.startsWith("/admin/identities")
          ? { status: 200, json: [] }
          : { status: 404, json: { error: notFound } },
      );
    });
  });
});

async function ask(method: string, path: string) {
  return await server.ask(method, path, { headers: manager });
}

async function rowsOf(id: string) {
  return await server.database.client`
    select ended_at, end_reason, ended_by, sequence from sessions
    where instance_id = ${server.instanceId} and id = ${id}`;
}
