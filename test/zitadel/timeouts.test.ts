import { afterAll, describe, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());

describe("a timeout that the caller sets", () => {
  test.each([
    ["30S"],
    ["10M"],
    ["1H"],
    ["30000m"],
    ["30000000u"],
    ["30000001u"],
    ["5500500u"],
    ["1000H"],
    ["99999999H"],
  ])("of %s leaves REST time enough", async (timeout) => {
    expect(await searchOverRest(timeout)).toMatchObject({ status: 200, json: { details: {} } });
  });

  test.each([["0m"], ["1n"], ["999u"]])("of %s is over at once in REST", async (timeout) => {
    expect(await searchOverRest(timeout)).toMatchObject({ status: 504, json: { code: 4 } });
  });

  // The last is more than a timer of Node's can count.
  test.each([["30000"], ["2147483647"], ["9999999999"]])("of %s ms leaves Connect time enough", async (timeout) => {
    const response = await list({ "content-type": "application/json", "connect-timeout-ms": timeout }, "{}");

    expect({ status: response.status, json: await response.json() }).toMatchObject({ status: 200 });
  });

  test.each([["30S"], ["500500u"], ["99999999S"]])("of %s leaves gRPC-Web time enough", async (timeout) => {
    const headers = { "content-type": "application/grpc-web+proto", "grpc-timeout": timeout };
    const response = await list(headers, Buffer.alloc(5));

    expect(await response.text()).toContain("grpc-status: 0");
  });
});

async function searchOverRest(timeout: string) {
  const headers = { ...(await bearer(server, admin)), "grpc-timeout": timeout };
  const response = await fetch(`${server.url}/v2/sessions/search`, { method: "POST", headers, body: "{}" });
  return { status: response.status, json: await response.json() };
}

async function list(headers: Record<string, string>, body: string | Buffer): Promise<Response> {
  const authorization = await bearer(server, admin);
  const url = `${server.url}/zitadel.session.v2.SessionService/ListSessions`;
  return await fetch(url, { method: "POST", headers: { ...authorization, ...headers }, body });
}
