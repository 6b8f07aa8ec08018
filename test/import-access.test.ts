import { afterAll, describe, expect, test } from "vitest";
import { createImportedRows, deletion } from "./support/imported-rows.ts";
import { ann, at, isAnn, openImporter, toText } from "./support/imports.ts";
import { idsOf } from "./support/kratos.ts";
import { type OpenServer, openServer } from "./support/open-server.ts";

const importer = await openImporter();
afterAll(() => importer.close());
const { findUsers, givenApiTokens } = createImportedRows(importer);

describe("whose source disables or deletes them", () => {
  test.each([
    ["inactive", (instanceId: string, id: string) => ({ instanceId, user: { ...ann, id, state: "inactive" } })],
    ["deleted", deletion],
  ])("%s: every token of theirs fails at once, a new one too", async (state, toLine) => {
    await using server = await openServer();
    const { instanceId } = server;
    const { user, headers, token, session } = await server.signIn();
    const [apiToken] = await givenApiTokens(instanceId, [user.id]);
    const jwt = await server.issuer.token({ sub: user.id });
    const jwtOfSession = await server.issuer.token({ sub: user.id, sid: session.id });
    const factors = { user: { ...isAnn.user, id: user.id }, password: { verifiedAt: at } };
    const late = { instanceId, session: { id: "late", creationDate: at, factors, token: "ory_st_late" } };
    const search = (one: string) => server.ask("POST", "/v2/sessions/search", { ...bearer(one), body: "{}" });
    const open = () =>
      Promise.all([
        server.ask("GET", "/sessions/whoami", { headers }),
        server.ask("GET", "/sessions/whoami", bearer(jwtOfSession)),
        ...[token, jwt, String(apiToken)].map(search),
      ]).then((answers) => answers.map(({ status }) => status));
    expect(await open()).toEqual([200, 200, 200, 200, 200]);

    await importer.fromFile(toText([toLine(instanceId, user.id)]));

    expect(await open()).toEqual([401, 401, 401, 401, 401]);
    await importer.fromFile(toText([late]));
    expect((await search("ory_st_late")).status).toBe(401);
    expect((await server.ask("GET", "/sessions/whoami", bearer("ory_st_late"))).status).toBe(401);
    expect(await findUsers(instanceId)).toMatchObject([{ state }]);
  });

  test("inactive: their sessions are listed as they are", async () => {
    await using server = await openServer();
    const { user, session } = await server.signIn();
    const before = await listEverywhere(server);

    await importer.fromFile(
      toText([{ instanceId: server.instanceId, user: { ...ann, id: user.id, state: "inactive" } }]),
    );

    expect(before).toEqual({ zitadel: [session.id], kratos: [session.id], open: [session.id] });
    expect(await listEverywhere(server)).toEqual(before);
  });

  test("deleted: their sessions are listed as ended, without their names", async () => {
    await using server = await openServer();
    const { user, session } = await server.signIn();

    await importer.fromFile(toText([deletion(server.instanceId, user.id)]));

    expect(await listEverywhere(server)).toEqual({ zitadel: [], kratos: [session.id], open: [] });
    const headers = await server.manager();
    const { json } = await server.ask("GET", `/admin/sessions/${session.id}?expand=identity`, { headers });
    expect(json).toMatchObject({ active: false, identity: { id: user.id, state: "inactive", traits: {} } });
  });
});

function bearer(token: string) {
  return { headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } };
}

async function listEverywhere(server: OpenServer) {
  const headers = await server.manager();
  const search = await server.ask("POST", "/v2/sessions/search", {
    headers: { ...headers, "content-type": "application/json" },
    body: "{}",
  });
  return {
    zitadel: (search.json.sessions ?? []).map(({ id }: { id: string }) => id),
    kratos: idsOf(await server.ask("GET", "/admin/sessions", { headers })),
    open: idsOf(await server.ask("GET", "/admin/sessions?active=true", { headers })),
  };
}
