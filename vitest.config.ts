import { defineConfig } from "vitest/config";

/** Two projects: `unit` needs neither database nor socket, `database` has a PostgreSQL server for all its suites. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts"] } },
      {
        test: {
          name: "database",
          include: ["test/**/*.test.ts"],
          globalSetup: "test/support/global-setup.ts",
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
