#!/bin/sh
# Fails if the protos would break clients of what main serves: `buf breaking`, offline.
set -eu

base=$(git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main || true)
if [ -z "$base" ]; then
  echo "there is no branch main here to compare with: git fetch origin main" >&2
  exit 1
fi
if ! git cat-file -e "$base:proto" 2>/dev/null; then
  echo "main has no protos yet: nothing to break"
  exit 0
fi

# The protos of main import google/api from node_modules, which git does not keep: they are built beside ours.
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$base" proto buf.yaml | tar -x -C "$before"
ln -s "$PWD/node_modules" "$before/node_modules"
buf build "$before/proto" --output "$before/main.binpb"
buf breaking proto --against "$before/main.binpb"
