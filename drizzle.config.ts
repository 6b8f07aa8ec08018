/** How `npx drizzle-kit generate` writes a migration from the tables. */
export default {
  dialect: "postgresql",
  schema: "./src/sessions/schema.ts",
  out: "./drizzle",
  casing: "snake_case",
};
