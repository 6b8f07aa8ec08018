import { run } from "./child.ts";
import type { ClientKind } from "./client.ts";
import { readRest, toRest } from "./rest.ts";

// "HTTP page not retrieved": what --fail makes of a status of 400 or above.
const failed = 22;

/** REST by curl, in the version of HTTP that `args` make it use. */
export function curl(name: string, httpVersion: "1.1" | "2", ...args: string[]): ClientKind {
  return {
    name,
    protos: "superset",
    open: (url) => ({
      async call(rpc, request, token) {
        const { verb, path, body } = toRest(rpc, request);
        const { exitCode, stdout, stderr } = await run("curl", [
          // First, or it has no effect: whatever the machine's .curlrc says is none of the test's.
          "--disable",
          ...["--silent", "--show-error", "--fail-with-body", "--noproxy", "*", ...args],
          ...["--request", verb, "--header", "content-type: application/json"],
          ...(token === undefined ? [] : ["--header", `authorization: Bearer ${token}`]),
          ...(body === undefined ? [] : ["--data-binary", body]),
          ...["--write-out", "\n%{http_code} %{http_version}", `${url}${path}`],
        ]);
        const [answer = "", status = "", version] = /^(.*)\n(\d+) (\S+)$/s.exec(stdout)?.slice(1) ?? [];
        if (version !== httpVersion) throw new Error(`curl spoke HTTP/${version}: ${stderr}`);
        const outcome = readRest(rpc, Number(status), answer);
        if (exitCode !== ("answer" in outcome ? 0 : failed)) throw new Error(`curl ended with ${exitCode}: ${stderr}`);
        return outcome;
      },
      close: () => undefined,
    }),
  };
}
