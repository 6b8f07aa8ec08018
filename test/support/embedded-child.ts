import { startEmbedded } from "../../src/embedded/server.ts";

// A process of its own that uses a data folder: prints the URL, and ends without closing once its input ends.
const [dataDir = ""] = process.argv.slice(2);
const { url } = await startEmbedded({ dataDir, settings: { fsync: "off" } });
process.stdout.write(url);
process.stdin.resume();
