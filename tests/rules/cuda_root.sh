#!/bin/sh
# A CUDA folder that is named but lacks a header ends the configuration. usage: cuda_root.sh SOURCE_FOLDER C_COMPILER
. "$(dirname "$0")/rules.sh"
source=$1
compiler=$2
scratch_folder

# refused FOLDER HEADER: the folder and the header that it lacks must be named.
refused() {
  if cmake -S "$source" -B "$scratch/build" -G Ninja -D CMAKE_C_COMPILER="$compiler" -D FLASHJIT_CUDA_ROOT="$1" \
    >"$scratch/output" 2>&1; then
    violation "FLASHJIT_CUDA_ROOT=$1 is accepted"
  fi
  tr -s '\n ' '  ' <"$scratch/output" | grep -qF "FLASHJIT_CUDA_ROOT is $1, which has no include/$2" ||
    violation "FLASHJIT_CUDA_ROOT=$1: no word of include/$2 in
$(cat "$scratch/output")"
}

refused "$scratch/none" cuda.h
mkdir -p "$scratch/half/include"
touch "$scratch/half/include/cuda.h"
refused "$scratch/half" nvrtc.h
verdict
