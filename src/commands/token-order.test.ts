import { describe, expect, test } from "vitest";
import { readTokenOrder, type TokenOptions } from "./token-order.ts";

const usual: TokenOptions = { user: "service", name: "Backup", scope: "session.read" };

describe("the order of a token", () => {
  test("has the user, the name and the scope, and is for ever unless told", () => {
    expect(readTokenOrder(usual)).toEqual({
      userId: "service",
      name: "Backup",
      scope: "session.read",
      lifetimeMs: undefined,
    });
  });

  test("may be for some time", () => {
    expect(readTokenOrder({ ...usual, expires: "90d" }).lifetimeMs).toBe(7_776_000_000);
  });

  test("takes 200 characters, of whichever script, for the user and for the name", () => {
    const text = "🚀".repeat(200);

    expect(readTokenOrder({ ...usual, user: text, name: text })).toMatchObject({ userId: text, name: text });
  });

  test.each([
    ["all there are", "session.read session.write session.delete"],
    ["those of an organization", "session.read/org-1 session.delete/a/b"],
  ])("takes %s for a scope", (_name, scope) => {
    expect(readTokenOrder({ ...usual, scope }).scope).toBe(scope);
  });

  test("has one blank between the words of its scope", () => {
    expect(readTokenOrder({ ...usual, scope: "  session.read   session.write " }).scope).toBe(
      "session.read session.write",
    );
  });
});

describe("an order is refused", () => {
  const permissions = "there are session.read, session.write and session.delete, each also with /ORG";

  test.each<[string, Partial<TokenOptions>, string]>([
    ["without a user", { user: "" }, "--user must not be empty"],
    ["without a name", { name: "" }, "--name must not be empty"],
    ["with a long user", { user: "u".repeat(201) }, "--user must be at most 200 characters long"],
    ["with a long name", { name: "é".repeat(201) }, "--name must be at most 200 characters long"],
    ["with a line end in the user", { user: "a\n" }, "--user must not hold control characters"],
    ["with a command to the terminal", { name: "\x9b2J" }, "--name must not hold control characters"],
    ["with an empty scope", { scope: "" }, "--scope must not be empty"],
    ["with a scope of blanks", { scope: "  " }, "--scope must not be empty"],
    ["with a tab in the scope", { scope: "session.read/a\tb" }, "--scope must not hold control characters"],
    ["with a slip", { scope: "session.read session.reed" }, `--scope must not hold session.reed: ${permissions}`],
    ["with a word of others", { scope: "openid session.read" }, `--scope must not hold openid: ${permissions}`],
    ["with other letters", { scope: "Session.Read" }, `--scope must not hold Session.Read: ${permissions}`],
    ["with an empty organization", { scope: "session.read/" }, `--scope must not hold session.read/: ${permissions}`],
    ["with what nobody sees", { scope: "session.read\u200b" }, `must not hold session.read\\u{200b}: ${permissions}`],
    ["with a bad duration", { expires: "1w" }, "--expires must be a duration like 90d, 12h, 30m or 45s"],
    ["with an empty duration", { expires: "" }, "--expires must be a duration like"],
    ["with no time at all", { expires: "0d" }, "--expires must be a duration like"],
  ])("%s", (_name, options, message) => {
    expect(() => readTokenOrder({ ...usual, ...options })).toThrow(message);
  });
});
