#!/bin/sh
# Prefill of both families on one H200, in parts that take a few minutes each.
#   tests/perf/prefill.sh PART [FOLDER]     writes what it finds to FOLDER too, build/prefill unless it is given
#   correct    random batches against double precision
#   grid       the cases of prefill.cases, in bursts
#   sustained  those from 4k tokens on, kept busy for seconds
#   variants   rows of the grid by sources that differ in one choice, each built anew
# CASES=TEXT: only cases with the text. On the simulator, which times nothing, FLASHJIT_DRIVER=sim TARGET=compute_90a
# LIMIT=2 CASES=page=64.
set -eu
case ${1:-} in
correct | grid | sustained | variants) ;;
*) echo "usage: $0 correct|grid|sustained|variants [FOLDER]" >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/../.."
part=$1
out=${2:-build/prefill}
mkdir -p "$out"

# build FOLDER: the programs of a source folder.
build() {
  (cd "$1" && cmake --preset release >/dev/null && cmake --build build/release --target matrix flashjit_cli >/dev/null)
}

# Random batches: the family where it is asked for, and where it is chosen.
correct() {
  for filter in family=wgmma rows=128; do
    timeout 240 build/release/matrix --targets "${TARGET:-sm_90a}" --filter $filter --limit "${LIMIT:-160}" ||
      echo "$filter: failed, or not done in time" | tee -a "$out/failed"
  done
}

# cases FAMILY PATTERN: those that the family serves.
cases() {
  grep '^attention' tests/perf/prefill.cases | grep -e "$2" | grep -e "${CASES:-.}" | sed "s/^attention/& family=$1/"
}

# bench FLASHJIT FAMILY PATTERN REPEATS
bench() {
  cases "$2" "$3" >"$out/cases"
  [ -s "$out/cases" ] || return 0
  timeout 280 "$1" bench --cases "$out/cases" --repeat "$4" || true
}

# grid PATTERN REPEATS: both families, one after the other so that the clocks are alike.
grid() {
  for family in wgmma mma; do
    bench build/release/flashjit $family "$1" "$2"
  done
}

# variant NAME FILE EDIT PATTERN: cases by sources that differ by a sed command.
variant() {
  copy=build/variants/$1
  rm -rf "$copy"
  mkdir -p "$copy"
  tar -c --exclude=./build --exclude=./.git . | tar -x -C "$copy"
  sed -i "$3" "$copy/$2"
  if cmp -s "$2" "$copy/$2"; then
    echo "variant $1 changes nothing" >&2
    return 1
  fi
  build "$copy"
  echo "variant $1"
  bench "$copy/build/release/flashjit" wgmma "$4" 7
}

hd128='^attention rows=128 index=csr heads'
hd64='hd=64 rows=128 index=csr heads'

variants() {
  echo "variant none"
  bench build/release/flashjit wgmma "$hd128" 7
  bench build/release/flashjit wgmma "$hd64" 7
  tile=generator/tile_wgmma.c
  variant one_query_tile $tile '/double_count(wgmma, target, &wgmma->query_tiles)/d' "$hd128"
  variant turns $tile 's/division->consumers > 2/division->consumers > 1/' "$hd128"
  variant no_turns $tile 's/division->consumers > 2/division->consumers > 3/' "$hd64"
  variant eight_sections runtime/workspace.c 's/LARGE_TILE_SECTIONS = 4/LARGE_TILE_SECTIONS = 8/' "$hd128"
  variant small_sections runtime/workspace.c 's/SECTION_BYTES = 24 << 20/SECTION_BYTES = 12 << 20/' "$hd128"
  variant least_piece_4 runtime/workspace.c 's/LARGE_TILE_LEAST_PIECE = 8/LARGE_TILE_LEAST_PIECE = 4/' "$hd128"
  variant least_piece_16 runtime/workspace.c 's/LARGE_TILE_LEAST_PIECE = 8/LARGE_TILE_LEAST_PIECE = 16/' "$hd128"
  variant two_consumers $tile 's/return narrow ? &three_consumers/return narrow ? \&two_consumers/' "$hd64"
  variant two_stages $tile '/double_count(wgmma, target, &wgmma->stages)/d' "$hd64"
  variant tokens_96 $tile 's/MOST_TOKENS = 128/MOST_TOKENS = 96/' "$hd64"
}

build .
rm -f "$out/failed"
case $part in
correct) correct ;;
grid) grid . 7 ;;
sustained) grid 'q4k\|q8k\|q16k\|s32k' 101 ;;
variants) variants ;;
esac | tee "$out/$part.txt"
[ ! -e "$out/failed" ]
