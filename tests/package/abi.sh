#!/bin/sh
# The binary interface: every function, constant, struct and field of flashjit.h, with its number or its place, against
# data/flashjit.abi. What stands there never changes; what is new is added with FLASHJIT_UPDATE_ABI=1.
# usage: abi.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER
. "$(dirname "$0")/../rules/rules.sh"
source=$1
compiler=$3
kept=$source/tests/package/data/flashjit.abi
scratch_folder

# The header without comments and directives, one declaration, brace or field a line.
declarations() {
  sed -zE 's:/\*([^*]|\*+[^*/])*\*+/::g' "$source/include/flashjit.h" | grep -v '^#' | tr '\n' ' ' |
    sed -E 's/ +/ /g; s/ ?[;{}] ?/&\n/g' | sed -E 's/^ //; s/ $//'
}

# A C program that prints the interface.
# shellcheck disable=SC2016 # awk's own variables
program='
function constant(text) { sub(/ *=.*/, "", text); gsub(/ /, "", text)
  if (text != "") printf "  printf(\"constant %s %%lld\\n\", (long long)%s);\n", text, text }
function field(text) {
  sub(/;$/, "", text); sub(/(\[[^\]]*\])*$/, "", text); sub(/^.*[ *]/, "", text)
  if (text != "reserved" && text != "unused")
    printf "  printf(\"field %s.%s %%zu %%zu\\n\", offsetof(%s, %s), sizeof(((%s *)0)->%s));\n",
      name, text, name, text, name, text }
BEGIN { print "#include <flashjit.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {" }
/^enum [a-z_ ]*\{$/ { inside = "enum"; next }
/^(typedef )?struct fi_[a-z0-9_]+ \{$/ { inside = "struct"; name = $0; sub(/ \{$/, "", name); sub(/^.* /, "", name)
  printf "  printf(\"struct %s %%zu %%zu\\n\", sizeof(%s), _Alignof(%s));\n", name, name, name; next }
inside == "enum" { inside = ""; sub(/ *}$/, ""); count = split($0, list, ",")
  for (i = 1; i <= count; i++) constant(list[i])
  next }
/^}/ { inside = ""; next }
inside == "struct" { if ($0 != "") field($0); next }
/\(/ { sub(/;$/, ""); printf "  puts(\"function %s\");\n", $0; next }
/^typedef (int|uint)/ { sub(/;$/, ""); printf "  puts(\"type %s\");\n", $0 }
END { print "  return 0;\n}" }'

# sh's echo may read the backslashes.
declarations | awk "$program" >"$scratch/abi.c"
must "the program that prints the interface" \
  "$compiler" -std=c11 -I "$source/include" -o "$scratch/abi" "$scratch/abi.c"
"$scratch/abi" | LC_ALL=C sort >"$scratch/now"
for kind in function constant struct field type; do
  grep "^$kind " "$scratch/now" >"$scratch/kind"
  some "$kind in flashjit.h" "$scratch/kind"
done

none "changed, which no change may do to a binary interface" comm -23 "$kept" "$scratch/now"
if [ "${FLASHJIT_UPDATE_ABI:-0}" = 1 ] && [ "$violations" = 0 ]; then
  cp "$scratch/now" "$kept"
fi
none "new: run this test with FLASHJIT_UPDATE_ABI=1" comm -13 "$kept" "$scratch/now"
verdict
