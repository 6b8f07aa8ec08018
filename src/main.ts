#!/usr/bin/env node
import { Command } from "commander";
import { pino } from "pino";
import packageJson from "../package.json" with { type: "json" };
import { readConfig } from "./config.ts";
import { openConfiguredDatabase } from "./database.ts";
import { checkCallers, serve } from "./serve.ts";

const program = new Command("rollcall")
  .description("A session directory: login sessions in PostgreSQL, answered in the dialects clients already speak.")
  .version(packageJson.version)
  .addHelpText("after", "\nSettings are environment variables: see docs/configuration.md.")
  .showHelpAfterError("Settings are environment variables, not options: see docs/configuration.md.");

program
  .command("serve")
  .description("serve every dialect on one port, until SIGTERM or SIGINT")
  .action(async () => {
    const config = readConfig(undefined, { check: checkCallers });
    await serve(config, pino({ level: config.logLevel }));
  });

program
  .command("migrate")
  .description("bring the tables of the database to this version")
  .action(async () => {
    const database = await openConfiguredDatabase(readConfig(), fail);
    await database.close();
    process.stdout.write("the database is up to date\n");
  });

program
  .command("import")
  .description("fill the directory from a file of NDJSON records, - for standard input")
  .argument("<file>", "see docs/import.md for its form")
  .action(async (file: string) => {
    const { runImport } = await import("./import.ts");
    const database = await openConfiguredDatabase(readConfig(), fail);
    try {
      const { refused } = await runImport({ file, database });
      if (refused > 0) process.exitCode = 1;
    } finally {
      await database.close();
    }
  });

program
  .command("demo")
  .description("serve demo data to demo tokens, to look around")
  .action(async () => {
    const { runDemo } = await import("./demo/demo.ts");
    // A request's line would hide the commands to paste.
    const config = readConfig(undefined, { defaults: { LOG_LEVEL: "warn" } });
    await runDemo(config, pino({ level: config.logLevel }));
  });

function fail(error: unknown): never {
  process.stderr.write(`rollcall: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}

await program.parseAsync().catch(fail);
