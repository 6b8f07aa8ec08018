import { describe, expect, test } from "vitest";
import {
  dial,
  exchange,
  frame,
  frameType,
  get,
  givenPort,
  givenSession,
  headerBlock,
  preface,
  readUntilFrame,
  request,
} from "../support/sockets.ts";

describe("hosts", () => {
  test.each([
    ["that is a name", "Host: localhost"],
    ["with a port", "Host: my_service.example:8080"],
    ["that is an IPv6 address", "Host: [::1]:80"],
  ])("HTTP/1: a host %s is served", async (_name, header) => {
    const port = await givenPort();

    expect(await exchange(port.url, `GET / HTTP/1.0\r\n${header}\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /);
  });

  test.each([
    ["an absent host", "HTTP/1.1", []],
    ["an absent host in HTTP/1.0", "HTTP/1.0", []],
    ["an empty host", "HTTP/1.1", [""]],
    ["an unclosed bracket", "HTTP/1.1", ["["]],
    ["a space", "HTTP/1.1", ["a b"]],
    ["user information", "HTTP/1.1", ["ann@localhost"]],
    ["a path", "HTTP/1.1", ["localhost/x"]],
    ["a port above 65535", "HTTP/1.1", ["localhost:65536"]],
    ["a port without a host", "HTTP/1.1", [":80"]],
    ["brackets without an address", "HTTP/1.1", ["[:::]"]],
    ["the same host twice", "HTTP/1.1", ["localhost", "localhost"]],
    ["two hosts", "HTTP/1.1", ["localhost", "example.com"]],
  ])("HTTP/1: %s is refused before the handler sees it", async (_name, version, hosts) => {
    const port = await givenPort();
    const lines = hosts.map((host) => `Host: ${host}\r\n`).join("");

    expect(await exchange(port.url, `GET / ${version}\r\n${lines}\r\n`)).toMatch(
      /^HTTP\/1.1 400 (.|\s)*\r\nConnection: close\r\n(.|\s)*one valid host/,
    );
    expect(await get(port.url)).toMatchObject({ status: 200 });
  });

  test.each([
    ["an unclosed bracket", { ":authority": "[" }],
    ["an address that is none", { ":authority": "256.256.256.256" }],
    ["a port above 65535", { ":authority": "localhost:65536" }],
    ["an authority and another host", { ":authority": "localhost", host: "example.com" }],
  ])("HTTP/2: %s is refused before the handler sees it", async (_name, headers) => {
    const port = await givenPort();
    const session = givenSession(port.url);

    expect(await request(session, headers)).toMatchObject({ status: 400 });
    expect(await request(session)).toMatchObject({ status: 200 });
  });

  test.each([
    ["an empty authority", { ":authority": "" }],
    ["a space", { ":authority": "a b" }],
    ["user information", { ":authority": "ann@localhost" }],
    ["a path", { ":authority": "localhost/x" }],
  ])("HTTP/2: %s resets the stream", async (_name, headers) => {
    const port = await givenPort();
    const session = givenSession(port.url);

    await expect(request(session, headers)).rejects.toThrow("NGHTTP2_PROTOCOL_ERROR");
    expect(await request(session)).toMatchObject({ status: 200 });
  });

  test("HTTP/2: an absent authority resets the stream", async () => {
    const port = await givenPort();
    const socket = await dial(port.url);
    const endsStreamAndHeaders = 0x5;

    socket.write(
      Buffer.concat([
        preface,
        frame("settings"),
        frame("headers", endsStreamAndHeaders, 1, headerBlock().subarray(0, 3)),
      ]),
    );

    expect(await readUntilFrame(socket, "resetStream")).not.toContain(frameType.headers);
  });

  test("HTTP/2: an authority may be said again as host", async () => {
    const port = await givenPort();

    const headers = { ":authority": "localhost", host: "localhost" };
    expect(await request(givenSession(port.url), headers)).toMatchObject({ status: 200 });
  });

  test("a target that makes no URL with the host is refused", async () => {
    const port = await givenPort();

    expect(await exchange(port.url, "GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
    expect(await request(givenSession(port.url), { ":path": "//[" })).toMatchObject({ status: 400 });
  });
});
