/** What `result` gives, or the reason of the signal if that comes first: a database that hangs holds no client. */
export async function orAborted<T>(signal: AbortSignal, result: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    // Whichever comes second is heard by nobody, and its failure ends nothing.
    return await Promise.race([aborted, result]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
