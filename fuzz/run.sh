#!/bin/sh
# Builds every fuzz target and runs each for SECONDS (default 60), as many at a time as there are processors.
#   fuzz/run.sh [SECONDS] [TARGET...]
# Exit status 0: no target found anything. Otherwise the input that failed is in fuzz/artifacts/TARGET/.
set -eu

cd "$(dirname "$0")"
seconds=${1:-60}
[ $# -eq 0 ] || shift
targets=${*:-$(cd targets && ls ./*.rs | sed 's|^\./||; s|\.rs$||')}
case $seconds in '' | *[!0-9]*) echo "usage: fuzz/run.sh [SECONDS] [TARGET...]" >&2; exit 2 ;; esac

# The coverage that libFuzzer steers by is an LLVM pass that stable rustc can add; no sanitizer, no nightly, no cargo-fuzz.
# With --target the flags reach the code under test and leave build scripts and macros alone.
host=$(rustc -vV | sed -n 's/^host: //p')
coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
coverage="$coverage -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-trace-compares"
RUSTFLAGS="$coverage --cfg fuzzing" cargo build --release --locked --target "$host"

run_one() {
    target=$1
    mkdir -p "corpus/$target" "artifacts/$target" "seeds/$target"
    dictionary=
    [ ! -f "dictionaries/$target" ] || dictionary="-dict=dictionaries/$target"
    # A run that needs 10 s or 1 GiB for one input has found something too.
    # shellcheck disable=SC2086 # no dictionary, no argument
    if "${CARGO_TARGET_DIR:-target}/$host/release/$target" $dictionary -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 -artifact_prefix="artifacts/$target/" \
        "corpus/$target" "seeds/$target" >"artifacts/$target/log" 2>&1
    then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$target/log")
        edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "artifacts/$target/log" | tail -n 1)
        echo "ok    $target: ${runs:-?} inputs, ${edges:-?} edges"
    else
        tail -n 60 "artifacts/$target/log"
        echo "FAIL  $target: input in fuzz/artifacts/$target/"
        return 1
    fi
}

# In batches: every target runs for the same time, so nothing is gained by a queue.
status=0
# shellcheck disable=SC2086 # a list
set -- $targets
while [ $# -gt 0 ]; do
    batch=
    for _ in $(seq "$(nproc)"); do
        [ $# -gt 0 ] || break
        run_one "$1" &
        batch="$batch $!"
        shift
    done
    for one in $batch; do wait "$one" || status=1; done
done
exit $status
