import { afterAll, describe, expect, test } from "vitest";
import type { User } from "../src/sessions/schema.ts";
import { createTestDatabase } from "./support/database.ts";
import { agentFingerprintId, exportFrom, sessionsOfEveryKind } from "./support/exports.ts";
import { hour, minute, now } from "./support/given.ts";
import { openImporter } from "./support/imports.ts";
import type { KratosAnswer } from "./support/kratos.ts";
import { type OpenServer, openServer } from "./support/open-server.ts";

const importer = await openImporter();
// In which nothing is but what a test imports.
const empty = await createTestDatabase();
afterAll(async () => {
  await importer.close();
  await empty.drop();
});

describe("an export that is imported into an empty database", () => {
  const full = {
    userName: "ann",
    loginName: "ann@example.com",
    displayName: 'Ann "A." \u2028 Example\n',
    avatarUrl: "https://example.com/ann.png",
    traits: { email: "ann@example.com", name: { first: "Ann" }, tags: [1, null, 0.1, "é😀"] },
    schemaId: "customer",
    metadataPublic: { plan: "gold" },
    availableAal: "aal2",
    createdAt: now - 9n * hour - 1n,
    changedAt: now - 8n * hour + 1n,
  } as const;
  const noNames = { userName: "", loginName: "", displayName: "", avatarUrl: "" };

  test.each<[string, Partial<User>]>([
    ["of whom everything is known", full],
    ["of whom little is known", noNames],
    ["who has no organization", { organizationId: "" }],
    ["who is disabled", { ...full, state: "inactive" }],
    ["who was deleted", { ...noNames, state: "deleted", createdAt: now - hour, changedAt: now - minute }],
    ["who was deleted, and comes again with names", { ...full, state: "deleted" }],
  ])("gives the same answers: somebody %s", async (_name, user) => {
    await using origin = await openServer();
    const { id, organizationId } = await origin.given.user({ id: "ann", ...user });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: id, organizationId, ...session });
    await using copy = await openServer(empty);

    const lines = await exportFrom(origin, id);
    const { summary, stderr } = await importer.fromFile(lines.replaceAll(origin.instanceId, copy.instanceId), copy);

    expect(stderr).toBe("");
    expect(summary.sessions).toBe(sessionsOfEveryKind().length);
    const answers = await askAll(origin);
    expect(answers).toMatchObject([
      { json: { sessions: Array(6).fill({}) } },
      { json: { result: [{ agentId: agentFingerprintId }] } },
      { json: Array(8).fill({ identity: {} }) },
      { json: Array(8).fill({ identity: {} }) },
    ]);
    expect(await askAll(copy)).toEqual(answers);
    expect(await exportFrom(copy, id)).toBe(lines.replaceAll(origin.instanceId, copy.instanceId));
  });

  test("and where it comes from changes nothing", async () => {
    await using origin = await openServer();
    await origin.given.user({ id: "ann", ...full });
    for (const session of sessionsOfEveryKind()) await origin.given.session({ userId: "ann", ...session });

    const { summary } = await importer.fromFile(await exportFrom(origin, "ann"));

    expect(summary).toEqual({ users: 0, sessions: 0, unchanged: sessionsOfEveryKind().length + 1, refused: 0 });
  });
});

/** What every dialect answers, without sequences, which are each database's own, and the addresses of the server. */
async function askAll(server: OpenServer): Promise<unknown[]> {
  const manager = await server.manager();
  const zitadel = { headers: { ...manager, "content-type": "application/json" }, body: "{}" };
  const inAgent = await server.issuer.token({ sub: "stranger", agent_id: agentFingerprintId });
  const stranger = { ...zitadel, headers: { ...zitadel.headers, authorization: `Bearer ${inAgent}` } };
  const answers = await Promise.all([
    server.ask("POST", "/v2/sessions/search", zitadel),
    server.ask("POST", "/auth/v1/users/me/sessions/_search", stranger),
    server.ask("GET", "/admin/sessions?expand=identity&expand=devices", { headers: manager }),
    server.ask("GET", "/admin/identities/ann/sessions", { headers: manager }),
  ]);
  return answers.map((answer) => withoutOwn(server, answer));
}

function withoutOwn({ url }: OpenServer, { status, text: body }: KratosAnswer): unknown {
  const own = new Set(["sequence", "processedSequence", "timestamp"]);
  return { status, json: JSON.parse(body.replaceAll(url, ""), (key, value) => (own.has(key) ? undefined : value)) };
}
