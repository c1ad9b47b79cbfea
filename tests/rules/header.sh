#!/bin/sh
# The public header: what it may contain, and that every dialect takes it.
# usage: header.sh INCLUDE_FOLDER C_COMPILER CXX_COMPILER
. "$(dirname "$0")/rules.sh"
header=$1/flashjit.h
cc=$2
cxx=$3
scratch_folder

# The header without its comments.
sed -zE 's:/\*([^*]|\*+[^*/])*\*+/::g' "$header" >"$scratch/text"

some "header" "$scratch/text"

find_text() {
  grep -nE "$1" "$scratch/text"
}

foreign_includes() {
  find_text '^[[:space:]]*#[[:space:]]*include' | grep -vE '<(stddef|stdint)\.h>'
}

# Structs whose first member is not struct_size. Those that are only declared are opaque. A record inside of another
# struct has the size that this one says, and what lies in device memory has it for ever.
unsized_structs() {
  awk '/struct [a-z_]+ \{$/ { name = $0; getline; if ($0 !~ /^ *uint32_t struct_size;/) print name }' "$scratch/text" |
    grep -vE 'struct (fi_kv|fi_fault) \{'
}

# Structs whose last member is not the reserved words.
unreserved_structs() {
  awk '/struct [a-z_]+ \{$/ { name = $0 }
    name && /^\}/ { if (last !~ /^ *uint32_t reserved\[[0-9]+\];/) print name; name = "" }
    /[^ ]/ { last = $0 }' "$scratch/text" |
    grep -v 'struct fi_fault {'
}

# Structs with a size that are not in the list of those that are checked.
unchecked_structs() {
  awk '/struct fi_[a-z_]+ \{$/ { name = $(NF - 1); getline; if ($0 ~ /^ *uint32_t struct_size;/) print name }' \
    "$scratch/text" | while read -r name; do
    grep -q "STRUCT(${name#fi_}, [0-9]*)" "$1/../generator/abi.h" || echo "$name"
  done
}

foreign_names() {
  grep -oE '^#[[:space:]]*define[[:space:]]+[A-Za-z0-9_]+' "$scratch/text" | grep -v ' FLASHJIT_'
  grep -oE '\b[A-Z][A-Z0-9_]+ = ' "$scratch/text" | grep -v '^FI_'
  grep -oE '\b(struct|enum|union) [a-z_0-9]+' "$scratch/text" | grep -v ' fi_'
  grep -v '^#' "$scratch/text" | grep -oE '\b[a-z_0-9]+\(' | grep -v '^fi_'
}

none "includes besides stddef.h and stdint.h" foreign_includes
none "function-like macros" find_text '^#[[:space:]]*define[[:space:]]+[A-Za-z0-9_]+\('
none "inline functions" find_text '\b(inline|static)\b'
none "bitfields" find_text ':[[:space:]]*[0-9]+[[:space:]]*[;,]'
none "types of CUDA" find_text '\b(CU[a-z]+|cuda[A-Z][A-Za-z_]*)\b'
none "structs that do not begin with struct_size" unsized_structs
none "structs that do not end in reserved words" unreserved_structs
none "structs with a size that abi.h does not have" unchecked_structs "$1"
none "names of another prefix" foreign_names

for dialect in c11 c17; do
  must "$dialect" "$cc" -std=$dialect -Wall -Wextra -pedantic -Werror -fsyntax-only -x c "$header"
done
for dialect in c++11 c++20; do
  must "$dialect" "$cxx" -std=$dialect -Wall -Wextra -pedantic -Werror -fsyntax-only -x c++ "$header"
done
verdict
