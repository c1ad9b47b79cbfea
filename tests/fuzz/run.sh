#!/bin/sh
# Runs every fuzz program for so many seconds, two at a time, from its seeds on. What is found is left in
# BUILD_FOLDER/findings. FLASHJIT_TEST_SEED, where set, is the seed of what is drawn.
# usage: run.sh BUILD_FOLDER SECONDS [NAME]...
set -eu
build=$1
seconds=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- $(cd "$here/data" && ls)
findings=$build/findings
mkdir -p "$findings"

# fuzz NAME: the corpus grows in the build folder.
fuzz() {
  mkdir -p "$build/corpus/$1"
  "$build/fuzz_$1" -seed="${FLASHJIT_TEST_SEED:-0}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix="$findings/$1-" "$build/corpus/$1" "$here/data/$1" \
    >"$build/fuzz_$1.log" 2>&1
}

failed=
while [ $# -gt 0 ]; do
  pair=$1
  fuzz "$1" & first=$!
  second=
  if [ $# -gt 1 ]; then
    pair="$1 $2"
    fuzz "$2" & second=$!
    shift
  fi
  shift
  wait "$first" || failed="$failed ${pair% *}"
  [ -z "$second" ] || wait "$second" || failed="$failed ${pair#* }"
done
for log in "$build"/fuzz_*.log; do
  printf '%s: %s executions\n' "$(basename "$log" .log)" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
done
[ -n "$failed" ] || exit 0
for name in $failed; do
  tail -n 40 "$build/fuzz_$name.log"
done
echo "findings:$failed"
exit 1
