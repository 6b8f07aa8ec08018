import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SessionError } from "../errors.ts";
import { instantOfMs, maxInstant, minInstant } from "../sessions/instant.ts";
import { linkKeysetPages, linkNumberedPages, readKeysetPage, readNumberedPage, toOffsetPage } from "./page.ts";

const tokens = {
  0: "eyJvZmZzZXQiOiIwIiwidiI6Mn0",
  2: "eyJvZmZzZXQiOiIyIiwidiI6Mn0",
  4: "eyJvZmZzZXQiOiI0IiwidiI6Mn0",
  10: "eyJvZmZzZXQiOiIxMCIsInYiOjJ9",
  250: "eyJvZmZzZXQiOiIyNTAiLCJ2IjoyfQ",
  500: "eyJvZmZzZXQiOiI1MDAiLCJ2IjoyfQ",
};
const base = "http://localhost";

describe("a numbered page", () => {
  test.each([
    ["", 0, 250],
    ["page_size=10", 0, 10],
    ["page_size=0", 0, 1],
    ["page_size=-5", 0, 1],
    ["page_size=1001", 0, 1_000],
    ["page_size=1000", 0, 1_000],
    ["page_size=", 0, 250],
    ["page_size=ten", 0, 250],
    ["page_size=1.5", 0, 250],
    ["page_size=99999999999999999999", 0, 250],
    ["per_page=10&page=3", 30, 10],
    ["per_page=10&page=0", 0, 10],
    ["per_page=10&page=1", 10, 10],
    ["per_page=10&page=-1", 0, 10],
    ["per_page=10&page=one", 0, 10],
    ["page_size=10&per_page=20&page=3", 0, 10],
    ["page_token=&per_page=20&page=3", 0, 250],
    [`page_token=${tokens[0]}`, 0, 250],
    [`page_token=${tokens[250]}`, 250, 250],
    [`page_token=${tokens[500]}`, 500, 250],
    [`page_size=2&page_token=${tokens[2]}`, 2, 2],
    [`page_size=5&page_token=${tokens[10]}`, 10, 5],
    [`page_size=4&page_token=${tokens[10]}`, 8, 4],
    [`page_size=2&page_token=${tokens[2]}=`, 0, 2],
    ["page_size=2&page_token=!!", 0, 2],
    [`page_size=2&page_token=${encode("7")}`, 0, 2],
    [`page_size=2&page_token=${encode("null")}`, 0, 2],
    [`page_size=2&page_token=${encode('{"v":2}')}`, 0, 2],
    [`page_size=2&page_token=${encode('{"offset":"-4","v":2}')}`, 0, 2],
    [`page_size=2&page_token=${encode('{"offset":{"a":1},"v":2}')}`, 0, 2],
  ])("of ?%s begins at %d with %d rows", (query, offset, limit) => {
    expect(toOffsetPage(readNumberedPage(new URLSearchParams(query)))).toEqual({
      offset,
      limit,
      order: "newest_first",
    });
  });

  test("never begins where a number, or PostgreSQL, cannot count", () => {
    const property = (page: bigint, size: number) => {
      const queries = [`page=${page}&per_page=${size}`, `page_size=${size}&page_token=${encodeOffset(page)}`];
      return queries.every((query) => {
        const { offset } = toOffsetPage(readNumberedPage(new URLSearchParams(query)));
        return Number.isSafeInteger(offset) && offset >= 0;
      });
    };

    fc.assert(fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), fc.integer(), property));
  });
});

