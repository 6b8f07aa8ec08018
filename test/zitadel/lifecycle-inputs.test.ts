import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LifecycleMethod } from "../clients/lifecycle.ts";
import { startTestServer } from "../support/server.ts";
import { manager, post, rowsOf } from "./lifecycle-calls.ts";

const server = await startTestServer();
afterAll(() => server.close());

describe("the user agent", () => {
  test.each([
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["1.2.3", undefined],
    ["1.2.3.4:80", undefined],
    ["fe80::1%eth0", undefined],
    ["1.2.3.4\0", undefined],
    ["", undefined],
  ])("from %j lives at %j", async (ip, expected) => {
    const session = await open({ userAgent: { ip, description: "d" } });

    expect(session.userAgent).toEqual({ description: "d", ...(expected && { ip: expected }) });
  });

  test("with nothing but an address that is none is unknown", async () => {
    expect((await open({ userAgent: { ip: "nowhere" } })).userAgent).toBeUndefined();
  });

  test("keeps what is empty", async () => {
    const userAgent = { fingerprintId: "", description: "", header: { accept: {} } };

    expect((await open({ userAgent })).userAgent).toEqual(userAgent);
  });

  test("is not changed by SetSession", async () => {
    const { id } = await open({ userAgent: { fingerprintId: "agent" } });

    await set(id, { userAgent: { fingerprintId: "another" }, lifetime: "60s" });

    expect((await get(id)).userAgent).toEqual({ fingerprintId: "agent" });
  });
});

describe("a user by login name", () => {
  test.each([
    ["in small letters", "ÄNNE@Example.com", "änne@example.com"],
    ["in capital letters", "élodie@example.com", "ÉLODIE@EXAMPLE.COM"],
    ["beyond Latin", "ИВАН@example.com", "иван@example.com"],
    ["just as it is", "Jürgen@example.com", "Jürgen@example.com"],
  ])("is found %s", async (_name, stored, asked) => {
    const user = await server.given.user({ loginName: stored });

    const { factors } = await open({ checks: { user: { loginName: asked } } });

    expect(factors.user).toMatchObject({ id: user.id, loginName: stored });
  });

  test("is not found by a part of it, by a pattern or with a space", async () => {
    await server.given.user({ loginName: "whole@example.com" });

    for (const loginName of ["whole", "whole@example%", "wh_le@example.com", " whole@example.com"]) {
      const { json } = await post(server, "CreateSession", { checks: { user: { loginName } } });
      expect(json).toEqual({ code: "not_found", message: "the user does not exist" });
    }
  });

  test("is the one in just these letters, if two differ by case only", async () => {
    const users = [
      await server.given.user({ loginName: "Bob@x.com" }),
      await server.given.user({ loginName: "bob@x.com" }),
    ];

    for (const { id, loginName } of users) {
      expect((await open({ checks: { user: { loginName } } })).factors.user.id).toBe(id);
    }
  });

  test("is ambiguous, if two differ by case only and neither has just these letters", async () => {
    for (const loginName of ["Eve@x.com", "eve@x.com"]) await server.given.user({ loginName });
    const before = await rowsOf(server);

    const { status, json } = await post(server, "CreateSession", { checks: { user: { loginName: "EVE@x.com" } } });

    const message = "several users have this login name";
    expect({ status, json }).toEqual({ status: 400, json: { code: "failed_precondition", message } });
    expect(await rowsOf(server)).toEqual(before);
  });

  test("is ambiguous, if two have it in just these letters", async () => {
    for (const organizationId of ["org-1", "org-2"])
      await server.given.user({ loginName: "two@x.com", organizationId });

    const { json } = await post(server, "CreateSession", { checks: { user: { loginName: "two@x.com" } } });

    expect(json.code).toBe("failed_precondition");
  });

  test("is not one who was deleted, nor in the way of another", async () => {
    const { id } = await server.given.user({ loginName: "Gone@x.com", state: "deleted" });
    const user = await server.given.user({ loginName: "gone@x.com" });

    expect((await open({ checks: { user: { loginName: "Gone@x.com" } } })).factors.user.id).toBe(user.id);
    expect((await post(server, "CreateSession", { checks: { user: { userId: id } } })).json.code).toBe("not_found");
  });

  test("may be spelled in snake case, like every field", async () => {
    const { id } = await server.given.user({ loginName: "snake@x.com" });

    expect((await open({ checks: { user: { login_name: "snake@x.com" } } })).factors.user.id).toBe(id);
  });
});

