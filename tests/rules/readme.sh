#!/bin/sh
# README.md against the code: its C program is compiled and run, its tables name everything.
# usage: readme.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER CUDA_INCLUDE_FOLDER AXES_TABLE_PROGRAM
. "$(dirname "$0")/rules.sh"
source=$1
build=$2
cc=$3
cuda=$4
axes_table=$5
readme=$source/README.md
scratch_folder

# Prints the lines of standard input that are not part of the README; having nothing to look for is a violation too.
unknown() {
  lines=0
  while read -r text; do
    lines=$((lines + 1))
    grep -qF -e "$text" "$readme" || echo "$text"
  done
  [ "$lines" != 0 ] || echo "(the list is empty)"
}

variables() {
  grep -rhoE '"FLASHJIT_[A-Z_]+"' --include='*.c' "$source/runtime" "$source/tools/gpusim" | tr '"' '`' | unknown
}

statuses() {
  grep -oE '\bFI_ERROR_[A-Z_]+ =' "$source/include/flashjit.h" | sed 's/^/`/; s/ =$/`/' | unknown
}

axes() {
  "$axes_table" | unknown
}

targets() {
  grep -oE '"sm_[0-9a-z]+"' "$source/generator/target.c" | tr '"' '`' | unknown
}

folders() {
  cd "$source" && find include generator templates cache runtime tools/* tests -maxdepth 0 -type d |
    sed 's|.*|`&/`|' | unknown
}

none "environment variables that README.md does not name" variables
none "statuses that README.md does not name" statuses
none "rows that README.md's table of axes lacks" axes
none "targets that README.md does not name" targets
none "folders that README.md's map lacks" folders

sed -n '/^```c$/,/^```$/p' "$readme" | grep -v '^```' >"$scratch/example.c"
must "the program of README.md compiles" "$cc" -std=gnu11 -Wall -Wextra -Werror -I"$source/include" -isystem "$cuda" \
  -o "$scratch/example" "$scratch/example.c" -L"$build" -lflashjit
must "the program of README.md runs" \
  env LD_LIBRARY_PATH="$build" FLASHJIT_DRIVER=sim FLASHJIT_CACHE_DIR= "$scratch/example"
verdict
