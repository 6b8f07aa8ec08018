#!/bin/sh
# Fails if gen/ is not what the protos make now: `npm run generate` was forgotten, or gen/ was edited.
set -eu

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
diff --recursive --brief gen "$fresh/gen" || {
  echo "gen/ is stale: run \`npm run generate\`" >&2
  exit 1
}

# The tables and the migrations drift apart in the same way.
cp -r drizzle "$fresh/drizzle"
drizzle-kit generate --dialect postgresql --casing snake_case --schema src/sessions/schema.ts --out "$fresh/drizzle" \
  --name drift >"$fresh/drizzle-kit.log" 2>&1 || {
  cat "$fresh/drizzle-kit.log" >&2
  exit 1
}
diff --recursive --brief drizzle "$fresh/drizzle" || {
  echo "a migration is missing: run \`npx drizzle-kit generate --name <what-changes>\`" >&2
  exit 1
}
