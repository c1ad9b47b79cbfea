#!/bin/sh
# The shared library as the linker sees it. usage: symbols.sh SOURCE_FOLDER LIBRARY
. "$(dirname "$0")/rules.sh"
source=$1
library=$2
largest=400000
scratch_folder

# An absolute symbol (A) is a node of the version script.
nm -D --defined-only --format=posix "$library" | awk '$2 != "A" { sub("@.*", "", $1); print $1 }' | sort -u \
  >"$scratch/exported"
sed -zE 's:/\*([^*]|\*+[^*/])*\*+/::g' "$source/include/flashjit.h" >"$scratch/header"
grep -oE '\bfi_[a-z0-9_]+\(' "$scratch/header" | tr -d '(' | sort -u >"$scratch/declared"
grep -oE '\bfi_[a-z0-9_]+' "$scratch/header" | sort -u >"$scratch/named"
grep -v '^#' "$source/tests/rules/libfabric.names" | tr ' ' '\n' | sort -u >"$scratch/taken"

some "exported symbols" "$scratch/exported"
some "names of libfabric" "$scratch/taken"

foreign_libraries() {
  readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(lib(c|m|dl|pthread)\.so\.|ld-linux)'
}

soname() {
  readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'
}

none "exported symbols of another prefix" grep -v '^fi_' "$scratch/exported"
none "exported but not in flashjit.h" comm -23 "$scratch/exported" "$scratch/declared"
none "in flashjit.h but not exported" comm -13 "$scratch/exported" "$scratch/declared"
none "names of libfabric" comm -12 "$scratch/named" "$scratch/taken"
none "needs more than the C library" foreign_libraries
[ "$(soname)" = libflashjit.so.0 ] || violation "SONAME is '$(soname)'"

strip -o "$scratch/stripped" "$library"
size=$(wc -c <"$scratch/stripped")
[ "$size" -le "$largest" ] || violation "$size bytes when stripped, over $largest"
verdict
