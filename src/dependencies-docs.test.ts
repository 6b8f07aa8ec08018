import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import packageJson from "../package.json" with { type: "json" };

test("docs/dependencies.md tells of every dependency, and of no other", async () => {
  const page = await readFile(new URL("../docs/dependencies.md", import.meta.url), "utf8");

  const rows = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, names = ""]) => names.split(", "));

  const { dependencies, devDependencies } = packageJson;
  expect(rows.map((name) => name.replaceAll("`", "")).toSorted()).toEqual(
    Object.keys({ ...dependencies, ...devDependencies }).toSorted(),
  );
});
