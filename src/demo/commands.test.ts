import { describe, expect, test } from "vitest";
import { toScript } from "./commands.ts";

const tokens = { ADMIN: "a.b.c", MANAGER: "d.e.f", USER_TOKEN: "g.h.i", LOGIN_SERVICE: "j.k.l" };
const lines = toScript("http://127.0.0.1:8080", tokens).split("\n");

describe("toScript", () => {
  test("no line is wider than 100 columns, but for the tokens", () => {
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });

  test("comments hold nothing that zsh would act on, since its prompt takes them for commands", () => {
    const comments = lines.filter((line) => line.startsWith("#"));

    expect(comments.length).toBe(8);
    for (const comment of comments) expect(comment).toMatch(/^# [\w ,.:-]+$/);
  });

  test("each token is a shell variable, none of which the shell has itself", () => {
    expect(lines.filter((line) => /^\w+=[\w.]+$/.test(line))).toEqual(
      Object.entries(tokens).map(([name, token]) => `${name}=${token}`),
    );
  });
});
