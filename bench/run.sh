#!/bin/sh
# Measures every figure, or only those named: bench/run.sh [start] [memory] [identity] [peers] [durable] [scale] [alerts]
# [signin] [console] [attempts] [organizations]
# Builds what it measures, installs the peer into bench/.venv, prints a table, writes bench/results.json.
set -eu
bench=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
repository=$(dirname -- "$bench")

cargo build --release --quiet --manifest-path "$repository/Cargo.toml" -p rootward
cargo build --release --quiet --manifest-path "$repository/Cargo.toml" -p rootward-store --example commit_rate
cargo build --release --quiet --manifest-path "$repository/Cargo.toml" -p rootward-auth --example hash_cost --example organization_cost
cargo build --release --quiet --manifest-path "$bench/Cargo.toml"

wanted=$(cat "$bench/requirements.txt")
if [ "$(cat "$bench/.venv/installed" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$bench/.venv"
    "$bench/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$bench/requirements.txt"
    printf '%s' "$wanted" > "$bench/.venv/installed"
fi

cd "$bench"
exec python3 -m figures \
    --rootward "${CARGO_TARGET_DIR:-$repository/target}/release" \
    --bench "${CARGO_TARGET_DIR:-$bench/target}/release" \
    --venv "$bench/.venv/bin" \
    "$@"
