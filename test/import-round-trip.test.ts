import { create, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SessionSchema } from "../gen/zitadel/session/v2/session_pb.ts";
import { type Instant, maxInstant, minInstant, splitInstant } from "../src/sessions/instant.ts";
import { createInstance, type Importer, openImporter, toText } from "./support/imports.ts";

let importer: Importer;

beforeAll(async () => {
  importer = await openImporter();
});

afterAll(() => importer.close());

test("ListSessions gives back what was imported", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(anySession(), { selector: ({ id }) => id, maxLength: 20 }), async (messages) => {
      const { instanceId } = createInstance();
      // Safe: the JSON form of a message that has fields.
      const sessions = messages.map((message) => toJson(SessionSchema, create(SessionSchema, message)) as JsonObject);

      const { summary, stderr } = await importer.fromStdin(
        toText(sessions.map((session) => ({ instanceId, session }))),
      );

      expect(stderr).toBe("");
      expect(summary.sessions).toBe(sessions.length);
      const stored = (await importer.list(instanceId)).map(({ sequence: _, ...session }) => session);
      expect(stored.sort(byId)).toEqual(sessions.sort(byId));
    }),
    { numRuns: 60 },
  );
});

function anySession(): fc.Arbitrary<MessageInitShape<typeof SessionSchema> & { id: string }> {
  const id = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((text) => !/\p{Cc}/u.test(text));
  const text = fc.string({ unit: "binary", maxLength: 30 }).map((characters) => characters.replaceAll("\0", ""));
  const key = text.filter((name) => name !== "__proto__");
  const date = fc.bigInt({ min: minInstant, max: maxInstant });
  const factor = date.map((verifiedAt) => ({ verifiedAt: splitInstant(verifiedAt) }));
  const factors = fc.record(
    {
      user: fc.record({
        verifiedAt: date.map(splitInstant),
        id,
        organizationId: id,
        loginName: text,
        displayName: text,
      }),
      password: factor,
      webAuthN: fc.tuple(factor, fc.boolean()).map(([checked, userVerified]) => ({ ...checked, userVerified })),
      intent: factor,
      totp: factor,
      otpSms: factor,
      otpEmail: factor,
      recoveryCode: factor,
    },
    { requiredKeys: ["user"] },
  );
  const userAgent = fc.record(
    {
      fingerprintId: fc.oneof(id, fc.constant("")),
      ip: fc.oneof(fc.ipV4(), fc.constantFrom("", "::", "2001:db8::1")),
      description: text,
      header: fc.dictionary(
        key,
        fc.array(text, { maxLength: 3 }).map((values) => ({ values })),
        { minKeys: 1, maxKeys: 3 },
      ),
    },
    { requiredKeys: [] },
  );
  return fc
    .record(
      {
        id,
        dates: fc.tuple(date, date),
        factors,
        metadata: fc.dictionary(key, fc.uint8Array({ maxLength: 40 }), { maxKeys: 3 }),
        userAgent: userAgent.map((agent) => (Object.keys(agent).length === 0 ? undefined : agent)),
        expirationDate: date.map(splitInstant),
      },
      { requiredKeys: ["id", "dates"] },
    )
    .map(({ dates, factors, ...session }) => {
      const [created, changed] = dates.toSorted(byInstant);
      return {
        ...session,
        creationDate: splitInstant(created ?? 0n),
        changeDate: splitInstant(changed ?? 0n),
        // A user of its own, for the first session that names a user decides on their names.
        factors: factors && { ...factors, user: { ...factors.user, id: session.id } },
      };
    });
}

function byInstant(one: Instant, other: Instant): number {
  return one < other ? -1 : 1;
}

function byId(one: JsonObject, other: JsonObject): number {
  return String(one["id"]) < String(other["id"]) ? -1 : 1;
}
