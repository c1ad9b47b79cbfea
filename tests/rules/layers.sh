#!/bin/sh
# Which folder may know what, read off the #include lines. usage: layers.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1

# includes FOLDER...: "file:line:#include ..." of all files below that are code.
includes() {
  grep -rnE '^[[:space:]]*#[[:space:]]*include' --exclude='*.txt' --exclude='*.in' "$@"
}

includes_of() {
  pattern=$1
  shift
  includes "$@" | grep -E "$pattern"
}

# beyond FOLDER KNOWN: its includes in quotes that name neither a file beside the includer nor a header it may know.
beyond() {
  includes_of '"' "$1" | while IFS=: read -r file line text; do
    header=$(echo "$text" | cut -d'"' -f2)
    [ -f "$(dirname "$file")/$header" ] || echo "$header" | grep -qE "^($2)\.h$" || echo "$file:$line: $text"
  done
}

# includers HEADER: how many files of the library include it.
includers() {
  includes_of "[<\"]$1[>\"]" include generator cache runtime | cut -d: -f1 | sort -u | wc -l
}

none "include/ knows nothing" includes_of '"' include
# cache/lz.h is a codec of bytes that knows nothing itself: the embedded templates are packed as bundles are.
none "generator/ knows include/ and the codec" beyond generator 'flashjit|flashjit_args|generator/.*|cache/lz'
none "cache/ knows bytes and files" beyond cache 'cache/.*'
none "runtime/ knows generator/ and cache/" beyond runtime 'flashjit|flashjit_args|(generator|cache|runtime)/.*'
none "templates are hermetic" includes templates
none "paths with .." includes_of '"\.\./' include generator cache runtime

none "CUDA is known in runtime/ only" includes_of '<(cuda|nvrtc).*>' include generator cache
for header in cuda.h nvrtc.h; do
  [ "$(includers $header)" = 1 ] || violation "$(includers $header) files of the library include $header, not one"
done

# A new top-level folder needs a reason, which belongs here.
for entry in *; do
  case $entry in
    include | generator | templates | runtime | cache | tests | tools | build) ;;
    CMakeLists.txt | CMakePresets.json | LICENSE | README.md) ;;
    *) violation "unknown top-level entry $entry" ;;
  esac
done
verdict
