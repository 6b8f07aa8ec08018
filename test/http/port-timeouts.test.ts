import { once } from "node:events";
import { constants } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import type { PortRequest, PortResponse, RequestHandler } from "../../src/http/port.ts";
import {
  dial,
  frame,
  frameType,
  frameTypes,
  get,
  givenPort,
  givenSession,
  headerBlock,
  preface,
  readToEnd,
  readUntil,
  readUntilFrame,
  request,
  testTls,
} from "../support/sockets.ts";

const endHeaders = 0x4;
const endStreamAndHeaders = 0x5;
const hello = Buffer.concat([preface, frame("settings")]);

describe("a connection that does not tell its protocol", () => {
  test.each([
    ["nothing", ""],
    ["part of HTTP/2's preface", preface.subarray(0, 10)],
  ])("is dropped if it sends %s", async (_name, bytes) => {
    const port = await givenPort({ timeouts: { prefaceMs: 50 } });
    const socket = await dial(port.url);
    socket.write(bytes);

    expect((await readToEnd(socket)).length).toBe(0);
  });

  test("is dropped if it ends", async () => {
    const port = await givenPort();
    const socket = await dial(port.url);
    socket.end(preface.subarray(0, 10));

    expect((await readToEnd(socket)).length).toBe(0);
  });

  test("is dropped if it does not finish the TLS handshake", async () => {
    const port = await givenPort({ tls: testTls, timeouts: { prefaceMs: 50 } });

    expect((await readToEnd(await dial(port.url.replace("https", "http")))).length).toBe(0);
  });

  test("gets GOAWAY if it sends no SETTINGS after HTTP/2's preface", async () => {
    const port = await givenPort({ timeouts: { prefaceMs: 50 } });
    const socket = await dial(port.url);
    socket.write(preface);

    expect(frameTypes(await readToEnd(socket))).toContain(frameType.goAway);
  });
});

describe.each([
  ["plaintext", undefined],
  ["TLS", testTls],
])("HTTP/1 over %s", (_name, tls) => {
  test.each([
    ["headers", "POST / HTTP/1.1\r\nHost: localhost\r\n", { headersMs: 50 }],
    ["body", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf", { requestMs: 50 }],
  ])("a request that does not finish its %s gets a 408 and is dropped", async (_part, text, timeouts) => {
    const port = await givenPort({ tls, handler: () => undefined, timeouts });
    const socket = await dial(port.url);
    socket.write(text);

    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 408 /);
  });

  test("a connection without a next request is closed", async () => {
    const port = await givenPort({ tls, timeouts: { idleMs: 50 } });
    const socket = await dial(port.url);
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    expect((await readToEnd(socket)).toString()).toMatch(/^HTTP\/1.1 200 (.|\s)*hello$/);
  });
});

describe("HTTP/2", () => {
  test.each([
    ["plaintext", undefined],
    ["TLS", testTls],
  ])("over %s, a session without a stream gets GOAWAY and ends, whatever it PINGs", async (_name, tls) => {
    const port = await givenPort({ tls, timeouts: { idleMs: 50 } });
    const session = givenSession(port.url);
    const keepPinging = () => void (session.destroyed || session.ping(keepPinging));
    session.once("connect", keepPinging);

    expect((await once(session, "goaway"))[0]).toBe(constants.NGHTTP2_NO_ERROR);
    await once(session, "close");
  });

  test("a session is idle from its last stream's end", async () => {
    const port = await givenPort({ timeouts: { idleMs: 50 } });
    const session = givenSession(port.url);
    await Promise.all([request(session), request(session)]);

    await once(session, "close");
  });

  test("a session whose streams were cancelled as they were opened is idle", async () => {
    const port = await givenPort({ timeouts: { idleMs: 50 } });
    const socket = await dial(port.url);
    const opened = frame("headers", endStreamAndHeaders, 1, headerBlock());
    const cancelled = frame("resetStream", 0, 1, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]));
    socket.write(Buffer.concat([hello, opened, cancelled]));

    await readUntilFrame(socket, "goAway");
  });

  test("a header block that comes byte by byte, and never ends, is dropped", async () => {
    const port = await givenPort({ timeouts: { idleMs: 50, lingerMs: 50 } });
    const socket = await dial(port.url);
    socket.write(Buffer.concat([hello, frame("headers", 0, 1), frame("continuation", 0, 1, Buffer.alloc(0), 10_000)]));
    const drip = setInterval(() => socket.write("\0"), 5);
    onTestFinished(() => clearInterval(drip));

    expect(frameTypes(await readToEnd(socket))).toContain(frameType.goAway);
  });

  test("a stream that does not finish its body is reset, and the session goes on", async () => {
    const port = await givenPort({
      handler: (request, response) => void (request.method === "POST" || response.end()),
      timeouts: { requestMs: 50 },
    });
    const session = givenSession(port.url);
    const stream = session.request({ ":method": "POST" });
    stream.write("half");

    await once(stream, "close");
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect(await request(session)).toMatchObject({ status: 200 });
  });

  test("a stream that is answered before it has finished its body is reset", async () => {
    const port = await givenPort();
    const socket = await dial(port.url);
    socket.write(Buffer.concat([hello, frame("headers", endHeaders, 1, headerBlock("POST"))]));

    expect(await readUntilFrame(socket, "resetStream")).toContain(frameType.data);
  });

  test("a client that does not hang up after GOAWAY is dropped", async () => {
    const port = await givenPort({ timeouts: { idleMs: 50, lingerMs: 50 } });
    const socket = await dial(port.url);
    socket.write(hello);
    await readUntilFrame(socket, "goAway");

    await port.close(60_000);
  });

  test("a client that hangs up is not waited for", async () => {
    const port = await givenPort();
    const socket = await dial(port.url);
    socket.end(hello);

    expect(frameTypes(await readToEnd(socket))).toContain(frameType.settings);
  });
});

