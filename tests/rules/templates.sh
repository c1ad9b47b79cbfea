#!/bin/sh
# Templates are what an editor takes for C++: no directive within braces or parentheses, so that each branch balances
# them. usage: templates.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1

# nested FILE...: each directive that stands within brackets, and each file whose brackets do not balance.
nested() {
  awk '
    function tell(what) { print FILENAME ":" FNR ": " what }
    function read_line(line, i, c, two) {
      for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
          if (two == "*/") { in_comment = 0; i++ }
        } else if (in_string) {
          if (c == "\\") i++
          else if (c == "\"") in_string = 0
        } else if (two == "/*") { in_comment = 1; i++ }
        else if (two == "//") return
        else if (c == "\"") in_string = 1
        else if (c ~ /[({[]/) depth++
        else if (c ~ /[)}\]]/) depth--
      }
    }
    FNR == 1 { depth = 0; in_comment = 0; in_string = 0 }
    /^[ \t]*\/\/@/ { if (depth != 0) tell("a directive within brackets: " $0); next }
    { read_line($0) }
    depth < 0 { tell("a bracket too many is closed"); depth = 0 }
  ' "$@"
}

scratch_folder
find templates -type f >"$scratch/templates"
some "templates" "$scratch/templates"
none "directives within brackets" nested $(cat "$scratch/templates")

# The rule sees what it is for.
printf 'void f() {\n//@if a\n  b;\n//@end\n}\n' >"$scratch/bad.cuh"
nested "$scratch/bad.cuh" | grep -q 'bad.cuh:2:' || violation "a directive in a function is not found"
printf '//@if a\nvoid f() {\n//@else\nvoid f(int a) {\n//@end\n}\n' >"$scratch/split.cuh"
nested "$scratch/split.cuh" | grep -q 'split.cuh:3:' || violation "a brace that a branch leaves open is not found"
verdict
