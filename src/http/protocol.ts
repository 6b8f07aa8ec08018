import type net from "node:net";
import tls from "node:tls";

/** What a connection speaks: HTTP/1.0 or 1.1, or HTTP/2. */
export type Protocol = "http1" | "http2";

/** A step that sockets go through. `close` ends the sockets in it as soon as they have nothing under way. */
export interface Stage {
  accept(socket: net.Socket): void;
  close(): void;
}

/** The certificate chain and its private key, as PEM. */
export interface TlsOptions {
  cert: string | Buffer;
  key: string | Buffer;
}

type OnProtocol = (socket: net.Socket, protocol: Protocol) => void;

// RFC 9113, 3.4. It is made so that an HTTP/1 server cannot take it for a request.
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Recognises the protocol of plaintext connections by their first bytes, which it leaves in the socket.
 *
 * A socket that does not tell within `timeoutMs`, or ends before, is destroyed; on `close` so are all that wait.
 */
export function recogniseByPreface(timeoutMs: number, onProtocol: OnProtocol): Stage {
  const waiting = new Set<net.Socket>();
  function accept(socket: net.Socket): void {
    waiting.add(socket);
    socket.once("close", () => waiting.delete(socket));
    readStart(socket, timeoutMs, (protocol) => {
      waiting.delete(socket);
      onProtocol(socket, protocol);
    });
  }
  return { accept, close: () => waiting.forEach((socket) => void socket.destroy()) };
}

/**
 * Recognises the protocol of encrypted connections by ALPN, where a client without ALPN gets HTTP/1.
 *
 * A handshake that is not done within `timeoutMs` is dropped. `close` leaves handshakes to that.
 */
export function recogniseByAlpn(options: TlsOptions, timeoutMs: number, onProtocol: OnProtocol): Stage {
  const server = tls.createServer({
    cert: options.cert,
    key: options.key,
    // Said here so that NODE_OPTIONS cannot lower it.
    minVersion: "TLSv1.2",
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: timeoutMs,
  });
  server.on("secureConnection", (socket) => onProtocol(socket, socket.alpnProtocol === "h2" ? "http2" : "http1"));
  // A tls.Server only reports a handshake that failed or took too long: its socket stays open.
  server.on("tlsClientError", (_error, socket) => void socket.destroy());
  return { accept: (socket) => void server.emit("connection", socket), close: () => undefined };
}

function readStart(socket: net.Socket, timeoutMs: number, onProtocol: (protocol: Protocol) => void): void {
  let start = Buffer.alloc(0);
  const drop = () => void socket.destroy();
  const timer = setTimeout(drop, timeoutMs);
  const letGo = () => {
    clearTimeout(timer);
    socket.off("readable", read).off("end", drop).off("close", letGo);
  };
  const read = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    start = Buffer.concat([start, chunk]);
    const protocol = protocolOf(start);
    if (protocol === undefined) return;
    letGo();
    // Once, at the end: to unshift while waiting for more fires "readable" again, for ever.
    socket.unshift(start);
    onProtocol(protocol);
  };
  socket.on("readable", read).on("end", drop).on("close", letGo);
}

function protocolOf(start: Buffer): Protocol | undefined {
  const length = Math.min(start.length, preface.length);
  if (start.compare(preface, 0, length, 0, length) !== 0) return "http1";
  return length === preface.length ? "http2" : undefined;
}
