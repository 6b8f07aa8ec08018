import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import type net from "node:net";
import tls from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { openPort } from "../../src/http/port.ts";
import {
  dial,
  exchange,
  frame,
  get,
  givenPort,
  givenSession,
  preface,
  readUntil,
  request,
  testTls,
} from "../support/sockets.ts";

const isAcknowledgement = 0x1;
const aRequest = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

describe("protocols", () => {
  test("HTTP/1.1 and HTTP/2 by prior knowledge share a plaintext port", async () => {
    const port = await givenPort({ handler: (request, response) => void response.end(request.httpVersion) });

    expect(await get(port.url)).toMatchObject({ status: 200, body: "1.1" });
    expect(await request(givenSession(port.url))).toMatchObject({ status: 200, body: "2.0" });
  });

  test.each([
    ["HTTP/1.1", Buffer.from(aRequest), "hello"],
    ["HTTP/2", Buffer.concat([preface, frame("settings")]), frame("settings", isAcknowledgement).toString("latin1")],
  ])("%s is recognised byte by byte", async (_name, bytes, answer) => {
    const port = await givenPort();
    const socket = await dial(port.url);

    socket.setNoDelay(true);
    for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve));

    expect(await readUntil(socket, answer)).toContain(answer);
  });

  test("what begins like HTTP/2 but is not gets HTTP/1's answer", async () => {
    const port = await givenPort();

    expect(await exchange(port.url, "PRI * HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
  });

  test.each([
    ["h2", ["h2", "http/1.1"], "h2"],
    ["http/1.1", ["http/1.1"], "http/1.1"],
    ["HTTP/1.1, if the client knows no ALPN", undefined, false],
  ])("TLS agrees on %s", async (_name, offered, agreed) => {
    const port = await givenPort({ tls: testTls });
    const socket = tls.connect({ port: Number(new URL(port.url).port), ca: testTls.cert, ALPNProtocols: offered });
    onTestFinished(() => void socket.destroy());
    await once(socket, "secureConnect");

    expect(socket.alpnProtocol).toBe(agreed);
    if (agreed === "h2") return;
    socket.write(aRequest);
    expect(await readUntil(socket, "hello")).toMatch(/^HTTP\/1.1 200/);
  });

  test("TLS carries HTTP/2 requests, whose socket is known to be encrypted", async () => {
    const port = await givenPort({
      tls: testTls,
      handler: (request, response) => void response.end(String("encrypted" in request.socket)),
    });

    expect(await request(givenSession(port.url))).toMatchObject({ status: 200, body: "true" });
  });

  test("a failed TLS handshake ends that connection only", async () => {
    const port = await givenPort({ tls: testTls });

    expect(await exchange(port.url.replace("https", "http"), aRequest)).not.toContain("HTTP");
    expect(await request(givenSession(port.url))).toMatchObject({ status: 200 });
  });
});

describe("requests that cannot be read", () => {
  test.each([
    ["that is no HTTP", "hello\r\n\r\n", 400],
    ["with two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    ["with 20 kB of headers", `GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431],
  ])("HTTP/1: one %s gets its status and ends the connection", async (_name, text, status) => {
    const [plain, encrypted] = [await givenPort(), await givenPort({ tls: testTls })];

    for (const { url } of [plain, encrypted]) expect(await exchange(url, text)).toMatch(`HTTP/1.1 ${status} `);
    expect(await get(plain.url)).toMatchObject({ status: 200 });
  });
});

describe("errors", () => {
  const failure = new Error("no luck");

  test.each([
    [
      "throws",
      (): void => {
        throw failure;
      },
    ],
    [
      "rejects",
      async (): Promise<void> => {
        throw failure;
      },
    ],
  ])("a handler that %s gets a 500 without the headers it has set, and is reported", async (_name, fail) => {
    const port = await givenPort({
      handler: (_request, response) => {
        response.setHeader("Content-Length", 1_000);
        return fail();
      },
    });

    expect(await get(port.url)).toMatchObject({ status: 500, body: "internal error\n" });
    expect(await request(givenSession(port.url))).toMatchObject({ status: 500, body: "internal error\n" });
    expect(port.errors).toEqual([failure, failure]);
  });

  test("a handler that throws halfway breaks its response off", async () => {
    const port = await givenPort({
      handler: (_request, response) => {
        // Callable, but TypeScript cannot tell from the two kinds' overloads.
        (response as NodeJS.WritableStream).write("half");
        throw failure;
      },
    });

    await expect(get(port.url)).rejects.toThrow("hang up");
    await expect(request(givenSession(port.url))).rejects.toThrow("NGHTTP2_INTERNAL_ERROR");
    expect(port.errors).toEqual([failure, failure]);
  });

  test("a handler that throws after its response leaves it whole", async () => {
    const port = await givenPort({
      handler: (_request, response) => {
        response.end("whole");
        throw failure;
      },
    });

    expect(await get(port.url)).toMatchObject({ status: 200, body: "whole" });
    expect(await request(givenSession(port.url))).toMatchObject({ status: 200, body: "whole" });
    expect(port.errors).toEqual([failure, failure]);
  });

  test("a write after the end is reported", async () => {
    const port = await givenPort({
      handler: (_request, response) => {
        response.end();
        (response as NodeJS.WritableStream).write("more");
      },
    });

    expect(await get(port.url)).toMatchObject({ status: 200 });
    await expect.poll(() => port.errors).toMatchObject([{ code: "ERR_STREAM_WRITE_AFTER_END" }]);
  });

  test.each([
    ["before it has sent anything", ""],
    ["within HTTP/2's preface", preface.subarray(0, 10)],
    ["within an HTTP/1 request", aRequest.slice(0, 10)],
    ["while an HTTP/1 request is served", aRequest],
    ["in HTTP/2", preface],
  ])("a connection that is reset %s goes unnoticed", async (_name, bytes) => {
    for (const tls of [undefined, testTls]) {
      const port = await givenPort({
        tls,
        handler: (request, response) => void (request.url === "/" || response.end()),
      });
      const socket = await dial(port.url.replace("https", "http"));
      await new Promise((resolve) => socket.write(bytes, resolve));

      socket.resetAndDestroy();

      expect(await get(`${port.url}/next`)).toMatchObject({ status: 200 });
      expect(port.errors).toEqual([]);
    }
  });

  test("a connection that cannot be accepted is reported", async () => {
    let server: net.Server | undefined;
    const remember = (message: unknown) => {
      server = (message as { server: net.Server }).server;
    };
    diagnostics.subscribe("tracing:net.server.listen:asyncStart", remember);
    onTestFinished(() => void diagnostics.unsubscribe("tracing:net.server.listen:asyncStart", remember));
    const port = await givenPort();

    server?.emit("error", failure);

    expect(port.errors).toEqual([failure]);
  });
});

describe("opening", () => {
  test("a port in use is an error that names it", async () => {
    const { url } = await givenPort();
    const { hostname: host, port } = new URL(url);

    const again = openPort({ host, port: Number(port), handler: () => undefined, onError: () => undefined });

    await expect(again).rejects.toThrow(
      `cannot open the port: listen EADDRINUSE: address already in use ${host}:${port}`,
    );
  });

  test("a certificate that cannot be read is an error", async () => {
    await expect(givenPort({ tls: { cert: "none", key: "none" } })).rejects.toThrow("PEM");
  });

  test("the URL of an IPv6 address has brackets", async () => {
    expect((await givenPort({ host: "::1" })).url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  });
});
