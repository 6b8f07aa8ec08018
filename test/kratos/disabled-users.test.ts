import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type User, users } from "../../src/sessions/schema.ts";
import { type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());
const { ask } = server;

let ann: SignedIn;
let other: SignedIn;
beforeAll(async () => {
  ann = await server.signIn({ id: "ann", state: "inactive" });
  other = await server.signInAs(ann.user, { id: "other" });
});

describe("a disabled user is refused", () => {
  const publicRoutes = [
    ["GET", "/sessions"],
    ["GET", "/sessions/whoami"],
    ["POST", "/sessions/whoami"],
    ["DELETE", "/sessions"],
    ["DELETE", "/sessions/other"],
  ] as const;

  test.each(publicRoutes)("with a session token: %s %s", async (method, path) => {
    expect((await ask(method, path, ann)).status).toBe(401);
  });

  test.each(publicRoutes)("with a JWT that names the session: %s %s", async (method, path) => {
    const headers = await jwt({ sid: ann.session.id });

    expect((await ask(method, path, { headers })).status).toBe(401);
  });

  test.each([
    ["GET", "/admin/sessions"],
    ["POST", "/admin/sessions"],
    ["GET", "/admin/sessions/other"],
    ["DELETE", "/admin/sessions/other"],
    ["PATCH", "/admin/sessions/other/extend"],
    ["GET", "/admin/identities/ann/sessions"],
    ["DELETE", "/admin/identities/ann/sessions"],
  ])("with all scopes: %s %s", async (method, path) => {
    const headers = await jwt({ scope: "session.read session.write session.delete" });

    expect((await ask(method, path, { headers })).status).toBe(401);
  });

  test.each(["/v2/sessions/search", "/v2beta/sessions/search", "/auth/v1/users/me/sessions/_search"])(
    "in Zitadel's dialect: POST %s",
    async (path) => {
      const headers = { ...(await jwt({ scope: "session.read" })), "content-type": "application/json" };

      const { status, json } = await ask("POST", path, { headers, body: "{}" });

      expect({ status, code: json.code }).toEqual({ status: 401, code: 16 });
    },
  );

  test("and nothing was done on any of these", async () => {
    const { json } = await ask("GET", "/admin/identities/ann/sessions?active=true", {
      headers: await server.manager(),
    });

    expect(json.map(({ id }: { id: string }) => id).toSorted()).toEqual([ann.session.id, "other"].toSorted());
  });
});

describe("a user who becomes", () => {
  test("disabled is refused at once, and enabled let in again", async () => {
    const bob = await server.signIn();
    const statuses = [];
    for (const state of ["active", "inactive", "active"] as const) {
      await setState(bob.user, state);
      statuses.push((await ask("GET", "/sessions", bob)).status);
    }

    expect(statuses).toEqual([200, 401, 200]);
  });

  test("disabled in one instance is not in another", async () => {
    const elsewhere = await startKratosServer();
    const { headers } = await elsewhere.signIn({ id: "ann" });
    const { status } = await elsewhere.ask("GET", "/sessions/whoami", { headers });
    await elsewhere.close();

    expect(status).toBe(200);
  });
});

test("managers see the sessions of a disabled user as inactive where the identity is shown", async () => {
  const headers = await server.manager();

  const listed = await ask("GET", "/admin/sessions?expand=identity", { headers });
  const plain = await ask("GET", `/admin/sessions/${other.session.id}`, { headers });

  const states = listed.json.filter(({ identity }: { identity: { id: string } }) => identity.id === "ann");
  expect(states).toMatchObject([{ active: false }, { active: false }]);
  expect(plain.json).toMatchObject({ active: true, identity: null });
});

async function jwt(claims: object): Promise<{ authorization: string }> {
  return { authorization: `Bearer ${await server.issuer.token({ sub: "ann", ...claims })}` };
}

async function setState({ instanceId, id }: User, state: User["state"]): Promise<void> {
  const isUser = and(eq(users.instanceId, instanceId), eq(users.id, id));
  await server.database.db.update(users).set({ state }).where(isUser);
}
