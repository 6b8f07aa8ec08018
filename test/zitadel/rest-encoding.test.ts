import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { startTestServer } from "../support/server.ts";
import { admin, bearer } from "./clients.ts";

const server = await startTestServer();
afterAll(() => server.close());

test.each([["gzip"], ["br"], ["gzip, gzip"], ["nonsense"]])("REST refuses a body in %s", async (encoding) => {
  const { status, json } = await search(gzipSync("{}"), { "content-encoding": encoding });

  expect({ status, json }).toEqual({
    status: 415,
    json: { code: 3, message: "a compressed body is not understood" },
  });
});

test.each([["identity"], ["Identity"], [""]])("REST takes a body in %s", async (encoding) => {
  expect(await search(Buffer.from("{}"), { "content-encoding": encoding })).toMatchObject({ status: 200 });
});

async function search(body: Buffer, headers: Record<string, string>) {
  const response = await fetch(`${server.url}/v2/sessions/search`, {
    method: "POST",
    headers: { ...(await bearer(server, admin)), ...headers },
    body,
  });
  return { status: response.status, json: await response.json() };
}
