#!/bin/sh
# The files of generator, cache and runtime: no circles of includes, nor of objects that use each other.
# usage: circles.sh SOURCE_FOLDER OBJECTS...
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1
shift
scratch_folder

include_pairs generator cache runtime >"$scratch/includes"
some includes "$scratch/includes"
# shellcheck disable=SC2068 # each is a list
object_pairs $@ >"$scratch/uses"
some "uses of one object by another" "$scratch/uses"

none "circles of includes" circles "$scratch/includes"
none "circles of objects" circles "$scratch/uses"
verdict
