#!/bin/sh
# Runs fuzz programs from their seeds on, each for so many seconds, as many at a time as there are cores; default: all.
# What is found is left in BUILD_FOLDER/findings. FLASHJIT_TEST_SEED, where set, is the seed of what is drawn.
# usage: run.sh BUILD_FOLDER SECONDS [NAME]...
set -eu
build=$1
seconds=$2
data=$(cd "$(dirname "$0")/data" && pwd)
[ $# -gt 2 ] || set -- "$@" $(ls "$data")

# More than one: each by a run of its own.
if [ $# -gt 3 ]; then
  shift 2
  printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh "$0" "$build" "$seconds"
  exit
fi

name=$3
# Texts that people write are short.
longest=65536
case $name in config | templates) longest=4096 ;; esac
# What is freed waits for a few inputs before it is used again, not for thousands, which takes half as long again.
export ASAN_OPTIONS="quarantine_size_mb=4:malloc_context_size=4:${ASAN_OPTIONS:-}"
# The corpus grows in the build folder.
log=$build/fuzz_$name.log
mkdir -p "$build/findings" "$build/corpus/$name"
found=0
"$build/fuzz_$name" -seed="${FLASHJIT_TEST_SEED:-0}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
  -max_len=$longest -print_final_stats=1 -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "$data/$name" \
  >"$log" 2>&1 || found=1
if [ $found != 0 ]; then
  tail -n 40 "$log"
  echo "a finding of fuzz_$name"
fi
printf 'fuzz_%s: %s executions\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
exit $found
