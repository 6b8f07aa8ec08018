#!/bin/sh
# Everything that needs no database, the quickest first. Run by `npm run check`.
set -eu

step() {
  echo "· $*"
  "$@"
}

step biome check
step buf lint
step buf format proto --diff --exit-code
step sh scripts/breaking.sh
step sh scripts/generated.sh
step tsc --project .
step vitest run --project unit
