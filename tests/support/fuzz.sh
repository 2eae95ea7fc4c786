#!/usr/bin/env bash
# Fuzzes one target with cargo-fuzz, guided by coverage; without cargo-fuzz with mutation alone.
set -euo pipefail
cd "$(dirname "$0")/../../fuzz"

targets=$(ls fuzz_targets | sed 's/\.rs$//')
if ! grep -qx -- "${T:-}" <<<"$targets"; then
    echo "usage: make fuzz T=target [SECONDS=600]; targets:" $targets >&2
    exit 2
fi

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "cargo-fuzz is not there (cargo install cargo-fuzz --locked): mutating without coverage" >&2
    exec cargo run --quiet --release --no-default-features --features drive --bin drive -- "$T" "$SECONDS_TO_RUN"
fi

# The stable compiler will do: the sanitizers, which want another one, are not used.
export RUSTC_BOOTSTRAP=1
mkdir -p "regressions/$T" "target/found/$T"
cargo fuzz build --fuzz-dir . --sanitizer none "$T"
# What is found goes to target/found first: `corpus` holds what is worth keeping.
"target/$(rustc -vV | sed -n 's/^host: //p')/release/$T" \
    -max_total_time="$SECONDS_TO_RUN" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
    -artifact_prefix="regressions/$T/" "target/found/$T" "corpus/$T"
