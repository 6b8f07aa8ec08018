#!/usr/bin/env node
import { Command, Option } from "commander";
import { DrizzleQueryError } from "drizzle-orm";
import packageJson from "../package.json" with { type: "json" };
import { runErase } from "./commands/erase.ts";
import { runExport } from "./commands/export.ts";
import { runTokenCreate, runTokenList, runTokenRevoke } from "./commands/token.ts";
import { readTokenOrder, readUserId, type TokenOptions } from "./commands/token-order.ts";
import { type Config, readConfig } from "./config.ts";
import { type Database, openConfiguredDatabase } from "./database.ts";
import { createLog } from "./log.ts";
import { checkCallers, serve } from "./serve.ts";

const helpAdvice = "With --help it tells what it takes.";

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
    await serve(config, createLog(config.logLevel));
    // A database that hangs leaves the driver with connections that would keep the process: those of cancellations.
    process.exit();
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
  .description("fill the directory from a file of NDJSON records, - for standard input, or from a Kratos database")
  .argument("<source>", "the file, see docs/import.md; with --from kratos, the postgres:// URL of Kratos's database")
  .addOption(new Option("--from <system>", "read another system's database").choices(["kratos"]))
  .option("--network <id>", "which of Kratos's networks, if its database has several")
  .action((source: string, options: ImportFrom, command: Command) => {
    if (options.network !== undefined && options.from === undefined)
      command.error("error: --network needs --from kratos");
    // Not taken for a file's name, which would be printed, and a password with it.
    if (options.from === undefined && /^\w+:\/\//.test(source)) command.error("error: a URL needs --from kratos");
    return importFrom(source, options).catch((error) => fail(error, 2));
  });

const token = program
  .command("token")
  .description("make, list and revoke API tokens, with which services call")
  .showHelpAfterError(helpAdvice);

token
  .command("create")
  .description("make a token and print it, this once")
  .requiredOption("--user <id>", "the user it stands for")
  .requiredOption("--name <name>", "what it is for")
  .requiredOption("--scope <permissions>", "what it may do, separated by blanks: see docs/configuration.md")
  .option("--expires <duration>", "for how long it is good, like 90d; for ever unless told")
  .action((options: TokenOptions) => {
    const order = readTokenOrder(options);
    return withDatabase(({ db }, { instanceId }) => runTokenCreate(db, instanceId, order));
  });

token
  .command("list")
  .description("show the tokens of the instance, never what they are")
  .action(() => withDatabase(({ db }, { instanceId }) => runTokenList(db, instanceId)));

token
  .command("revoke")
  .description("remove a token: it is refused at once")
  .argument("<id>", "the token's id, see token list")
  .action((id: string) => withDatabase(({ db }, { instanceId }) => runTokenRevoke(db, instanceId, id)));

program
  .command("export")
  .description("print all that there is of a person, for an import: see docs/privacy.md")
  .showHelpAfterError(helpAdvice)
  .requiredOption("--user <id>", "the person's id", readUserId)
  .action(({ user }: { user: string }) => withDatabase(({ db }, { instanceId }) => runExport(db, instanceId, user)));

program
  .command("erase")
  .description("erase all that there is of a person, for good: see docs/privacy.md")
  .showHelpAfterError(helpAdvice)
  .requiredOption("--user <id>", "the person's id", readUserId)
  .action(({ user }: { user: string }) => withDatabase(({ db }, { instanceId }) => runErase(db, instanceId, user)));

program
  .command("demo")
  .description("serve demo data to demo tokens, to look around")
  .action(async () => {
    const { runDemo } = await import("./demo/demo.ts");
    // A request's line would hide the commands to paste.
    const config = readConfig(undefined, { defaults: { LOG_LEVEL: "warn" } });
    await runDemo(config, createLog(config.logLevel));
  });

interface ImportFrom {
  from?: "kratos";
  network?: string;
}

async function importFrom(source: string, { from, network }: ImportFrom): Promise<void> {
  const config = readConfig();
  const { runImport } = await import("./import/ndjson.ts");
  const { runKratosImport } = await import("./import/kratos.ts");
  tellEmbedded(config);
  const database = await openConfiguredDatabase(config, (error) => fail(error, 2));
  try {
    const { refused } =
      from === "kratos"
        ? await runKratosImport({ url: source, network, instanceId: config.instanceId, database })
        : await runImport({ file: source, instanceId: config.instanceId, database });
    if (refused > 0) process.exitCode = 1;
  } finally {
    await database.close();
  }
}

async function withDatabase(run: (database: Database, config: Config) => Promise<void>): Promise<void> {
  const config = readConfig();
  tellEmbedded(config);
  const database = await openConfiguredDatabase(config, fail);
  try {
    await run(database, config);
  } finally {
    await database.close();
  }
}

// Whoever forgot DATABASE_URL would take what is done to an empty database for done.
function tellEmbedded({ databaseUrl, dataDir, instanceId }: Config): void {
  if (databaseUrl !== undefined) return;
  process.stderr.write(
    `DATABASE_URL is not set: on the instance ${instanceId} of the embedded database in ${dataDir}\n`,
  );
}

function fail(error: unknown, code = 1): never {
  // Not the query builder's own error: its message is the statement and every value.
  const told = error instanceof DrizzleQueryError && error.cause ? error.cause : error;
  process.stderr.write(`rollcall: ${told instanceof Error ? told.message : told}\n`);
  process.exit(code);
}

await program.parseAsync().catch((error) => fail(error));