describe("the links of a numbered page", () => {
  test.each([
    ["no row", "", 0, ["first 0"]],
    ["no row, asked for beyond the end", "per_page=2&page=3", 0, ["first 0"]],
    ["fewer rows than a page", "page_size=5", 3, ["first 0"]],
    ["a full page", "page_size=3", 3, ["first 0"]],
    ["the first page", "page_size=2", 5, ["next 2", "last 4"]],
    ["the second page", "per_page=2&page=1", 5, ["first 0", "next 4", "prev 0", "last 4"]],
    ["the last page", "per_page=2&page=2", 5, ["first 0", "prev 2"]],
    ["the last page, which is full", "per_page=2&page=2", 6, ["first 0", "prev 2"]],
    ["the page after the end", "per_page=2&page=3", 5, ["first 0", "prev 4"]],
    ["far beyond the end", "per_page=2&page=99", 5, ["first 0", "prev 4"]],
  ])("of %s", (_which, query, total, expected) => {
    const links = linksOf(`/sessions?${query}`, total);

    expect(links.map(({ rel, target }) => `${rel} ${offsetOf(target)}`)).toEqual(expected);
  });

  test("name all four parameters, sorted", () => {
    const url = new URL("/sessions?page_size=2", base);

    expect(linkNumberedPages(url, readNumberedPage(url.searchParams), 5)).toBe(
      `</sessions?page=1&page_size=2&page_token=${tokens[2]}&per_page=2>; rel="next",` +
        `</sessions?page=2&page_size=2&page_token=${tokens[4]}&per_page=2>; rel="last"`,
    );
  });

  test("of all there is say how many rows that is", () => {
    const url = new URL("/sessions", base);

    expect(linkNumberedPages(url, readNumberedPage(url.searchParams), 3)).toBe(
      `</sessions?page=0&page_size=3&page_token=${tokens[0]}&per_page=3>; rel="first"`,
    );
  });

  test("keep what else was asked for, and the path", () => {
    const [link] = linksOf("/admin/identities/a%20b/sessions?active=true&z=%3E%22&z=2&page_size=1", 2);

    expect(link?.target.pathname).toBe("/admin/identities/a%20b/sessions");
    expect(link?.target.searchParams.get("active")).toBe("true");
    expect(link?.target.searchParams.getAll("z")).toEqual(['>"', "2"]);
  });

  test("lead by next through every row once, in order, to the page that last promised", () => {
    const property = (total: number, size: number) => {
      const { offsets, pages } = follow("next", `/sessions?page_size=${size}`, total);
      const last = linksOf(`/sessions?page_size=${size}`, total).find(({ rel }) => rel === "last");
      expect(offsets).toEqual(Array.from({ length: total }, (_, offset) => offset));
      expect(pages.at(-1)).toBe(last ? offsetOf(last.target) : 0);
    };

    fc.assert(fc.property(fc.nat(300), fc.integer({ min: 1, max: 40 }), property));
  });

  test("lead by prev from anywhere back to the first page, never below it", () => {
    const property = (total: number, size: number, page: number) => {
      const { pages } = follow("prev", `/sessions?per_page=${size}&page=${page}`, total);
      expect(pages.every((offset, i) => i === 0 || offset < (pages[i - 1] ?? 0))).toBe(true);
      expect(total <= size || pages.at(-1) === 0).toBe(true);
    };

    fc.assert(fc.property(fc.nat(300), fc.integer({ min: 1, max: 40 }), fc.nat(400), property));
  });
});