describe("metadata", () => {
  test("is merged: a new key is added, a given one overwritten, an empty one removed, the others stay", async () => {
    const { id } = await open({ metadata: { stays: "YQ==", overwritten: "Yg==", removed: "Yw==" } });

    await set(id, { metadata: { overwritten: "ZA==", removed: "", added: "ZQ==" } });

    expect((await get(id)).metadata).toEqual({ stays: "YQ==", overwritten: "ZA==", added: "ZQ==" });
  });

  test("is gone when the last key is removed", async () => {
    const { id } = await open({ metadata: { last: "YQ==" } });

    await set(id, { metadata: { last: "" } });

    expect((await get(id)).metadata).toBeUndefined();
  });

  test("that is empty is not stored at creation", async () => {
    expect((await open({ metadata: { empty: "", full: "YQ==" } })).metadata).toEqual({ full: "YQ==" });
  });

  test.each<[string, JsonObject]>([
    ["the same", { key: "_w==" }],
    ["the same in other letters of base64", { key: "/w" }],
    ["none", {}],
    ["the removal of what is not there", { other: "" }],
  ])("is untouched by %s: no token, and the details stay", async (_name, metadata) => {
    const { id } = await open({ metadata: { key: "/w==" } });
    const before = await rowsOf(server);

    const answer = await set(id, { metadata });

    const { sequence, changeDate } = await get(id);
    expect(answer).toEqual({ details: { sequence, changeDate, resourceOwner: server.instanceId } });
    expect(await rowsOf(server)).toEqual(before);
  });

  test("may have keys that mean something to JavaScript", async () => {
    const metadata = JSON.parse('{"constructor":"YQ==","toString":"Yg==","hasOwnProperty":"Yw=="}');
    const { id } = await open({ metadata });

    const { sessionToken } = await set(id, { metadata: { valueOf: "ZA==" } });

    expect(sessionToken).toMatch(/^ory_st_/);
    expect((await get(id)).metadata).toEqual({ ...metadata, valueOf: "ZA==" });
  });

  test("may have the key __proto__", async () => {
    const { id } = await open({ metadata: JSON.parse('{"__proto__":"YQ=="}') });

    expect(JSON.stringify((await get(id)).metadata)).toBe('{"__proto__":"YQ=="}');
  });
});

describe("a lifetime", () => {
  test("of a nanosecond is a microsecond", async () => {
    const { id } = await open({ lifetime: "0.000000001s" });

    const row = await rowOf(id);
    expect((row?.expiresAt ?? 0n) - (row?.createdAt ?? 0n)).toBe(1n);
  });

  test("starts anew with each change, also to a shorter one, and without one stays as it is", async () => {
    const { id } = await open({ lifetime: "3600s" });
    await set(id, { lifetime: "60s" });
    const { expirationDate, changeDate } = await get(id);
    expect(Date.parse(expirationDate) - Date.parse(changeDate)).toBe(60_000);

    await set(id, { metadata: { key: "YQ==" } });

    expect((await get(id)).expirationDate).toBe(expirationDate);
  });
});

describe("a session that was ended", () => {
  beforeAll(() => server.given.user({ id: "ann" }));

  test.each([
    ["its user", { sub: "ann" }, false, "revoked_by_user"],
    ["its user, by its token", { sub: "ann" }, true, "revoked_by_user"],
    ["who may end all", manager, false, "revoked_by_admin"],
    ["who has its token", { sub: "bob" }, true, "revoked_by_token"],
  ])("keeps when, why and by whom: %s", async (_name, claims, isByToken, endReason) => {
    const { sessionId, sessionToken } = await answered("CreateSession", { checks: { user: { userId: "ann" } } });

    const request = { sessionId, ...(isByToken && { sessionToken }) };
    const { json } = await post(server, "DeleteSession", request, claims);

    const row = await rowOf(sessionId);
    expect(row).toMatchObject({ endedAt: row?.changedAt, endReason, endedBy: claims.sub });
    expect(json.details).toMatchObject({ sequence: String(row?.sequence), changeDate: expect.any(String) });
  });
});

async function rowOf(id: string) {
  return (await rowsOf(server)).find((session) => session.id === id);
}

async function open(request: JsonObject) {
  return await get((await answered("CreateSession", request)).sessionId);
}

async function set(sessionId: string, request: JsonObject) {
  return await answered("SetSession", { sessionId, ...request });
}

async function get(sessionId: string) {
  return (await answered("GetSession", { sessionId })).session;
}

async function answered(method: LifecycleMethod, request: JsonObject) {
  const { status, json } = await post(server, method, request);
  expect({ status, json }).toMatchObject({ status: 200 });
  return json;
}
