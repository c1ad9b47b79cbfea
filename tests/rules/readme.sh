#!/bin/sh
# README.md against the code: its C program is compiled and run, its tables name everything.
# usage: readme.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER CUDA_INCLUDE_FOLDER AXES_TABLE_PROGRAM STATUS_TABLE_PROGRAM
. "$(dirname "$0")/rules.sh"
source=$1
build=$2
cc=$3
cuda=$4
axes_table=$5
status_table=$6
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
  "$status_table" readme | unknown
}

# Rows of the README and values of the header that are in no list.
other_statuses() {
  "$status_table" readme >"$scratch/rows"
  grep -E '^\| `FI_ERROR_' "$readme" | grep -vxFf "$scratch/rows"
  "$status_table" header >"$scratch/values"
  sed -n '/^ *FI_OK = 0/,/^}/p' "$source/include/flashjit.h" | grep -v '^}' | tr -s '\n ' '  ' |
    sed 's:\*/ :*/\n:g; s/^ //' | diff - "$scratch/values"
}

axes() {
  "$axes_table" | unknown
}

# In the one line that lists them, since examples elsewhere name targets that there are not.
targets() {
  grep '^Targets are ' "$readme" | grep -oE '`sm_[0-9a-z]+`' | sort >"$scratch/named"
  grep -oE '"sm_[0-9a-z]+"' "$source/generator/target.c" | tr '"' '`' | sort | diff - "$scratch/named"
}

# Rows of tables cannot be broken.
wide_lines() {
  awk -v most=128 '!/^\|/ && length > most { print FNR ": " length " columns" }' "$readme"
}

folders() {
  cd "$source" && find include generator templates cache runtime tools/* tests -maxdepth 0 -type d |
    sed 's|.*|`&/`|' | unknown
}

none "environment variables that README.md does not name" variables
none "statuses that README.md does not have" statuses
none "statuses of README.md and flashjit.h that are not those of status.def" other_statuses
none "rows that README.md's table of axes lacks" axes
none "targets that are in generator/target.c (<) or in the line of README.md (>) alone" targets
none "lines of README.md over 128 columns, rows of tables apart" wide_lines
none "folders that README.md's map lacks" folders

sed -n '/^```c$/,/^```$/p' "$readme" | grep -v '^```' >"$scratch/example.c"
must "the program of README.md compiles" "$cc" -std=gnu11 -Wall -Wextra -Werror -I"$source/include" -isystem "$cuda" \
  -o "$scratch/example" "$scratch/example.c" -L"$build" -lflashjit
must "the program of README.md runs" \
  env LD_LIBRARY_PATH="$build" FLASHJIT_DRIVER=sim FLASHJIT_CACHE_DIR= "$scratch/example"
verdict
