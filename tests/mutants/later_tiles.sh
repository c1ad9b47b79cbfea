#!/bin/sh
# The tiles that stand in for those that spill: runs specs whose kernels are said to spill until one has a text that
# only a later tile has.
# usage: later_tiles.sh MATRIX EDITED_NVRTC
set -eu
matrix=$1
export MUTANT_NVRTC="${FLASHJIT_NVRTC:-libnvrtc.so.13}" FLASHJIT_NVRTC=$2 FLASHJIT_DRIVER=sim

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

# run FILTER TEXT
run() {
  echo "until a kernel has: $2"
  if SPILLS_WITHOUT=$2 "$matrix" --filter "$1" --limit 5 >"$log"; then
    tail -n 1 "$log"
  else
    cat "$log"
    failed=1
  fi
}

run 'product: attention hd=64 group' 'constexpr int kValueWarps = 2;'
run 'product: attention group' 'constexpr u32 kQueryUnroll = 2;' # loads in order
run 'product: attention hd=96' 'constexpr int kSharedLoaders ='
run 'product: attention family=wgmma hd=' 'constexpr int kTeamTokens = 32;' # steps of the fewest tokens
exit $failed
