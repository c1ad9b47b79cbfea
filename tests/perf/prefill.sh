#!/bin/sh
# Prefill of both families on one H200, in parts that take a few minutes each: correct, grid, sustained, variants.
#   tests/perf/prefill.sh PART [FOLDER]     writes what it finds to FOLDER too, build/prefill unless it is given
# Variants are built anew, each in a minute or less. On the simulator: FLASHJIT_DRIVER=sim TARGET=compute_90a LIMIT=2 for
# "correct"; the others need a GPU.
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
  (cd "$1" && cmake --preset release -D CMAKE_C_COMPILER_LAUNCHER= >/dev/null &&
    cmake --build build/release --target matrix flashjit_bench >/dev/null)
}

# Random batches against double precision: the family where it is asked for, and where it is chosen.
correct() {
  for filter in family=wgmma rows=128; do
    timeout 240 build/release/matrix --targets "${TARGET:-sm_90a}" --filter $filter --limit "${LIMIT:-160}" || true
  done
}

# The grid by both families, one after the other so that the clocks are alike. $1: an option of the bench.
grid() {
  for filter in "hd=128 " "hd=64 " "hd=96" "hd=192" "hd=256" "rows=128 group=4"; do
    for family in wgmma mma; do
      timeout 280 build/release/flashjit_bench ${1:-} --family $family "$filter" || true
    done
  done
}

# variant NAME FILE EDIT FILTER: the grid's rows with FILTER by sources that differ by a sed command.
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
  timeout 100 "$copy/build/release/flashjit_bench" --family wgmma "$4" || true
}

variants() {
  echo "variant none"
  timeout 100 build/release/flashjit_bench --family wgmma "hd=128 " || true
  kernel=templates/kernels/attention_wgmma.cu
  tile=generator/tile_wgmma.c
  variant one_query_tile $tile '/double_count(wgmma, target, &wgmma->query_tiles)/d' "hd=128 "
  variant no_turns $kernel '/wait_turn(\|pass_turn(\|open_turns(\|close_turns(/d' "hd=128 "
  variant eight_sections runtime/workspace.c 's/LARGE_TILE_SECTIONS = 4/LARGE_TILE_SECTIONS = 8/' "hd=128 "
  variant small_sections runtime/workspace.c 's/SECTION_BYTES = 24 << 20/SECTION_BYTES = 12 << 20/' "hd=128 "
  variant least_piece_4 runtime/workspace.c 's/LARGE_TILE_LEAST_PIECE = 8/LARGE_TILE_LEAST_PIECE = 4/' "hd=128 "
  variant least_piece_16 runtime/workspace.c 's/LARGE_TILE_LEAST_PIECE = 8/LARGE_TILE_LEAST_PIECE = 16/' "hd=128 "
  variant two_consumers $tile 's/return narrow ? &three_consumers/return narrow ? \&two_consumers/' "hd=64 "
  variant two_stages $tile '/double_count(wgmma, target, &wgmma->stages)/d' "hd=64 "
  variant tokens_96 $tile 's/MOST_TOKENS = 128/MOST_TOKENS = 96/' "hd=64 "
}

build .
case $part in
correct) correct ;;
grid) grid ;;
sustained) grid --sustained ;;
variants) variants ;;
esac | tee "$out/$part.txt"
