#!/bin/sh
# README.md against the code: its C program is compiled and run, and it names every environment variable.
# usage: readme.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER CUDA_INCLUDE_FOLDER
. "$(dirname "$0")/rules.sh"
source=$1
build=$2
cc=$3
cuda=$4
readme=$source/README.md
scratch_folder

unnamed_variables() {
  grep -rhoE '"FLASHJIT_[A-Z_]+"' --include='*.[ch]' --include='*.def' "$source/runtime" "$source/cache" | tr -d '"' |
    sort -u | while read -r name; do
    grep -q "\`$name\`" "$readme" || echo "$name"
  done
}

none "environment variables that README.md does not name" unnamed_variables
sed -n '/^```c$/,/^```$/p' "$readme" | grep -v '^```' >"$scratch/example.c"
must "the program of README.md compiles" "$cc" -std=c11 -Wall -Wextra -Werror -I"$source/include" -isystem "$cuda" \
  -o "$scratch/example" "$scratch/example.c" -L"$build" -lflashjit -lflashjit-sim
must "the program of README.md runs" \
  env LD_LIBRARY_PATH="$build" FLASHJIT_DRIVER=sim FLASHJIT_CACHE_DIR= "$scratch/example"
verdict
