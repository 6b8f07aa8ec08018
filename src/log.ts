import { DrizzleQueryError } from "drizzle-orm";
import { type DestinationStream, type Logger, pino, type SerializedError, stdSerializers } from "pino";

/**
 * A logger that writes a line of JSON for each event, to stdout unless told otherwise.
 *
 * Of a query that failed it tells what the database said, not the query and not the rows: these hold what the caller
 * sent, and hashes of tokens.
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const err = (error: Error) => withoutRows(stdSerializers.err(withoutQuery(error)));
  return destination ? pino({ level, serializers: { err } }, destination) : pino({ level, serializers: { err } });
}

function withoutQuery(error: Error): Error {
  return error instanceof DrizzleQueryError && error.cause ? error.cause : error;
}

// PostgreSQL quotes whole rows there, and parts of statements.
function withoutRows({ detail: _detail, where: _where, ...error }: SerializedError) {
  return error;
}
