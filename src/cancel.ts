import { DrizzleQueryError } from "drizzle-orm";
import postgres, { type PendingQuery, type Sql } from "postgres";

// "canceling statement due to user request": also what the victim of a cancellation that came too late is told.
const cancelledState = "57014";

/**
 * Makes drivers whose work ends with an AbortSignal: a query that waits for a connection is dropped, one that runs is
 * cancelled in PostgreSQL; a transaction is rolled back.
 *
 * The driver by itself keeps the waiting queries of callers who are gone, and loses a connection that is being
 * opened for one that is cancelled; so no more work than for `maxConnections` is handed to it at a time.
 *
 * A transaction may be run a second time from its start: it must do nothing beyond its queries.
 */
export function createCancellable(client: Sql, maxConnections: number): (signal: AbortSignal) => Sql {
  const turns = createTurns(maxConnections);
  const run = async <T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> => {
    const done = await turns(signal);
    try {
      return await attempt().catch((error) => {
        // The cancellation of the query before us on this connection came late and hit us. What is cancelled is undone: again.
        if (signal.aborted || !isCancelled(error)) throw error;
        return attempt();
      });
    } finally {
      done();
    }
  };
  return (signal) => {
    const begin = <T>(work: (transaction: Sql) => Promise<T>) => run(signal, () => transact(client, signal, work));
    // Safe: the query builder calls nothing but `unsafe` and `begin`.
    return {
      unsafe: createUnsafe(client, (start) => run(signal, () => runUntil(signal, start))),
      begin,
    } as unknown as Sql;
  };
}

async function transact<T>(client: Sql, signal: AbortSignal, work: (transaction: Sql) => Promise<T>): Promise<T> {
  const result = await client.begin(async (transaction) => {
    const ask = <R>(start: () => PendingQuery<never>) => runUntil<R>(signal, start).catch(orNeverIfLost);
    // Safe: as above; a transaction in a transaction has no use here.
    const value = await work({ unsafe: createUnsafe(transaction, ask) } as unknown as Sql).finally(() =>
      // Whoever asked is gone and will be told nothing: let nothing have happened. If a statement failed, it is of this.
      signal.throwIfAborted(),
    );
    return { value };
  });
  // Safe: the driver would only unwrap an array of promises.
  return (result as { value: T }).value;
}

/**
 * Throws the error, unless it is that the connection is lost: then it never returns.
 *
 * The driver rejects a transaction whose connection is lost by itself. If its work failed too, the driver would write a
 * rollback to the connection that is gone, and that ends the process (https://github.com/porsager/postgres/issues/1154).
 */
function orNeverIfLost(error: unknown): Promise<never> {
  return isConnectionLost(error) ? new Promise(() => {}) : Promise.reject(error);
}

function isConnectionLost(error: unknown): boolean {
  // The last thing that PostgreSQL says on a connection.
  if (error instanceof postgres.PostgresError) return error.severity === "FATAL";
  // The driver's own word for it, or the socket's.
  return error instanceof Error && "code" in error && (/^CONNECT/.test(String(error.code)) || "syscall" in error);
}

/** Queries as the query builder makes them: it calls nothing but these two on the result of `unsafe`. */
function createUnsafe(client: Pick<Sql, "unsafe">, run: (start: () => PendingQuery<never>) => Promise<unknown>) {
  return (...query: Parameters<Sql["unsafe"]>) => ({
    // biome-ignore lint/suspicious/noThenProperty: the driver's queries start when they are awaited, so must these.
    then: (...settled: Parameters<Promise<unknown>["then"]>) => run(() => client.unsafe(...query)).then(...settled),
    values: () => run(() => client.unsafe<never>(...query).values() as PendingQuery<never>),
  });
}

// What the driver does not declare of its queries.
interface Cancellable {
  /** The connection that it was given to; null until then. */
  state?: unknown;
  /** Sends the cancellation over a connection of its own, once the query runs. */
  canceller?: ((query: unknown) => Promise<void>) | null;
}

async function runUntil<T>(signal: AbortSignal, start: () => PendingQuery<never>): Promise<T> {
  // An abort that came before would not be heard of any more.
  signal.throwIfAborted();
  const query: PendingQuery<never> & Cancellable = start();
  const cancel = () => {
    // One without a connection waits for its own to open: let it, for the connection would be lost.
    if (query.state === null) return;
    // Not by `cancel()`, which leaves the failure to send it unheard, and that ends the process. It is given up: whoever
    // waits for the query has been answered, and the query ends with its connection.
    query.canceller?.(query).catch(() => {});
    query.canceller = null;
  };
  signal.addEventListener("abort", cancel);
  try {
    return (await query) as T;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function isCancelled(error: unknown): boolean {
  // In a transaction the query builder has wrapped it.
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  return cause instanceof postgres.PostgresError && cause.code === cancelledState;
}

/** Lets `free` tasks run at a time, first come first served; the others wait, or give up when their signal aborts. */
function createTurns(free: number): (signal: AbortSignal) => Promise<() => void> {
  const waiting = new Set<() => void>();
  const done = () => {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  };
  return async (signal) => {
    signal.throwIfAborted();
    if (free > 0) free -= 1;
    else await turn(waiting, signal);
    return done;
  };
}

function turn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const start = () => {
      waiting.delete(start);
      signal.removeEventListener("abort", giveUp);
      resolve();
    };
    const giveUp = () => {
      waiting.delete(start);
      reject(signal.reason);
    };
    waiting.add(start);
    signal.addEventListener("abort", giveUp, { once: true });
  });
}
