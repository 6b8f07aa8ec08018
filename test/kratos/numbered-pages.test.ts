import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { now, second } from "../support/given.ts";
import { idsOf, linksOf, type SignedIn, startKratosServer } from "../support/kratos.ts";

const server = await startKratosServer();
afterAll(() => server.close());

// The tokens that Kratos gives for these offsets.
const tokenOf0 = "eyJvZmZzZXQiOiIwIiwidiI6Mn0";
const tokenOf2 = "eyJvZmZzZXQiOiIyIiwidiI6Mn0";
const tokenOf4 = "eyJvZmZzZXQiOiI0IiwidiI6Mn0";
const tokenOf10 = "eyJvZmZzZXQiOiIxMCIsInYiOjJ9";

// Five sessions beside the current one: 4 is the newest.
let ann: SignedIn;
let ids: string[];
beforeAll(async () => {
  ann = await server.signIn();
  ids = [];
  for (const i of [0n, 1n, 2n, 3n, 4n]) {
    ids.push((await server.given.session({ userId: ann.user.id, createdAt: now + i * second })).id);
  }
});

describe("GET /sessions, links", () => {
  test("of the first page of two are next and last, and read like Kratos's", async () => {
    const listed = await ask("?page_size=2");

    expect(listed.headers.get("link")).toBe(
      `</sessions?page=1&page_size=2&page_token=${tokenOf2}&per_page=2>; rel="next",` +
        `</sessions?page=2&page_size=2&page_token=${tokenOf4}&per_page=2>; rel="last"`,
    );
  });

  test("of all on one page are the first alone, whose size is the total", async () => {
    const listed = await ask("");

    expect(listed.headers.get("link")).toBe(
      `</sessions?page=0&page_size=5&page_token=${tokenOf0}&per_page=5>; rel="first"`,
    );
  });

  test.each([
    ["the middle", tokenOf2, ["first", "next", "prev", "last"], [2, 1]],
    ["the last page", tokenOf4, ["first", "prev"], [0]],
    ["beyond the end", tokenOf10, ["first", "prev"], []],
  ])("of %s are %s", async (_name, token, rels, expected) => {
    const listed = await ask(`?page_size=2&page_token=${token}`);

    expect(Object.keys(linksOf(listed))).toEqual(rels);
    expect(numbersOf(listed)).toEqual(expected);
    expect(listed.headers.get("x-total-count")).toBe("5");
  });

  test("lead to the pages that they promise", async () => {
    const last = await follow(await ask("?page_size=2"), "last");
    const previous = await follow(last, "prev");
    const first = await follow(previous, "first");
    const next = await follow(first, "next");

    expect([last, previous, first, next].map(numbersOf)).toEqual([[0], [2, 1], [4, 3], [2, 1]]);
  });

  test("lead back from beyond the end to the last page", async () => {
    expect(numbersOf(await follow(await ask(`?page_size=2&page_token=${tokenOf10}`), "prev"))).toEqual([0]);
  });

  test("keep what else was asked, sorted by name", async () => {
    const { next } = linksOf(await ask("?zebra=1&page_size=2&apple=%3E"));

    expect(next).toBe(`/sessions?apple=%3E&page=1&page_size=2&page_token=${tokenOf2}&per_page=2&zebra=1`);
  });
});

describe("GET /sessions, which page", () => {
  test.each([
    ["page counts from 0", "?per_page=2&page=0", [4, 3]],
    ["page 1 is the second one", "?per_page=2&page=1", [2, 1]],
    ["page_size makes page nothing", "?page_size=2&page=1", [4, 3]],
    ["an empty page_token does so too", "?page_token=&per_page=2&page=1", [4, 3, 2, 1, 0]],
    ["per_page counts not beside page_size", "?page_size=2&per_page=1", [4, 3]],
    ["a token inside of a page means that page", `?page_size=3&page_token=${tokenOf4}`, [1, 0]],
    ["the first of several sizes counts", "?page_size=2&page_size=1", [4, 3]],
  ])("%s", async (_rule, query, expected) => {
    expect(numbersOf(await ask(query))).toEqual(expected);
  });

  test.each([
    ["a size of 0 is 1", "?page_size=0", [4]],
    ["a negative size is 1", "?page_size=-5", [4]],
    ["a size above 1000 is 1000", "?page_size=1001", [4, 3, 2, 1, 0]],
    ["a size that is no number is 250", "?page_size=two", [4, 3, 2, 1, 0]],
    ["a size that is no whole number is 250", "?page_size=1.5", [4, 3, 2, 1, 0]],
    ["an empty size is 250", "?page_size=", [4, 3, 2, 1, 0]],
    ["a size beyond any number is 250", "?page_size=99999999999999999999", [4, 3, 2, 1, 0]],
    ["per_page of 0 is 1", "?per_page=0", [4]],
    ["a token that is no base64 means the first page", "?page_size=2&page_token=%25%25", [4, 3]],
    ["a padded token means the first page", `?page_size=2&page_token=${tokenOf10}==`, [4, 3]],
    ["a token that is no JSON means the first page", `?page_size=2&page_token=${encode("offset=2")}`, [4, 3]],
    ["a token without an offset means the first page", `?page_size=2&page_token=${encode('{"v":2}')}`, [4, 3]],
    ["a token of null means the first page", `?page_size=2&page_token=${encode("null")}`, [4, 3]],
    ["a negative offset means the first page", `?page_size=2&page_token=${encode('{"offset":"-2","v":2}')}`, [4, 3]],
    ["a page that is no number is the first", "?per_page=2&page=one", [4, 3]],
    ["a negative page is the first", "?per_page=2&page=-1", [4, 3]],
    ["a page far beyond the end is empty", "?per_page=1000&page=9223372036854775807", []],
    [
      "an offset far beyond the end is empty",
      `?page_size=1&page_token=${encode('{"offset":"9223372036854775807"}')}`,
      [],
    ],
  ])("%s", async (_rule, query, expected) => {
    const listed = await ask(query);

    expect(listed.status).toBe(200);
    expect(numbersOf(listed)).toEqual(expected);
    expect(listed.headers.get("x-total-count")).toBe("5");
    expect(listed.headers.get("link")).not.toMatch(/=-|NaN|Infinity|e\+/);
  });

  test("the size counts in the links as it was taken", async () => {
    expect(linksOf(await ask("?page_size=0"))["last"]).toContain("page=4&page_size=1&");
  });
});

function encode(text: string): string {
  return Buffer.from(text).toString("base64url");
}

async function ask(query: string) {
  return await server.ask("GET", `/sessions${query}`, ann);
}

async function follow(listed: Awaited<ReturnType<typeof ask>>, rel: string) {
  return await server.ask("GET", linksOf(listed)[rel] ?? "/no-such-link", ann);
}

function numbersOf(listed: Awaited<ReturnType<typeof ask>>): number[] {
  return idsOf(listed).map((id) => ids.indexOf(id));
}
