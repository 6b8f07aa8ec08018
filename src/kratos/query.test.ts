import { PgDialect } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { at } from "../../test/support/rows.ts";
import { SessionError } from "../errors.ts";
import { type Condition, hasIdIn, hasUserIn, isLive, isOver } from "../sessions/filter.ts";
import { readActive, readBulkOrder, readExpand, readId } from "./query.ts";

const now = at("12:00:00");

describe("an id in a path", () => {
  test.each([
    ["0197f1d0-0000-7000-8000-000000000001", "0197f1d0-0000-7000-8000-000000000001"],
    ["BADUUID", "BADUUID"],
    ["a%2Fb%20%F0%9F%99%82", "a/b 🙂"],
    ["🙂".repeat(200), "🙂".repeat(200)],
  ])("%s is %s", (part, expected) => {
    expect(readId(part)).toBe(expected);
  });

  test.each(["", "a".repeat(201), "%00", "a%0Ab", "%7F", "%C2%80", "%", "%FF"])("%j is refused", (part) => {
    expect(() => readId(part)).toThrow(expect.objectContaining({ reason: "invalid_request" }));
  });
});

describe("active", () => {
  test.each(["", "active="])("of ?%s means all", (query) => {
    expect(readActive(new URLSearchParams(query), now)).toEqual([]);
  });

  test.each(["1", "t", "T", "true", "TRUE", "True"])("%s means the live ones", (word) => {
    expect(toSql(readActive(new URLSearchParams({ active: word }), now))).toEqual(toSql([isLive(now)]));
  });

  test.each(["0", "f", "F", "false", "FALSE", "False"])("%s means the others", (word) => {
    expect(toSql(readActive(new URLSearchParams({ active: word }), now))).toEqual(toSql([isOver(now)]));
  });

  test.each(["yes", "tRUE", "2", " "])("%j is refused", (word) => {
    expect(() => readActive(new URLSearchParams({ active: word }), now)).toThrow(
      new SessionError("invalid_request", "could not parse parameter active"),
    );
  });
});

describe("expand", () => {
  test("may be repeated, in any letter case", () => {
    expect(readExpand(new URLSearchParams("expand=Identity&expand=DEVICES"))).toEqual(new Set(["identity", "devices"]));
  });

  test("may be left out", () => {
    expect(readExpand(new URLSearchParams())).toEqual(new Set());
  });

  test.each(["invalid", "", "identity,devices"])("%j is refused", (word) => {
    expect(() => readExpand(new URLSearchParams({ expand: word }))).toThrow(
      new SessionError("expand_unknown", `Could not parse expand option: ${word}`),
    );
  });
});

describe("an order on many sessions", () => {
  const ids = Array.from({ length: 500 }, (_, i) => `id-${i}`);

  test.each<[string, object, { action: string; conditions: Condition[] }]>([
    ["sessions", { action: "disable", sessions: ids }, { action: "disable", conditions: [hasIdIn(ids)] }],
    ["users", { action: "delete", identities: ids }, { action: "delete", conditions: [hasUserIn(ids)] }],
    ["all users", { action: "disable", identities: ["*"] }, { action: "disable", conditions: [] }],
    [
      "users, beside an empty list",
      { action: "delete", identities: ["a"], sessions: [] },
      { action: "delete", conditions: [hasUserIn(["a"])] },
    ],
  ])("may name %s", (_name, body, { action, conditions }) => {
    const order = readBulkOrder(Buffer.from(JSON.stringify(body)));

    expect(order.action).toBe(action);
    expect(toSql(order.conditions)).toEqual(toSql(conditions));
  });

  test.each([
    "",
    "{",
    "[]",
    "null",
    '"disable"',
    '{"action":"disable"}',
    '{"sessions":["a"]}',
    '{"action":"erase","sessions":["a"]}',
    '{"action":["disable"],"sessions":["a"]}',
    '{"action":"disable","sessions":[]}',
    '{"action":"disable","identities":[],"sessions":[]}',
    '{"action":"disable","identities":["a"],"sessions":["a"]}',
    '{"action":"disable","identities":"*"}',
    '{"action":"disable","identities":{"0":"a"}}',
    '{"action":"disable","identities":["*","a"]}',
    '{"action":"disable","sessions":["*"]}',
    '{"action":"disable","sessions":[1]}',
    '{"action":"disable","sessions":[""]}',
    '{"action":"disable","sessions":["\\u0000"]}',
    '{"action":"disable","sessions":["\\ud800"]}',
    JSON.stringify({ action: "disable", sessions: ["a".repeat(201)] }),
    JSON.stringify({ action: "disable", sessions: [...ids, "one more"] }),
    JSON.stringify({ action: "disable", identities: [...ids, "one more"] }),
  ])("%.60s is refused", (body) => {
    expect(() => readBulkOrder(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "invalid_request" }));
  });
});

function toSql(conditions: readonly Condition[]) {
  const dialect = new PgDialect({ casing: "snake_case" });
  return conditions.map((condition) => condition && dialect.sqlToQuery(condition));
}
