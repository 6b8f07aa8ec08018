import { EventEmitter, on, once } from "node:events";
import type net from "node:net";
import tls from "node:tls";
import { describe, expect, test } from "vitest";
import type { PortResponse, RequestHandler } from "../../src/http/port.ts";
import {
  dial,
  frame,
  get,
  givenPort,
  givenSession,
  preface,
  readToEnd,
  readUntil,
  request,
  testTls,
} from "../support/sockets.ts";

const aRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const long = 60_000;

describe.each([
  ["plaintext", undefined],
  ["TLS", testTls],
])("closing a port with %s", (_name, tls) => {
  test.each([
    ["that has sent nothing", ""],
    ["that has sent part of HTTP/2's preface", preface.subarray(0, 10)],
    ["that has sent part of a request's headers", "GET / HTTP/1.1\r\n"],
  ])("ends a connection %s", async (_bytes, bytes) => {
    const port = await givenPort({ tls });
    const socket = await dial(port.url);
    socket.write(bytes);
    // Whatever was sent before this answer has been read: connections are served in the order they came.
    await get(port.url);

    await port.close(long);
  });

  test("ends an HTTP/1 connection between requests", async () => {
    const port = await givenPort({ tls });
    const socket = await dial(port.url);
    socket.write(aRequest);
    await readUntil(socket, "hello");

    await port.close(long);
  });

  test("lets an HTTP/1 request finish, says so and ends its connection", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls, handler });
    const socket = await dial(port.url);
    socket.write(aRequest);
    const response = await nextResponse();

    const closed = port.close(long);
    response.end("done");

    expect((await readToEnd(socket)).toString()).toMatch(/\r\nConnection: close\r\n(.|\s)*done/);
    await closed;
  });

  test("ends an HTTP/1 connection after a response whose headers were out", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls, handler });
    const socket = await dial(port.url);
    socket.write(aRequest);
    const response = await nextResponse();
    write(response, "half");
    await readUntil(socket, "half");

    const closed = port.close(long);
    response.end("done");

    expect((await readToEnd(socket)).toString()).toContain("done");
    await closed;
  });

  test("lets every pipelined HTTP/1 request finish", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls, handler });
    const socket = await dial(port.url);
    socket.write(aRequest + aRequest);
    const [first, second] = [await nextResponse(), await nextResponse()];

    const closed = port.close(long);
    first.end("first");
    expect(await readUntil(socket, "first")).not.toContain("Connection: close");
    second.end("second");

    expect((await readToEnd(socket)).toString()).toMatch(/\r\nConnection: close\r\n(.|\s)*second/);
    await closed;
  });

  test("sends GOAWAY on an HTTP/2 session and lets its streams finish", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls, handler });
    const session = givenSession(port.url);
    const answers = [request(session), request(session)];
    const responses = [await nextResponse(), await nextResponse()];

    const closed = port.close(long);
    await once(session, "goaway");
    for (const response of responses) response.end("done");

    expect(await Promise.all(answers)).toMatchObject([{ body: "done" }, { body: "done" }]);
    await closed;
  });

  test("ends an HTTP/2 session without streams", async () => {
    const port = await givenPort({ tls });
    await request(givenSession(port.url));

    await port.close(long);
  });

  test("destroys after the grace what is left", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls, handler });
    const lost = [get(port.url), request(givenSession(port.url))].map((answer) => answer.catch(() => "lost"));
    await Promise.all([nextResponse(), nextResponse()]);

    await port.close(50);

    expect(await Promise.all(lost)).toEqual(["lost", "lost"]);
  });

  test("accepts no further connections", async () => {
    const port = await givenPort({ tls });

    await port.close(long);

    await expect(dial(port.url)).rejects.toThrow("ECONNREFUSED");
  });
});

describe("closing a port", () => {
  test("answers a request that comes while another finishes on its connection, as the last one", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ handler });
    const socket = await dial(port.url);
    socket.write(aRequest);
    const first = await nextResponse();
    write(first, "half");
    await readUntil(socket, "half");

    const closed = port.close(long);
    socket.write(aRequest);
    const second = await nextResponse();
    first.end();
    second.end("done");

    expect((await readToEnd(socket)).toString()).toMatch(/\r\nConnection: close\r\n(.|\s)*done/);
    await closed;
  });

  test("gives an open stream its time, however soon others end and little time is left to hang up", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ handler, timeouts: { lingerMs: 20 } });
    const session = givenSession(port.url);
    const answers = [request(session), request(session)];
    const [short, long] = [await nextResponse(), await nextResponse()];

    const closed = port.close(60_000);
    short.end("short");
    setTimeout(() => long.end("long"), 200);

    expect(await Promise.all(answers)).toMatchObject([{ body: "short" }, { body: "long" }]);
    await closed;
  });

  test("drops a client that does not hang up after GOAWAY", async () => {
    const port = await givenPort({ timeouts: { lingerMs: 50 } });
    const socket = await dial(port.url);
    socket.write(Buffer.concat([preface, frame("settings")]));
    await once(socket, "readable");

    await port.close(long);
  });

  test("drops a TLS handshake that is done too late", async () => {
    const { handler, nextResponse } = givenPatientHandler();
    const port = await givenPort({ tls: testTls, handler });
    const raw = await dial(port.url.replace("https", "http"));
    const busy = await dial(port.url);
    busy.write(aRequest);
    const response = await nextResponse();

    const closed = port.close(long);
    const late = handshake(raw);
    late.write(aRequest);
    expect((await readToEnd(late)).length).toBe(0);

    response.end();
    await closed;
  });

  test("leaves no timer, whether connections have ended or were destroyed", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = timers();
    const port = await givenPort({ handler: (request, response) => void (request.url === "/never" || response.end()) });
    const connections = [await dial(port.url), await dial(port.url)];
    connections[0]?.write(aRequest);
    const session = givenSession(port.url);
    const lost = request(session, { ":path": "/never", ":method": "POST" }).catch(() => "lost");
    await Promise.all([get(port.url), request(session)]);

    await port.close(50);
    for (const socket of connections) socket.destroy();
    expect(await lost).toBe("lost");

    await expect.poll(timers).toBeLessThanOrEqual(before);
  });

  test("again is the same closing", async () => {
    const port = await givenPort();

    expect(port.close(long)).toBe(port.close(0));
  });
});

function write(response: PortResponse, text: string): void {
  // Callable on either kind, but TypeScript cannot tell from their overloads.
  (response as NodeJS.WritableStream).write(text);
}

function handshake(socket: net.Socket): tls.TLSSocket {
  const secure = tls.connect({ socket, host: "localhost", ca: testTls.cert });
  return secure.on("error", () => undefined);
}

// A handler that leaves its responses to the test.
function givenPatientHandler(): { handler: RequestHandler; nextResponse: () => Promise<PortResponse> } {
  const requests = new EventEmitter();
  const responses = on(requests, "response");
  return {
    handler: (_request, response) => void requests.emit("response", response),
    nextResponse: async () => (await responses.next()).value?.[0],
  };
}
