import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { settings } from "./config.ts";

test("docs/configuration.md lists every setting with its default, in order, and no other", async () => {
  const page = await readFile(new URL("../docs/configuration.md", import.meta.url), "utf8");

  const documented = [...page.matchAll(/^\| `([A-Z_]+)` \| (?:`(.*?)`|unset) \|/gm)].map(([, name, unset = ""]) => [
    name,
    unset,
  ]);

  expect(documented).toEqual(Object.values(settings).map(({ name, unset }) => [name, unset]));
});
