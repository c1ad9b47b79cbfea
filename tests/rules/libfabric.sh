#!/bin/sh
# Our header and libfabric's in one translation unit, in both orders, in C and in C++. Skipped (77) without libfabric.
# usage: libfabric.sh INCLUDE_FOLDER C_COMPILER CXX_COMPILER
. "$(dirname "$0")/rules.sh"
include=$1
cc=$2
cxx=$3
scratch_folder

ours='#include "flashjit.h"'
theirs=$(printf '#include <rdma/%s.h>\n' fabric fi_atomic fi_cm fi_collective fi_domain fi_endpoint fi_eq fi_errno \
  fi_rma fi_tagged fi_trigger)

echo "$theirs" >"$scratch/theirs.c"
"$cc" -fsyntax-only "$scratch/theirs.c" 2>/dev/null || exit 77
printf '%s\n' "$ours" "$theirs" >"$scratch/ours_first.c"
printf '%s\n' "$theirs" "$ours" >"$scratch/theirs_first.c"
for file in "$scratch"/*_first.c; do
  must "C" "$cc" -std=gnu11 -Wall -Werror -fsyntax-only -I"$include" "$file"
  must "C++" "$cxx" -std=gnu++17 -Wall -Werror -fsyntax-only -I"$include" -x c++ "$file"
done
verdict
