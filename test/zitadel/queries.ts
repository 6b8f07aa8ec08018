import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { SearchQuerySchema } from "../../gen/zitadel/session/v2/session_pb.ts";
import type { TimestampQueryMethod } from "../../gen/zitadel/v1/object_pb.ts";
import { type Instant, splitInstant } from "../../src/sessions/instant.ts";

/** One condition of a ListSessions request. */
export type Query = NonNullable<MessageInitShape<typeof SearchQuerySchema>["query"]>;

export const byIds = (...ids: string[]) => ({ case: "idsQuery", value: { ids } }) as const;

export const byUser = (id: string) => ({ case: "userIdQuery", value: { id } }) as const;

/** Undefined means the caller. */
export const byCreator = (id?: string) => ({ case: "creatorQuery", value: { id } }) as const;

/** Undefined means the caller's own user agent. */
export const byAgent = (fingerprintId?: string) => ({ case: "userAgentQuery", value: { fingerprintId } }) as const;

/** The method may be any number: on the wire an enum is open. */
export const byCreationDate = (creationDate?: Timestamp, method?: number) =>
  // Safe: the type knows only the defined numbers, the message takes any.
  ({ case: "creationDateQuery", value: { creationDate, method: method as TimestampQueryMethod } }) as const;

export const byExpirationDate = (expirationDate?: Timestamp, method?: number) =>
  // Safe: the type knows only the defined numbers, the message takes any.
  ({ case: "expirationDateQuery", value: { expirationDate, method: method as TimestampQueryMethod } }) as const;

/** The moment as a client sends it, with nanoseconds that the store cannot keep. */
export function timestamp(instant: Instant, extraNanos = 0): Timestamp {
  const { seconds, nanos } = splitInstant(instant);
  return timestampOf(seconds, nanos + extraNanos);
}

/** A timestamp that need not be valid. */
export function timestampOf(seconds: bigint, nanos = 0): Timestamp {
  return create(TimestampSchema, { seconds, nanos });
}
