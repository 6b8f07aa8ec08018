import { asc, desc, type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import type { Condition } from "./filter.ts";
import type { Instant } from "./instant.ts";
import { sessions } from "./schema.ts";

/** A part of a list: `limit` rows from the row numbered `offset`, counted from 0. */
export interface OffsetPage {
  offset: number;
  limit: number;
  order: Order;
}

/** By creation date, then by id, so that the order is total and two pages never share or miss a row. */
export type Order = "newest_first" | "oldest_first";

/** A place in a list that is newest first: right behind the session created then, of that id. */
export interface Position {
  createdAt: Instant;
  id: string;
}

/** It comes behind a place. Both columns at once, so that the index leads right there, however deep. */
export const isBehind = ({ createdAt, id }: Position): Condition =>
  sql`(${sessions.createdAt}, ${sessions.id}) < (${sql.param(createdAt, sessions.createdAt)}, ${id})`;

/** The ORDER BY of an order. Both columns turn round together, so that one index serves both ways. */
export function orderBy(order: Order, columns: { createdAt: AnyPgColumn; id: AnyPgColumn }): SQL[] {
  const direction = order === "newest_first" ? desc : asc;
  return [direction(columns.createdAt), direction(columns.id)];
}
