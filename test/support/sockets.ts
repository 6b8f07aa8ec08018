import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { onTestFinished } from "vitest";
import { openPort, type Port, type PortOptions } from "../../src/http/port.ts";
import type { TlsOptions } from "../../src/http/protocol.ts";

/** A self-signed certificate for localhost and 127.0.0.1, valid until 2126. Its key is public: for tests only. */
export const testTls: TlsOptions = {
  cert: readFileSync(new URL("tls/test-only-cert.pem", import.meta.url)),
  key: readFileSync(new URL("tls/test-only-key.pem", import.meta.url)),
};

/** A port on loopback that answers "hello" unless `options` say otherwise, collects errors, and is closed after the test. */
export async function givenPort(options: Partial<PortOptions> = {}): Promise<Port & { errors: unknown[] }> {
  const errors: unknown[] = [];
  const port = await openPort({
    host: "127.0.0.1",
    port: 0,
    handler: (_request, response) => void response.end("hello"),
    onError: (error) => errors.push(error),
    ...options,
  });
  onTestFinished(() => port.close(0));
  return { ...port, errors };
}

/** A connected raw socket, over TLS if the URL says so. It is never closed by itself, and never throws. */
export async function dial(url: string, alpn = ["http/1.1"]): Promise<net.Socket> {
  const port = Number(new URL(url).port);
  const secure = url.startsWith("https:");
  const plain = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const socket = secure
    ? tls.connect({ socket: plain, host: "127.0.0.1", ca: testTls.cert, ALPNProtocols: alpn })
    : plain;
  socket.on("error", () => undefined);
  onTestFinished(() => void socket.destroy());
  await once(socket, secure ? "secureConnect" : "connect");
  return socket;
}

/** All that the server sends on `socket` until it ends or drops the connection. */
export async function readToEnd(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  return Buffer.concat(chunks);
}

/** What the server sends on `socket` until `text` is part of it, as Latin-1. */
export async function readUntil(socket: net.Socket, text: string): Promise<string> {
  return (await readWhile(socket, (received) => !received.includes(text, 0, "latin1"))).toString("latin1");
}

/** The types of the HTTP/2 frames that the server sends on `socket`, up to a first one of `type`. */
export async function readUntilFrame(socket: net.Socket, type: keyof typeof frameType): Promise<number[]> {
  return frameTypes(await readWhile(socket, (received) => !frameTypes(received).includes(frameType[type])));
}

/** Sends `text` on a connection of its own, and resolves with all that the server sends until it ends the connection. */
export async function exchange(url: string, text: string): Promise<string> {
  const socket = await dial(url);
  socket.write(text);
  return (await readToEnd(socket)).toString("latin1");
}

/** A response with its body read. */
export interface Answer {
  status: number | undefined;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** Sends a GET over HTTP/1.1, encrypted if the URL says so. */
export async function get(url: string): Promise<Answer> {
  const request = url.startsWith("https:") ? https.get(url, { ca: testTls.cert }) : http.get(url);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await textOf(response) };
}

/** An HTTP/2 session with the port, by prior knowledge or ALPN. Its errors do not throw. */
export function givenSession(url: string, settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect(url, { ca: testTls.cert, settings });
  session.on("error", () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

/** Sends a request over HTTP/2; a GET of / without a body unless `headers` say otherwise. Rejects if the stream is reset. */
export async function request(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Answer> {
  const stream = session.request({ ":path": "/", ...headers });
  const reset = once(stream, "close").then(() => Promise.reject(new Error(`stream closed with ${stream.rstCode}`)));
  const [response] = (await Promise.race([once(stream, "response"), reset])) as [
    http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader,
  ];
  return { status: response[":status"], headers: response, body: await textOf(stream) };
}

/** What a client opens an HTTP/2 connection with. */
export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** HTTP/2 frame types (RFC 9113, 6). */
export const frameType = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  continuation: 9,
} as const;

/** The bytes of one HTTP/2 frame. `length` differs from the payload's if the rest is to follow, or never to come. */
export function frame(
  type: keyof typeof frameType,
  flags = 0,
  stream = 0,
  payload: Buffer = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = frameType[type];
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** The header block of `GET http://localhost/`, or of a POST, in HPACK. */
export function headerBlock(method: "GET" | "POST" = "GET"): Buffer {
  const [scheme, path, authority] = [0x86, 0x84, 0x41];
  return Buffer.from([method === "GET" ? 0x82 : 0x83, scheme, path, authority, 9, ...Buffer.from("localhost")]);
}

/** The types of the HTTP/2 frames in `bytes`, in order. */
export function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes.readUInt8(at + 3));
  return types;
}

async function readWhile(socket: net.Socket, isTooLittle: (received: Buffer) => boolean): Promise<Buffer> {
  let received = Buffer.alloc(0);
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received = Buffer.concat([received, chunk]);
    if (!isTooLittle(received)) return received;
  }
  throw new Error(`the connection ended after ${JSON.stringify(received.toString("latin1"))}`);
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}
