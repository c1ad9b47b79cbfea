#!/bin/sh
# The rooms of the simulator: which may know which, and no circles between files. usage:
# rooms.sh SOURCE_FOLDER OBJECTS...
. "$(dirname "$0")/rules.sh"
cd "$1/tools/gpusim" || exit 1
shift
scratch_folder

# From below to above: a room may know itself and those before it. What lies outside of the rooms is known to all.
rooms='ptx program machine check exec api'

# Each pair is a file and one that it includes, both without their ends: X.c and X.h are one.
grep -rnE '^[[:space:]]*#[[:space:]]*include "' --include='*.[ch]' . |
  sed -E 's|^\./([^:]*)\.[ch]:[^"]*"([^"]*)\.h"|\1 \2|' | sort -u >"$scratch/includes"
some includes "$scratch/includes"

# beyond: the includes of a room that comes later.
beyond() {
  awk -v rooms="$rooms" '
    function height(path) { return path ~ /\// ? place[substr(path, 1, index(path, "/") - 1)] : 0 }
    BEGIN { count = split(rooms, names, " "); for (i = 1; i <= count; i++) place[names[i]] = i }
    height($2) > height($1) { print $1 " includes " $2 }' "$scratch/includes"
}

unknown_rooms() {
  find . -mindepth 1 -maxdepth 1 -type d | sed 's|^\./||' | grep -vxF "$(echo "$rooms" | tr ' ' '\n')"
}

# circles FILE: the pairs of the file that go in a circle.
circles() {
  awk '$1 != $2' "$1" | tsort 2>&1 >"$scratch/order" | sed -E 's/^tsort: (-: )?//'
}

# Each pair is an object and one that defines what it uses.
# shellcheck disable=SC2068 # each is a list
nm -A -g $@ | sed -nE 's|^.*\.dir/(\./)?(.*)\.c\.o: *[0-9a-f]* +([A-Za-z]) (.*)$|\2 \3 \4|p' >"$scratch/symbols"
awk '
  NR == FNR { if ($2 != "U") definer[$3] = $1; next }
  $2 == "U" && ($3 in definer) { print $1, definer[$3] }' "$scratch/symbols" "$scratch/symbols" |
  sort -u >"$scratch/uses"
some "uses of one object by another" "$scratch/uses"

none "a room knows only those below it" beyond
none "unknown rooms" unknown_rooms
none "circles of includes" circles "$scratch/includes"
none "circles of objects" circles "$scratch/uses"
verdict
