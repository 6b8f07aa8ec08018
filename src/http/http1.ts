import http from "node:http";
import type net from "node:net";
import type { Stage } from "./protocol.ts";
import { dropWhenStalled } from "./stalled.ts";
import type { PortTimeouts } from "./timeouts.ts";

/** The HTTP/1 side of a port. Its server is to own the port's listening socket, and gives its "connection" event away. */
export interface Http1 extends Stage {
  readonly server: http.Server;
}

/** The requests of one socket, which a client may send without waiting for the answers ("pipelining"). */
interface Line {
  /** How many were not answered yet. */
  waiting: number;
  /** The response to the last of them: only that one may end the socket. */
  newest: http.ServerResponse | undefined;
}

// As many as streams in an HTTP/2 session. Node itself takes any number, of which each holds memory and a turn.
const maxPipelined = 128;

/**
 * Serves HTTP/1 on the sockets it is given.
 *
 * `close` ends every socket without a request in flight at once, and the others after their response, which says
 * `Connection: close` unless its headers are out already.
 */
export function createHttp1(handler: http.RequestListener, timeouts: PortTimeouts): Http1 {
  const lines = new Map<net.Socket, Line>();
  let closing = false;

  function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { socket } = request;
    const line = lines.get(socket) ?? { waiting: 0, newest: undefined };
    line.waiting += 1;
    line.newest = response;
    if (line.waiting > maxPipelined) return void socket.destroy();
    if (closing) response.setHeader("Connection", "close");
    // A pipelined response has no socket until those before it are through: it waits for our handlers, not for the client.
    dropWhenStalled(response, timeouts.stalledMs, () => response.socket?.destroy());
    response.once("close", () => {
      line.waiting -= 1;
      if (line.newest !== response) return;
      line.newest = undefined;
      if (closing) socket.destroySoon();
    });
    handler(request, response);
  }

  const server = http.createServer(serverOptions(timeouts), answer);
  const adopt = takeConnections(server);

  function accept(socket: net.Socket): void {
    lines.set(socket, { waiting: 0, newest: undefined });
    socket.once("close", () => lines.delete(socket));
    adopt(socket);
  }

  function close(): void {
    closing = true;
    for (const [socket, { newest }] of lines) {
      if (newest === undefined) socket.destroy();
      else if (!newest.headersSent) newest.setHeader("Connection", "close");
    }
  }

  return { server, accept, close };
}

function serverOptions(timeouts: PortTimeouts): http.ServerOptions {
  return {
    // Node refuses it above the other.
    headersTimeout: Math.min(timeouts.headersMs, timeouts.requestMs),
    requestTimeout: timeouts.requestMs,
    // How late node may notice these two. Its own 30 s would be longer than they are.
    connectionsCheckingInterval: Math.ceil(Math.min(timeouts.headersMs, timeouts.requestMs) / 10),
    keepAliveTimeout: timeouts.idleMs,
    // `admit` sees to it, for both protocols and for HTTP/1.0.
    requireHostHeader: false,
  };
}

// An http.Server enforces its timeouts only on a port of its own ("listening" starts the checker), so it keeps
// the port, and what it would do with a new connection is put aside for the sockets that speak HTTP/1.
function takeConnections(server: http.Server): (socket: net.Socket) => void {
  const [adopt] = server.listeners("connection");
  if (adopt === undefined) throw new Error("node's http.Server no longer listens for connections");
  server.removeAllListeners("connection");
  return (socket) => void adopt.call(server, socket);
}
