import { afterAll, describe, expect, test } from "vitest";
import type { NewSession } from "../../src/sessions/schema.ts";
import { hour, minute, now } from "../support/given.ts";
import { idsOf, type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask, signIn, signInAs, given } = server;

describe("DELETE /sessions", () => {
  test.each<[string, Partial<NewSession>, number]>([
    ["one without an end", {}, 1],
    ["one that expires in a microsecond", { expiresAt: now + 1n }, 1],
    ["one that expires now", { expiresAt: now }, 0],
    ["one that has expired", { expiresAt: now - minute }, 0],
    ["one that was ended", { endedAt: now - minute, expiresAt: now + hour }, 0],
    ["one with no factor but the user", { passwordCheckedAt: null }, 1],
  ])("counts what was live: %s", async (_name, row, count) => {
    const ann = await signIn();
    const other = await signInAs(ann.user, row);

    const { status, text, headers } = await ask("DELETE", "/sessions", ann);

    expect({ status, text }).toEqual({ status: 200, text: `{"count":${count}}\n` });
    expect(headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect((await ask("GET", "/sessions/whoami", other)).status).toBe(401);
  });

  test("leaves the current one, and finds nothing the second time", async () => {
    const ann = await signIn();
    await signInAs(ann.user);

    const counts = [];
    for (let i = 0; i < 2; i += 1) counts.push((await ask("DELETE", "/sessions", ann)).json.count);

    expect(counts).toEqual([1, 0]);
    expect((await ask("GET", "/sessions/whoami", ann)).status).toBe(200);
  });

  test("leaves those of other users", async () => {
    const [ann, bob] = [await signIn(), await signIn({}, { creatorId: "ann" })];

    expect((await ask("DELETE", "/sessions", ann)).json).toEqual({ count: 0 });
    expect((await ask("GET", "/sessions/whoami", bob)).status).toBe(200);
  });

  test("tells the row when, why and by whom it was ended", async () => {
    const ann = await signIn();
    const { id } = await given.session({ userId: ann.user.id });
    await ask("DELETE", "/sessions", ann);

    const [row] = await server.database.client`
      select end_reason, ended_by from sessions where instance_id = ${server.instanceId} and id = ${id}`;
    expect(row).toEqual({ end_reason: "revoked_by_user", ended_by: ann.user.id });
  });
});

describe("DELETE /sessions/{id}", () => {
  test.each([
    ["a UUID", undefined],
    ["another system's id", "imported/ä 1%"],
    ["200 characters", "x".repeat(200)],
  ])("ends one of the caller's whose id is %s", async (_name, id) => {
    const ann = await signIn();
    const other = await signInAs(ann.user, id === undefined ? {} : { id });

    const { status, text } = await ask("DELETE", `/sessions/${encodeURIComponent(other.session.id)}`, ann);

    expect({ status, text }).toEqual({ status: 204, text: "" });
    expect((await ask("GET", "/sessions/whoami", other)).status).toBe(401);
    expect(idsOf(await ask("GET", "/sessions", ann))).toEqual([]);
  });

  test.each([
    ["empty", ""],
    ["201 characters", "x".repeat(201)],
    ["a control character", "a%0Ab"],
    ["a NUL", "%00"],
    ["no UTF-8", "%FF"],
    ["a bad escape", "%zz"],
  ])("refuses an id that nothing can have: %s", async (_name, id) => {
    const { status, json } = await ask("DELETE", `/sessions/${id}`, await signIn());

    expect({ status, code: json.error.code }).toEqual({ status: 400, code: 400 });
  });

  test.each([
    ["no UUID", "BADUUID"],
    ["a quote", "'; drop table sessions; --"],
    ["a wildcard", "%"],
    ["a star", "*"],
  ])("knows nothing of %s, and says so to nobody", async (_name, id) => {
    const ann = await signIn();
    const other = await signInAs(ann.user);

    expect((await ask("DELETE", `/sessions/${encodeURIComponent(id)}`, ann)).status).toBe(204);
    expect((await ask("GET", "/sessions/whoami", other)).status).toBe(200);
  });

  test("refuses the current one, also if its id is escaped", async () => {
    const ann = await signIn();
    const escaped = ann.session.id.replaceAll("-", "%2D");

    expect((await ask("DELETE", `/sessions/${escaped}`, ann)).json.error.message).toBe("cannot revoke current session");
    expect((await ask("GET", "/sessions/whoami", ann)).status).toBe(200);
  });

  test("answers the same for a session of somebody else as for none", async () => {
    const [ann, bob] = [await signIn(), await signIn()];

    const others = await ask("DELETE", `/sessions/${bob.session.id}`, ann);
    const none = await ask("DELETE", "/sessions/none", ann);

    expect([others.status, others.text]).toEqual([none.status, none.text]);
    expect([...others.headers.keys()]).toEqual([...none.headers.keys()]);
  });
});

describe("many at once", () => {
  test("bulk ends beside each other count every session once, and none fails", async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => signIn()));
    const others = await Promise.all(users.flatMap(({ user }) => [signInAs(user), signInAs(user), signInAs(user)]));
    const headers = await server.manager();
    const body = JSON.stringify({ action: "disable", sessions: others.map(({ session }) => session.id) });

    const [bulk, own] = await Promise.all([
      Promise.all(Array.from({ length: 8 }, () => server.ask("POST", "/admin/sessions", { headers, body }))),
      Promise.all(users.map((user) => ask("DELETE", "/sessions", user))),
    ]);

    expect([...bulk, ...own].map(({ status }) => status)).toEqual([...bulk, ...own].map(() => 200));
    const processed = [...bulk.map(({ json }) => json.processed), ...own.map(({ json }) => json.count)];
    expect(processed.reduce((sum, count) => sum + count, 0)).toBe(others.length);
  });

  test("20 ends of all others and of each one count every live session once", async () => {
    const ann = await signIn();
    const others: SignedIn[] = [];
    for (let i = 0; i < 30; i += 1) others.push(await signInAs(ann.user, i % 3 === 0 ? { expiresAt: now } : {}));

    const ends = Array.from({ length: 20 }, () => ask("DELETE", "/sessions", ann));
    const counts = (await Promise.all(ends)).map(({ status, json }) => ({ status, count: json.count }));

    expect(counts.map(({ status }) => status)).toEqual(counts.map(() => 200));
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(20);
  });

  test("20 ends of the one and 20 of all others end each session, and count none twice", async () => {
    const ann = await signIn();
    const others: SignedIn[] = [];
    for (let i = 0; i < 20; i += 1) others.push(await signInAs(ann.user));

    const [all, each] = await Promise.all([
      Promise.all(others.map(() => ask("DELETE", "/sessions", ann))),
      Promise.all(others.map(({ session }) => ask("DELETE", `/sessions/${session.id}`, ann))),
    ]);

    expect(each.map(({ status }) => status)).toEqual(others.map(() => 204));
    const ids = others.map(({ session }) => session.id);
    const rows = await server.database.client`
      select id from sessions where instance_id = ${server.instanceId} and id = any(${ids}) and ended_at is not null`;
    expect(rows).toHaveLength(20);
    // Those ended by id are counted by nobody.
    expect(all.reduce((sum, { json }) => sum + json.count, 0)).toBeLessThanOrEqual(20);
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
  });

  test("who ends all others and whose sessions end each other leave one at least", async () => {
    const ann = await signIn();
    const all = [ann];
    for (let i = 0; i < 9; i += 1) all.push(await signInAs(ann.user));

    const answers = await Promise.all(all.map((one) => ask("DELETE", "/sessions", one)));
    const ended = answers.reduce((sum, { json }) => sum + (json.count ?? 0), 0);

    const live = await Promise.all(all.map(async (one) => (await ask("GET", "/sessions/whoami", one)).status === 200));
    expect(ended + live.filter(Boolean).length).toBe(10);
  });
});
