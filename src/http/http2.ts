import http2 from "node:http2";
import type net from "node:net";
import type { Stage } from "./protocol.ts";
import { dropWhenStalled } from "./stalled.ts";
import type { PortTimeouts } from "./timeouts.ts";

type Http2Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

// What node leaves unlimited or generous. Its other limits stay: 128 header fields, 100 refused streams, 10 MB of
// memory and 10 open pings per session, and nghttp2's 8 CONTINUATION frames per header block.
const limits: http2.ServerOptions = {
  settings: {
    // Node has no limit. RFC 9113 advises against less than 100; each stream can hold a database query.
    maxConcurrentStreams: 128,
    // As much as node's HTTP/1 parser takes.
    maxHeaderListSize: 16_384,
  },
  // Of empty DATA frames too (CVE-2019-9518). Nobody sends a bad frame by design.
  maxSessionInvalidFrames: 100,
  // Against rapid reset (CVE-2023-44487): each stream that is opened and cancelled has cost a query. Twice
  // maxConcurrentStreams lets a client cancel all it does and do so again; after that, so many per second.
  streamResetBurst: 256,
  streamResetRate: 32,
};

/**
 * Serves HTTP/2 on the sockets it is given, encrypted or not.
 *
 * `close` sends GOAWAY on every session; open streams finish, then the session ends.
 */
export function createHttp2(handler: Http2Handler, timeouts: PortTimeouts): Stage {
  const server = http2.createServer(limits, (request, response) => {
    // Cancelled in the same bytes that opened it. Else rapid reset buys some thousand queries before a limit counts.
    if (request.stream.closed) return;
    handler(request, response);
  });
  const endings = new Set<() => void>();

  function accept(socket: net.Socket): void {
    // An http.Server's sockets stay half open, which no HTTP/2 session notices.
    socket.allowHalfOpen = false;
    server.once("session", (session) => {
      const end = watchSession(session, socket, timeouts);
      endings.add(end);
      socket.once("close", () => endings.delete(end));
    });
    server.emit("connection", socket);
  }

  return { accept, close: () => endings.forEach((end) => void end()) };
}

// One timer, for what a session without streams is waited for: SETTINGS, a next stream or, after its end, the
// client's hanging up. Only streams restart it, for a client could send PINGs, or a header block byte by byte, for ever.
function watchSession(session: http2.ServerHttp2Session, socket: net.Socket, timeouts: PortTimeouts): () => void {
  let streams = 0;
  let timer = setTimeout(end, timeouts.prefaceMs);

  function end(): void {
    session.close();
    rest();
  }
  function rest(): void {
    clearTimeout(timer);
    if (streams > 0 || socket.destroyed) return;
    timer = session.closed ? setTimeout(() => socket.destroy(), timeouts.lingerMs) : setTimeout(end, timeouts.idleMs);
  }

  session.once("remoteSettings", rest);
  session.on("stream", (stream) => {
    streams += 1;
    clearTimeout(timer);
    stream.once("close", () => {
      streams -= 1;
      rest();
    });
    watchStream(stream, timeouts);
  });
  socket.once("close", () => clearTimeout(timer));
  return end;
}

function watchStream(stream: http2.ServerHttp2Stream, timeouts: PortTimeouts): void {
  dropWhenStalled(stream, timeouts.stalledMs, () => cancel(stream));
  const timer = setTimeout(() => {
    if (stream.state.remoteClose !== 1) cancel(stream);
  }, timeouts.requestMs);
  stream.once("close", () => clearTimeout(timer));
}

function cancel(stream: http2.ServerHttp2Stream): void {
  stream.close(http2.constants.NGHTTP2_CANCEL);
  // `close` alone waits until RST_STREAM is sent, and would wait for ever if the client does not read.
  stream.destroy();
}