describe("a response", () => {
  const timeouts = { headersMs: 40, requestMs: 40, idleMs: 40, stalledMs: 40, lingerMs: 40 };
  const late = (response: PortResponse) => setTimeout(() => response.end("late"), 10 * timeouts.idleMs);

  test("may take longer than any timeout, if it is the handler who lets wait", async () => {
    const port = await givenPort({ handler: (_request, response) => void late(response), timeouts });

    expect(await get(port.url)).toMatchObject({ body: "late" });
    expect(await request(givenSession(port.url))).toMatchObject({ body: "late" });
  });

  test("keeps its HTTP/2 session from being idle", async () => {
    const port = await givenPort({ handler: (_request, response) => void late(response), timeouts });
    const session = givenSession(port.url);
    const goAway = once(session, "goaway").then(() => "GOAWAY");

    expect(await Promise.race([request(session), goAway])).toMatchObject({ body: "late" });
    expect(await goAway).toBe("GOAWAY");
  });

  test("may wait for one before it on its connection", async () => {
    const closed: (string | undefined)[] = [];
    const handler = (request: PortRequest, response: PortResponse) => {
      response.once("close", () => closed.push(request.url));
      if (request.url === "/late") late(response);
      else response.end("next");
    };
    const port = await givenPort({ handler, timeouts: { ...timeouts, idleMs: 60_000 } });
    const socket = await dial(port.url);
    socket.write(["/late", "/next"].map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(""));

    expect(await readUntil(socket, "next")).toContain("late");
    expect(closed).toEqual(["/late", "/next"]);
  });

  test("of which an HTTP/1 client takes nothing is dropped", async () => {
    const [handler, ended] = givenBigResponse();
    const port = await givenPort({ handler, timeouts: { stalledMs: 50 } });
    const socket = await dial(port.url);
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");

    await ended;
    await port.close(60_000);
  });

  test("of which an HTTP/2 client takes nothing is reset, whatever it PINGs", async () => {
    const [handler, ended] = givenBigResponse();
    const port = await givenPort({ handler, timeouts: { stalledMs: 50 } });
    const session = givenSession(port.url, { initialWindowSize: 0 });
    const keepPinging = () => void (session.destroyed || session.ping(keepPinging));
    const stream = session.request();
    session.once("connect", keepPinging);

    await Promise.all([ended, once(stream, "close")]);
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  test("of which an HTTP/2 client does not even read the reset is dropped with its connection", async () => {
    const [handler, ended] = givenBigResponse();
    const port = await givenPort({ handler, timeouts: { stalledMs: 50, idleMs: 50, lingerMs: 50 } });
    const socket = await dial(port.url);
    // SETTINGS_INITIAL_WINDOW_SIZE, and WINDOW_UPDATE for the connection: flow control is not what blocks.
    const wide = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const widen = Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    const asked = frame("headers", endStreamAndHeaders, 1, headerBlock());
    socket.write(Buffer.concat([preface, frame("settings", 0, 0, wide), widen, asked]));

    await ended;
    await port.close(60_000);
  });
});

// More than the kernel's buffers take. Its promise is kept once the response has ended, in whatever way.
function givenBigResponse(): [RequestHandler, Promise<void>] {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handler: RequestHandler = (_request, response) => {
    response.once("close", resolve);
    response.end(Buffer.alloc(64_000_000));
  };
  return [handler, promise];
}
