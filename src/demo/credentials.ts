import type { Users } from "../../examples/verifier/users.ts";
import { personas } from "./people.ts";

/** The password of every persona. No secret: it opens made-up data, in the demo's instance only. */
export const demoPassword = "seven-herons-at-dusk";

// Of demoPassword, made once and for all: hashing it takes longer than most of a start.
const hash = "$argon2id$v=19$m=19456,t=2,p=1$Xx55ftVO7axJkMAJ77CC3A$xzWp7pL6dasVqCsZXo40hIqa/e6RjABygvfUosaulcE";

/** The secret of Mei Tanaka's authenticator app, in Base32. As little a secret as the password. */
export const meisTotpSecret = "NZEKQ73EAVI64BE7SBTVH5U7QFHZK4FE";

/** What the demo's verifier knows: the personas' passwords, and Mei Tanaka's authenticator app. */
export const credentials: Users = {
  ...Object.fromEntries(Object.values(personas).map(({ id }) => [id, { password: hash }])),
  [personas.user.id]: { password: hash, totp: meisTotpSecret },
};
