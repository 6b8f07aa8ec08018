import http from "node:http";
import type net from "node:net";
import type { Stage } from "./protocol.ts";
import { dropWhenStalled } from "./stalled.ts";
import type { PortTimeouts } from "./timeouts.ts";

/** The HTTP/1 side of a port. Its server is to own the port's listening socket, and gives its "connection" event away. */
export interface Http1 extends Stage {
  readonly server: http.Server;
}

/**
 * Serves HTTP/1 on the sockets it is given.
 *
 * `close` ends every socket without a request in flight at once, and the others after their response, which says
 * `Connection: close` unless its headers are out already.
 */
export function createHttp1(handler: http.RequestListener, timeouts: PortTimeouts): Http1 {
  // The newest response each socket waits for: with pipelining there can be more, and only the last may end it.
  const newest = new Map<net.Socket, http.ServerResponse | undefined>();
  let closing = false;

  function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { socket } = request;
    newest.set(socket, response);
    if (closing) response.setHeader("Connection", "close");
    // A pipelined response has no socket until those before it are through: it waits for our handlers, not for the client.
    dropWhenStalled(response, timeouts.stalledMs, () => response.socket?.destroy());
    response.once("close", () => {
      if (newest.get(socket) !== response) return;
      newest.set(socket, undefined);
      if (closing) socket.destroySoon();
    });
    handler(request, response);
  }

  const server = http.createServer(serverOptions(timeouts), answer);
  const adopt = takeConnections(server);

  function accept(socket: net.Socket): void {
    newest.set(socket, undefined);
    socket.once("close", () => newest.delete(socket));
    adopt(socket);
  }

  function close(): void {
    closing = true;
    for (const [socket, response] of newest) {
      if (response === undefined) socket.destroy();
      else if (!response.headersSent) response.setHeader("Connection", "close");
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
