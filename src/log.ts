import { DrizzleQueryError } from "drizzle-orm";
import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";

/**
 * A logger that writes a line of JSON for each event, to stdout unless told otherwise.
 *
 * Of a query that failed it tells what the database said, not the query: that holds what the caller sent.
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const err = (error: Error) => stdSerializers.err(withoutQuery(error));
  return destination ? pino({ level, serializers: { err } }, destination) : pino({ level, serializers: { err } });
}

function withoutQuery(error: Error): Error {
  return error instanceof DrizzleQueryError && error.cause ? error.cause : error;
}
