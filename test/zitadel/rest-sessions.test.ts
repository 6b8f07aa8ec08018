import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { bearer } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());
const headers = await bearer(server, { sub: "login", scope: "session.read session.write session.delete" });

describe("REST, the session's id stands in the path", () => {
  const another = '"sessionId":"another","metadata":{"key":"AA=="}';

  beforeEach(async () => {
    await server.database.client`delete from sessions where instance_id = ${server.instanceId}`;
    for (const id of ["an-id", "another", "search", "🙂/", "5"]) await server.given.session({ id });
  });

  test.each([
    ["PATCH", "/v2/sessions/an-id", `{${another}}`, "an-id"],
    ["PATCH", "/v2/sessions/an-id", `{"session_id":5,${another}}`, "an-id"],
    ["PATCH", "/v2beta/sessions/%F0%9F%99%82%2F", `{"session_id":5,${another}}`, "🙂/"],
    ["DELETE", "/v2/sessions/an-id", `{${another}}`, "an-id"],
    ["DELETE", "/v2beta/sessions/an-id", '{"session_id":5}', "an-id"],
    ["DELETE", "/v2/sessions/search", undefined, "search"],
  ])("%s %s with %s changes the one of the path, and no other", async (method, path, body, id) => {
    const before = await sequences();

    const response = await fetch(`${server.url}${path}`, { method, body, headers });

    expect(response.status).toBe(200);
    const after = await sequences();
    expect([...after.keys()].filter((one) => after.get(one) !== before.get(one))).toEqual([id]);
  });

  test.each([
    ["/v2/sessions/an-id?sessionId=another&session_id=another&unknown=1", "an-id"],
    ["/v2/sessions/search", "search"],
    ["/v2beta/sessions/%F0%9F%99%82%2F", "🙂/"],
  ])("GET %s answers with the one of the path", async (path, id) => {
    const response = await fetch(`${server.url}${path}`, { headers });

    expect([response.status, await response.json()]).toMatchObject([200, { session: { id } }]);
  });

  async function sequences(): Promise<Map<string, string>> {
    const rows = await server.database
      .client`select id, sequence from sessions where instance_id = ${server.instanceId}`;
    return new Map(rows.map((row) => [row["id"], row["sequence"]]));
  }
});

describe("REST, bytes are base64", () => {
  test.each([
    ["padded", "/+8="],
    ["without padding", "/+8"],
    ["URL-safe", "_-8="],
    ["URL-safe without padding", "_-8"],
  ])("that may be %s", async (_name, value) => {
    const created = await create(value);
    expect(created.status).toBe(201);

    const { sessionId } = JSON.parse(await created.text());
    const response = await fetch(`${server.url}/v2/sessions/${sessionId}`, { headers });

    expect(await response.json()).toMatchObject({ session: { metadata: { key: "/+8=" } } });
  });

  test("and nothing else", async () => {
    expect((await create("*")).status).toBe(400);
  });

  function create(value: string): Promise<Response> {
    return fetch(`${server.url}/v2/sessions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ metadata: { key: value } }),
    });
  }
});
