import { asc, desc, type SQL } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";

/** A part of a list: `limit` rows from the row numbered `offset`, counted from 0. */
export interface OffsetPage {
  offset: number;
  limit: number;
  order: Order;
}

/** By creation date, then by id, so that the order is total and two pages never share or miss a row. */
export type Order = "newest_first" | "oldest_first";

/** The ORDER BY of an order. Both columns turn round together, so that one index serves both ways. */
export function orderBy(order: Order, columns: { createdAt: AnyPgColumn; id: AnyPgColumn }): SQL[] {
  const direction = order === "newest_first" ? desc : asc;
  return [direction(columns.createdAt), direction(columns.id)];
}
