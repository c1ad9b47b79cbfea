#!/bin/sh
# The shared library as the linker sees it. usage: symbols.sh SOURCE_FOLDER LIBRARY CC (with nm, readelf and strip on PATH)
. "$(dirname "$0")/rules.sh"
source=$1
library=$2
largest=400000
scratch_folder

nm -D --defined-only --format=posix "$library" | cut -d' ' -f1 | sed 's/@.*//' | sort -u >"$scratch/exported"
sed -zE 's:/\*([^*]|\*+[^*/])*\*+/::g' "$source/include/flashjit.h" >"$scratch/header"
grep -oE '\bfi_[a-z0-9_]+\(' "$scratch/header" | tr -d '(' | sort -u >"$scratch/declared"
grep -oE '\bfi_[a-z0-9_]+' "$scratch/header" | sort -u >"$scratch/named"
grep -v '^#' "$source/tests/rules/libfabric.names" | tr ' ' '\n' | sort -u >"$scratch/taken"

foreign_symbols() {
  # The version script's own node is an absolute symbol.
  grep -vE '^(fi_|FLASHJIT_)' "$scratch/exported"
}

foreign_libraries() {
  readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(lib(c|m|dl|pthread)\.so\.|ld-linux)'
}

soname() {
  readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'
}

none "exported symbols of another prefix" foreign_symbols
none "exported but not in flashjit.h" comm -23 "$scratch/exported" "$scratch/declared"
none "in flashjit.h but not exported" comm -13 "$scratch/exported" "$scratch/declared"
none "names of libfabric" comm -12 "$scratch/named" "$scratch/taken"
none "needs more than the C library" foreign_libraries
[ "$(soname)" = libflashjit.so.0 ] || violation "SONAME is '$(soname)'"

strip -o "$scratch/stripped" "$library"
size=$(wc -c <"$scratch/stripped")
[ "$size" -le "$largest" ] || violation "$size bytes when stripped, over $largest"
verdict
