import { once } from "node:events";
import net from "node:net";
import { onTestFinished } from "vitest";

/** A way to a database that can break. */
export interface TcpProxy {
  /** The URL of the database, by way of the proxy. */
  readonly url: string;
  /** From now on every new connection is refused; those that are open stay. */
  refuse(): Promise<void>;
  /** Takes connections again, at the same URL. */
  accept(): Promise<void>;
  /** From now on nothing that either side sends arrives; connections open as before. */
  freeze(): void;
  /** How many pieces of what Rollcall has sent did not arrive. */
  countSwallowed(): number;
  /** Ends every open connection. */
  cut(): void;
}

/** Opens a proxy in front of the database at `databaseUrl`; it is gone after the test. */
export async function givenTcpProxy(databaseUrl: string): Promise<TcpProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<net.Socket>();
  let isFrozen = false;
  let swallowed = 0;
  const server = net.createServer((client) => {
    const database = net.connect(Number(target.port), target.hostname);
    const forward = (from: net.Socket, to: net.Socket) => {
      sockets.add(from);
      from.on("error", () => undefined);
      from.once("close", () => void to.destroy());
      from.on("data", (bytes) => {
        if (!isFrozen) to.write(bytes);
        else if (from === client) swallowed += 1;
      });
    };
    forward(client, database);
    forward(database, client);
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    // Safe: it listens on a port, not on a pipe.
    return (server.address() as net.AddressInfo).port;
  };
  const cut = () => sockets.forEach((socket) => void socket.destroy());

  const port = await listen(0);
  onTestFinished(() => {
    server.close();
    cut();
  });
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  return {
    url: url.href,
    // It stops listening at once, and would call back only when the last connection has ended.
    refuse: async () => void server.close(),
    accept: async () => void (await listen(port)),
    freeze() {
      isFrozen = true;
    },
    countSwallowed: () => swallowed,
    cut,
  };
}
