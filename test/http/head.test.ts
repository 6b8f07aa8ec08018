import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startTestServer } from "../support/server.ts";
import { exchange, givenSession, request } from "../support/sockets.ts";

const server = await startTestServer();
afterAll(() => server.close());
beforeEach(() => {
  server.log.length = 0;
});

describe.each([
  ["HTTP/1", headByHttp1],
  ["HTTP/2", headByHttp2],
] as const)("HEAD over %s is answered by headers alone, and logged once", (_name, head) => {
  test.each([
    ["/v2/sessions/search", 405],
    ["/nowhere", 404],
    ["/sessions", 401],
    ["/sessions/whoami", 401],
    ["/admin/sessions", 401],
  ])("%s", async (path, status) => {
    const answer = await head(path);
    // After it nothing more can come of the first one.
    await head("/second");

    expect(answer).toMatchObject({ status, type: expect.stringMatching(/^application\/json/), body: "" });
    await vi.waitFor(() => expect(server.log.map((line) => line["path"])).toContain("/second"));
    expect(server.log).toMatchObject([
      { msg: "request", method: "HEAD", path, status },
      { msg: "request", method: "HEAD", path: "/second", status: 404 },
    ]);
  });
});

async function headByHttp1(path: string) {
  const answer = await exchange(server.url, `HEAD ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const end = answer.indexOf("\r\n\r\n") + 4;
  const type = /^content-type: (.*)\r$/im.exec(answer.slice(0, end))?.[1];
  return { status: Number(answer.split(" ")[1]), type, body: answer.slice(end) };
}

async function headByHttp2(path: string) {
  const { status, headers, body } = await request(givenSession(server.url), { ":method": "HEAD", ":path": path });
  return { status, type: headers["content-type"], body };
}
