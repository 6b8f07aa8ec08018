import { randomUUID } from "node:crypto";
import { hashPassword, isPassword } from "./password.ts";
import { findStep } from "./totp.ts";
import type { User } from "./users.ts";

/** What is asked; other checks than these two may come, and challenges. */
export interface Question {
  userId: string;
  check?: { password?: { password: string }; totp?: { code: string } };
}

/** Whether it is proven, or why not. @see docs/verifier.md */
export type Verdict =
  | { verified: true }
  | { verified: false; reason: "wrong" | "locked" | "not_set_up"; failedAttempts?: number };

/** Whom it judges, and how strictly. */
export interface JudgeOptions {
  findUser: (id: string) => Promise<User | undefined>;
  /** After so many failures in a row of one kind the user is locked. */
  maxAttempts: number;
  /** In milliseconds since 1970. */
  now: () => number;
}

type Kind = "password" | "totp";

/** What happened to a user's checks, known or not: whoever is never locked would be known not to exist. */
interface Account {
  failures: Record<Kind, number>;
  /** The step of the last code that was taken. */
  lastStep: number;
  /** Ends when the checks before have been judged. */
  turn: Promise<unknown>;
}

/** A way to find out whether a check is proven. */
interface Proof {
  kind: Kind;
  prove: () => Promise<boolean>;
}

/** Makes a judge of checks, who remembers failures and used codes as long as the process lives. */
export async function createJudge({
  findUser,
  maxAttempts,
  now,
}: JudgeOptions): Promise<(question: Question) => Promise<Verdict>> {
  const accounts = new Map<string, Account>();
  // Nobody has this password; checking it takes as long as checking a user's.
  const decoy = await hashPassword(randomUUID());

  const findProof = (user: User | undefined, account: Account, { check = {} }: Question): Proof | undefined => {
    const hash = user === undefined ? decoy : user.password;
    const secret = user?.totp;
    const { password, totp } = check;
    if (password && hash) return { kind: "password", prove: () => isPassword(password.password, hash) };
    if (totp && secret) return { kind: "totp", prove: async () => takeCode(account, secret, totp.code, now()) };
    return undefined;
  };

  const judge = async (account: Account, question: Question): Promise<Verdict> => {
    const { failures } = account;
    const proof = findProof(await findUser(question.userId), account, question);
    if (proof === undefined) return { verified: false, reason: "not_set_up" };
    const most = Math.max(...Object.values(failures));
    if (most >= maxAttempts) return { verified: false, reason: "locked", failedAttempts: most };
    // Of this kind only: whoever knows the password must not have endless tries at the code.
    failures[proof.kind] = (await proof.prove()) ? 0 : failures[proof.kind] + 1;
    const failedAttempts = failures[proof.kind];
    return failedAttempts === 0 ? { verified: true } : { verified: false, reason: "wrong", failedAttempts };
  };

  /** Judges one check after the other of a user: all at once they would get more tries than are allowed. */
  return (question: Question): Promise<Verdict> => {
    const account = accounts.get(question.userId) ?? createAccount();
    accounts.set(question.userId, account);
    const verdict = account.turn.then(() => judge(account, question));
    account.turn = verdict.catch(() => undefined);
    return verdict;
  };
}

function createAccount(): Account {
  return { failures: { password: 0, totp: 0 }, lastStep: 0, turn: Promise.resolve() };
}

/** Whether the code is right, and newer than the last one that was: each counts once. */
function takeCode(account: Account, secret: string, code: string, nowMs: number): boolean {
  const step = findStep(secret, code, nowMs);
  if (step === undefined || step <= account.lastStep) return false;
  account.lastStep = step;
  return true;
}
