import { SessionError } from "../errors.ts";
import { type Instant, maxInstant, minInstant } from "../sessions/instant.ts";
import type { OffsetPage, Position } from "../sessions/page.ts";

/** A page by its number, counted from 0: how Kratos pages through the sessions of one user. */
export interface NumberedPage {
  page: number;
  size: number;
}

/** A page by the row before it: how Kratos pages through all sessions. */
export interface KeysetPage {
  /** Undefined for the first page. */
  after: Position | undefined;
  limit: number;
}

type Rel = "first" | "next" | "prev" | "last";

const defaultSize = 250;
const maxSize = 1_000;
// What Go reads as a number. What is longer is none.
const maxInt64 = 2n ** 63n - 1n;
// What the token of a first page says, so that it can be read like any other; Kratos's names the nil UUID too.
const start: Position = { createdAt: maxInstant, id: "00000000-0000-0000-0000-000000000000" };

/**
 * Reads `page_size` and `page_token`, or, without both of them, `per_page` and `page`.
 *
 * Nothing is refused: what cannot be read means the default size, or the first page.
 */
export function readNumberedPage(query: URLSearchParams): NumberedPage {
  const isNew = query.has("page_token") || query.has("page_size");
  const wanted = readInteger(query.get(isNew ? "page_size" : "per_page")) ?? defaultSize;
  const size = Math.min(Math.max(wanted, 1), maxSize);
  const page = isNew ? Math.floor(readOffset(query.get("page_token")) / size) : (readInteger(query.get("page")) ?? 0);
  // Past that there is no row anyway, and no number could tell two rows apart.
  return { size, page: Math.min(Math.max(page, 0), Math.floor(Number.MAX_SAFE_INTEGER / size) - 1) };
}

/** The rows of a numbered page. */
export function toOffsetPage({ page, size }: NumberedPage): OffsetPage {
  return { offset: page * size, limit: size, order: "newest_first" };
}

/**
 * The `Link` header beside a numbered page of a list of `total` rows, relative to the request.
 *
 * Which links there are, and in which order, is as in Kratos; unlike there each leads to the rows that it promises
 * (https://github.com/ory/kratos/issues/3883). From beyond the end, `prev` leads back to the last page.
 */
export function linkNumberedPages(url: URL, { page, size }: NumberedPage, total: number): string {
  const last = Math.max(Math.ceil(total / size) - 1, 0);
  const link = (rel: Rel, page: number, linkSize = size) => {
    const token = Buffer.from(`{"offset":"${page * size}","v":2}`).toString("base64url");
    return toLink(url, rel, { page, page_size: linkSize, page_token: token, per_page: linkSize });
  };
  if (last === 0) return link("first", 0, total || size);
  if (page >= last) return [link("first", 0), link("prev", Math.min(page - 1, last))].join(",");
  if (page === 0) return [link("next", 1), link("last", last)].join(",");
  return [link("first", 0), link("next", page + 1), link("prev", page - 1), link("last", last)].join(",");
}

/**
 * Reads `page_size` and `page_token`; without them, or with an empty token, the first page of the default size.
 *
 * Throws SessionError if the size is no integer, or if the token is none of ours.
 */
export function readKeysetPage(query: URLSearchParams): KeysetPage {
  const size = readSize(query.get("page_size"));
  return { after: readPosition(query.get("page_token")), limit: size < 1 ? defaultSize : Math.min(size, maxSize) };
}

/** The `Link` header beside a page of a keyset, relative to the request; `next` is where the page after it begins. */
export function linkKeysetPages(url: URL, { limit }: KeysetPage, next: Position | undefined): string {
  const link = (rel: Rel, position: Position) =>
    toLink(url, rel, { page_size: limit, page_token: printPosition(position) });
  return [link("first", start), ...(next === undefined ? [] : [link("next", next)])].join(",");
}

function toLink(url: URL, rel: Rel, parameters: Record<string, string | number>): string {
  const query = new URLSearchParams(url.search);
  for (const [name, value] of Object.entries(parameters)) query.set(name, String(value));
  query.sort();
  return `<${url.pathname}?${query}>; rel="${rel}"`;
}

function readOffset(token: string | null): number {
  try {
    const { offset } = JSON.parse(decodeBase64(token ?? "") ?? "");
    return readInteger(String(offset)) ?? 0;
  } catch {
    return 0;
  }
}

function readSize(text: string | null): number {
  if (text === null) return defaultSize;
  if (!/^[+-]?\d+$/.test(text)) throw new SessionError("invalid_request", "could not parse parameter page_size");
  return Number(text);
}

// With microseconds and any id, where Kratos keeps five decimals and a UUID.
function printPosition({ createdAt, id }: Position): string {
  return Buffer.from(`id=${encodeURIComponent(id)}/created_at=${createdAt}`).toString("base64url");
}

function readPosition(token: string | null): Position | undefined {
  if (token === null || token === "") return undefined;
  const text = decodeBase64(token);
  // Kratos blames the size for this too.
  if (text === undefined) throw new SessionError("invalid_request", "could not parse parameter page_size");
  const [, id, micros] = /^id=([^/]+)\/created_at=(-?\d{1,18})$/.exec(text) ?? [];
  const position = id === undefined || micros === undefined ? undefined : toPosition(id, BigInt(micros));
  if (position === undefined) {
    throw new SessionError("page_token_invalid", "The page token is invalid, do not craft your own page tokens");
  }
  return position.createdAt === start.createdAt && position.id === start.id ? undefined : position;
}

function toPosition(encodedId: string, createdAt: Instant): Position | undefined {
  if (createdAt < minInstant || createdAt > maxInstant) return undefined;
  try {
    const id = decodeURIComponent(encodedId);
    return id.includes("\0") ? undefined : { createdAt, id };
  } catch {
    return undefined;
  }
}

function decodeBase64(token: string): string | undefined {
  return /^[\w-]+$/.test(token) ? Buffer.from(token, "base64url").toString() : undefined;
}

function readInteger(text: string | null): number | undefined {
  if (text === null || !/^[+-]?\d{1,19}$/.test(text)) return undefined;
  const integer = BigInt(text.replace("+", ""));
  return integer > maxInt64 || integer < -maxInt64 ? undefined : Number(integer);
}
