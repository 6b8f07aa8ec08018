import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { sessions } from "../../src/sessions/schema.ts";
import { minute, now } from "../support/given.ts";
import { startKratosServer } from "../support/kratos.ts";
import { createIdentity, failureOf, idsOf } from "./ory-kratos.ts";

// The numbers are those of the scenarios in Kratos's own tests: spec/kratos.md, section 5. The client does not know the
// route yet, so it is called by itself; what it did is seen through the client.
const server = await startKratosServer();
afterAll(() => server.close());
const identity = await createIdentity(server);

describe("POST /admin/sessions", () => {
  test.each([
    ["identities", "disable"],
    ["identities", "delete"],
    ["sessions", "disable"],
    ["sessions", "delete"],
  ])("38: by %s: %s", async (by, action) => {
    const [ann, bob] = [await server.signIn(), await server.signIn()];

    const answer = await manage({ action, [by]: [by === "sessions" ? ann.session.id : ann.user.id] });

    expect(answer).toEqual({ status: 200, json: { processed: 1, more: false } });
    expect(await stateOf(ann.session.id)).toBe(action === "delete" ? "gone" : "inactive");
    expect(await stateOf(bob.session.id)).toBe("active");
  });

  test.each<[string, object]>([
    ["a bad action", { action: "erase", sessions: ["a"] }],
    ["no action", { sessions: ["a"] }],
    ["both filters", { action: "disable", sessions: ["a"], identities: ["a"] }],
    ["no filter", { action: "disable" }],
    ["an empty array", { action: "disable", sessions: [] }],
    ["two empty arrays", { action: "disable", sessions: [], identities: [] }],
    ["an id that nothing can have", { action: "disable", sessions: ["a\nb"] }],
    ["an empty id", { action: "disable", sessions: [""] }],
    ["an id of 201 characters", { action: "disable", identities: ["a".repeat(201)] }],
    ["an id that is no text", { action: "disable", sessions: [1] }],
    ["a filter that is no array", { action: "disable", sessions: "a" }],
    ["* among others", { action: "disable", identities: ["*", "a"] }],
    ["* among sessions", { action: "disable", sessions: ["*"] }],
    ["501 ids", { action: "disable", sessions: Array.from({ length: 501 }, () => "a") }],
    ["a list for a body", ["disable"]],
  ])("39: %s is refused", async (_name, body) => {
    const { status, json } = await manage(body);

    expect({ status, code: json.error.code }).toEqual({ status: 400, code: 400 });
  });

  // Every text may be an id here, where Kratos refuses what is no UUID.
  test("39: 500 ids that are no UUIDs are fine", async () => {
    const sessions = Array.from({ length: 500 }, (_, i) => `none-${i}`);

    expect(await manage({ action: "disable", sessions })).toMatchObject({ status: 200, json: { processed: 0 } });
  });

  test("39: a body that is no JSON is refused", async () => {
    const { status } = await server.ask("POST", "/admin/sessions", { headers: await server.manager(), body: "{" });

    expect(status).toBe(400);
  });

  test.each(["identities", "sessions"])("40: unknown %s are none", async (by) => {
    const answer = await manage({ action: "disable", [by]: [randomUUID()] });

    expect(answer).toEqual({ status: 200, json: { processed: 0, more: false } });
  });

  test.each(["disable", "delete"])("41: * means every session: %s", async (action) => {
    const alone = await startKratosServer();
    await alone.signIn();
    await alone.signIn();
    const witness = await server.signIn();

    const answer = await manage({ action, identities: ["*"] }, alone);
    const listed = await (await createIdentity(alone)).listSessions();
    await alone.close();

    expect(answer).toEqual({ status: 200, json: { processed: 2, more: false } });
    expect(listed.data.map(({ active }) => active)).toEqual(action === "delete" ? [] : [false, false]);
    expect(await stateOf(witness.session.id)).toBe("active");
  });

  test("80: only those count as disabled that were not ended, as deleted all of them", async () => {
    const ann = await server.signIn();
    await server.signInAs(ann.user, { endedAt: now - minute });

    const disabled = await manage({ action: "disable", identities: [ann.user.id] });
    const deleted = await manage({ action: "delete", identities: [ann.user.id] });

    expect([disabled.json.processed, deleted.json.processed]).toEqual([1, 2]);
  });

  test("80: 5000 are ended in one call, which says that there are more", async () => {
    const alone = await startKratosServer();
    const rows = Array.from({ length: 5_001 }, (_, i) => ({
      instanceId: alone.instanceId,
      id: `session-${i}`,
      createdAt: now - minute,
      changedAt: now - minute,
    }));
    for (const from of [0, 2_500, 5_000]) {
      await alone.database.db.insert(sessions).values(rows.slice(from, from + 2_500));
    }

    const answers = [];
    for (const action of ["disable", "disable", "disable", "delete", "delete"]) {
      answers.push((await manage({ action, identities: ["*"] }, alone)).json);
    }
    const left = idsOf(await (await createIdentity(alone)).listSessions());
    await alone.close();

    const most = { processed: 5_000, more: true };
    const rest = { processed: 1, more: false };
    expect(answers).toEqual([most, rest, { processed: 0, more: false }, most, rest]);
    expect(left).toEqual([]);
  });
});

async function manage(body: object, { ask, manager } = server) {
  const headers = { ...(await manager()), "content-type": "application/json" };
  const { status, json } = await ask("POST", "/admin/sessions", { headers, body: JSON.stringify(body) });
  return { status, json };
}

async function stateOf(id: string): Promise<"active" | "inactive" | "gone"> {
  const found = await identity.getSession({ id }).catch(() => undefined);
  if (found === undefined) {
    expect(await failureOf(identity.getSession({ id }))).toMatchObject({ status: 404 });
    return "gone";
  }
  return found.data.active ? "active" : "inactive";
}
