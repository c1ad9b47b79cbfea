# shellcheck shell=sh
# Shared by the rule tests: each reports every violation that it finds and fails when there was one.
# Sourced by sh.

set -u
export LC_ALL=C
violations=0

# violation TEXT: counts it and says it.
violation() {
  printf 'violation: %s\n' "$*"
  violations=$((violations + 1))
}

# none WHAT COMMAND [ARGUMENT]...: every line that the command prints is a violation.
none() {
  what=$1
  shift
  found=$("$@")
  if [ -n "$found" ]; then
    violation "$what:
$found"
  fi
}

# must WHAT COMMAND [ARGUMENT]...: a violation unless the command succeeds; what it printed is shown.
must() {
  what=$1
  shift
  output=$("$@" 2>&1) || violation "$what: $*
$output"
}

# some WHAT FILE: a violation when the file is empty, because then a rule about its lines would hold.
some() {
  [ -s "$2" ] || violation "no $1 found"
}

# A folder that is removed when the test ends.
scratch_folder() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
}

# include_pairs FOLDER...: files and what they include in quotes, both without their ends: X.c and X.h are one. A file
# that is not found from here lies beside the one that includes it.
include_pairs() {
  grep -rnE '^[[:space:]]*#[[:space:]]*include "' --include='*.[ch]' "$@" |
    sed -E 's|^(\./)?([^:]*)\.[ch]:[^"]*"([^"]*)\.h"|\2 \3|' | while read -r file header; do
    [ -f "$header.h" ] || header=$(dirname "$file")/$header
    echo "$file $header"
  done | sort -u
}

# object_pairs OBJECT...: objects, by target and file, and those that define what they use.
object_pairs() {
  nm -A -g "$@" | sed -nE 's|^.*/([^/]+)\.dir/(\./)?(.*)\.c\.o: *[0-9a-f]* +([A-Za-z]) (.*)$|\1/\3 \4 \5|p' \
    >"$scratch/symbols"
  awk '
    NR == FNR { if ($2 != "U") definer[$3] = $1; next }
    $2 == "U" && ($3 in definer) { print $1, definer[$3] }' "$scratch/symbols" "$scratch/symbols" | sort -u
}

# circles FILE: the pairs of the file that go in a circle.
circles() {
  awk '$1 != $2' "$1" | tsort 2>&1 >"$scratch/order" | sed -E 's/^tsort: (-: )?//'
}

# Ends the test.
verdict() {
  [ "$violations" = 0 ]
  exit
}
