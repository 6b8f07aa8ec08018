import type { JsonObject } from "@bufbuild/protobuf";
import { TOTP } from "otpauth";
import { afterAll, describe, expect, test } from "vitest";
import { hashPassword } from "../../examples/verifier/password.ts";
import { startExampleVerifier } from "../../examples/verifier/server.ts";
import { createTotpSecret } from "../../examples/verifier/totp.ts";
import type { Users } from "../../examples/verifier/users.ts";
import { startClockServer } from "../support/clock-server.ts";
import type { Failure } from "./client.ts";
import { createCaller, factorNames, failureWith, lifecycleClients, login } from "./lifecycle.ts";

// The credentials are kept by the example verifier; Rollcall has none.
const secret = "a secret of tests, 32 characters";
const credentials: Users = {};
const verifier = await startExampleVerifier({ users: credentials, secret, maxAttempts: 2 });
const server = await startClockServer({ url: verifier.url, secret });
afterAll(async () => {
  await server.close();
  await verifier.close();
});

const locked = failureWith(9, "Errors.User.Locked", "COMMAND-JLK35");
const notSetUp: Failure = { code: 9, message: "password: is not set up for the user", details: [] };
const wrongPassword = (failedAttempts: number): Failure => ({
  code: 3,
  message: "Errors.User.Password.Invalid (COMMAND-3M0fs)",
  details: [{ id: "COMMAND-3M0fs", message: "Errors.User.Password.Invalid", failedAttempts }],
});
const wrongTotp: Failure = {
  code: 3,
  message: "totp: the check failed",
  details: [{ id: "", message: "totp: the check failed", failedAttempts: 1 }],
};

// The numbers are those of the scenarios in Zitadel's integration tests.
describe.each(lifecycleClients)("credentials by $name", (kind) => {
  const client = kind.open(server.url);
  afterAll(() => client.close());
  const asLogin = async () => createCaller(client, await server.issuer.token(login));
  const checking = (userId: string, check: JsonObject = {}) => ({ checks: { user: { userId }, ...check } });
  const byPassword = (password: string) => ({ password: { password } });

  test("C8: a wrong password is refused and counted, and after two the user is locked, also to the right one", async () => {
    const caller = await asLogin();
    const userId = await givenPassword("right");

    const failures: Failure[] = [];
    for (const password of ["wrong", "wrong", "wrong", "right"]) {
      failures.push(await caller.failure("CreateSession", checking(userId, byPassword(password))));
    }

    expect(failures).toEqual([wrongPassword(1), wrongPassword(2), locked, locked]);
  });

  test("C8: the right password in between starts the count anew", async () => {
    const caller = await asLogin();
    const userId = await givenPassword("right");
    const { sessionId } = await caller.create(checking(userId));
    const fail = () => caller.failure("SetSession", { sessionId, checks: byPassword("wrong") });

    const before = await fail();
    await caller.set(sessionId, { checks: byPassword("right") });

    expect([before, await fail()]).toEqual([wrongPassword(1), wrongPassword(1)]);
  });

  test("a password of somebody who has none is a failed precondition", async () => {
    const { id: userId } = await server.given.user();
    credentials[userId] = {};

    expect(await (await asLogin()).failure("CreateSession", checking(userId, byPassword("any")))).toEqual(notSetUp);
  });

  test("S2: a user with a TOTP secret is checked, then their code, which counts once", async () => {
    const caller = await asLogin();
    const { id: userId } = await server.given.user();
    const { secret: totp } = createTotpSecret(userId);
    credentials[userId] = { totp };
    const { sessionId } = await caller.create();
    await caller.set(sessionId, checking(userId));
    const code = new TOTP({ secret: totp }).generate();

    await caller.set(sessionId, { checks: { totp: { code } } });

    expect(factorNames(await caller.get(sessionId))).toEqual(["user", "totp"]);
    expect(await caller.failure("SetSession", { sessionId, checks: { totp: { code } } })).toEqual(wrongTotp);
  });

  async function givenPassword(password: string): Promise<string> {
    const { id } = await server.given.user();
    credentials[id] = { password: await hashPassword(password) };
    return id;
  }
});