describe("a page of a keyset", () => {
  test.each([
    ["", 250],
    ["page_size=7", 7],
    ["page_size=0", 250],
    ["page_size=-1", 250],
    ["page_size=1000", 1_000],
    ["page_size=1001", 1_000],
    ["page_size=99999999999999999999", 1_000],
    ["page_token=", 250],
  ])("of ?%s is the first one, of %d rows", (query, limit) => {
    expect(readKeysetPage(new URLSearchParams(query))).toEqual({ after: undefined, limit });
  });

  test.each(["page_size=ten", "page_size=", "page_size=1.5", "page_token=!", "page_token=a%20b"])(
    "of ?%s is refused as Kratos does",
    (query) => {
      expect(() => readKeysetPage(new URLSearchParams(query))).toThrow(
        new SessionError("invalid_request", "could not parse parameter page_size"),
      );
    },
  );

  test.each([
    "created_at=2026-01-01 00:00:00.00000",
    "id=a",
    "id=/created_at=1",
    "id=a/created_at=now",
    "id=%FF/created_at=1",
    "id=%00/created_at=1",
    `id=a/created_at=${maxInstant + 1n}`,
    `id=a/created_at=${minInstant - 1n}`,
  ])("after %s is refused as crafted", (text) => {
    expect(() => readKeysetPage(new URLSearchParams({ page_token: encode(text) }))).toThrow(
      new SessionError("page_token_invalid", "The page token is invalid, do not craft your own page tokens"),
    );
  });

  test("has a link to the first page, which leads there", () => {
    const [first, ...others] = keysetLinks("/admin/sessions?expand=identity&expand=devices&page_size=2");

    expect(others).toEqual([]);
    expect(first?.rel).toBe("first");
    expect(first?.target.searchParams.getAll("expand")).toEqual(["identity", "devices"]);
    expect(readKeysetPage(first?.target.searchParams ?? new URLSearchParams())).toEqual({ after: undefined, limit: 2 });
  });

  test("has a first link that names the nil UUID", () => {
    const token = keysetLinks("/admin/sessions")[0]?.target.searchParams.get("page_token") ?? "";

    expect(Buffer.from(token, "base64").toString()).toContain("id=00000000-0000-0000-0000-000000000000/");
  });

  test("has a next link that keeps any id, and every microsecond", () => {
    const anyId = fc.string({ unit: "binary", minLength: 1 }).filter((id) => !id.includes("\0"));
    const property = (id: string, createdAt: bigint) => {
      const [first, next] = keysetLinks("/admin/sessions?page_size=2", { id, createdAt });
      expect([first?.rel, next?.rel]).toEqual(["first", "next"]);
      expect(readKeysetPage(next?.target.searchParams ?? new URLSearchParams())).toEqual({
        after: { id, createdAt },
        limit: 2,
      });
    };

    fc.assert(fc.property(anyId, fc.bigInt({ min: minInstant, max: maxInstant }), property));
  });

  test("is not the first one for a session that was created in the last second there is", () => {
    const after = { id: "a", createdAt: maxInstant };
    const [, next] = keysetLinks("/admin/sessions", after);

    expect(readKeysetPage(next?.target.searchParams ?? new URLSearchParams()).after).toEqual(after);
  });

  test("has links as Kratos spells them", () => {
    const url = new URL("/admin/sessions?active=true", base);
    const next = { id: "a", createdAt: instantOfMs(1) };

    expect(linkKeysetPages(url, readKeysetPage(url.searchParams), next)).toMatch(
      /^<\/admin\/sessions\?active=true&page_size=250&page_token=[\w-]+>; rel="first",<\/admin\/sessions\?active=true&page_size=250&page_token=[\w-]+>; rel="next"$/,
    );
  });
});

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function encodeOffset(offset: bigint): string {
  return encode(`{"offset":"${offset}","v":2}`);
}

function linksOf(path: string, total: number) {
  const url = new URL(path, base);
  return parse(linkNumberedPages(url, readNumberedPage(url.searchParams), total));
}

function keysetLinks(path: string, next?: { id: string; createdAt: bigint }) {
  const url = new URL(path, base);
  return parse(linkKeysetPages(url, readKeysetPage(url.searchParams), next));
}

function parse(header: string) {
  return header.split(",").map((entry) => {
    const [, target = "", rel = ""] = /^<([^>]*)>; rel="(\w+)"$/.exec(entry) ?? [];
    return { rel, target: new URL(target, base) };
  });
}

/** Where a link leads. Throws unless its two spellings agree. */
function offsetOf({ searchParams }: URL): number {
  const legacy = new URLSearchParams(searchParams);
  legacy.delete("page_size");
  legacy.delete("page_token");
  const [{ offset }, old] = [toOffsetPage(readNumberedPage(searchParams)), toOffsetPage(readNumberedPage(legacy))];
  expect(old.offset).toBe(offset);
  return offset;
}

/** The offsets of the rows, and of the pages, on the way that a rel leads. */
function follow(rel: string, path: string, total: number) {
  const offsets: number[] = [];
  const pages: number[] = [];
  for (let url: URL | undefined = new URL(path, base); url !== undefined; ) {
    const { offset, limit } = toOffsetPage(readNumberedPage(url.searchParams));
    pages.push(offset);
    for (let row = offset; row < Math.min(offset + limit, total); row += 1) offsets.push(row);
    if (pages.length > 1_000) throw new Error("the links lead nowhere");
    url = linksOf(`${url.pathname}${url.search}`, total).find((link) => link.rel === rel)?.target;
  }
  return { offsets, pages };
}
