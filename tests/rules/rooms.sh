#!/bin/sh
# The rooms of the simulator: which may know which, and no circles between files. usage:
# rooms.sh SOURCE_FOLDER OBJECTS...
. "$(dirname "$0")/rules.sh"
cd "$1/tools/gpusim" || exit 1
shift
scratch_folder

# From below to above: a room may know itself and those before it. What lies outside of the rooms is known to all.
rooms='ptx program machine check exec api'

include_pairs . >"$scratch/includes"
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

# shellcheck disable=SC2068 # each is a list
object_pairs $@ >"$scratch/uses"
some "uses of one object by another" "$scratch/uses"

none "a room knows only those below it" beyond
none "unknown rooms" unknown_rooms
none "circles of includes" circles "$scratch/includes"
none "circles of objects" circles "$scratch/uses"
verdict
