#!/bin/sh
# Which folder may know what, read off the #include lines. usage: layers.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1

# includes FOLDER...: "file:line:#include ..." of all C files below.
includes() {
  grep -rnE '^[[:space:]]*#[[:space:]]*include' --exclude='*.txt' --exclude='*.in' "$@"
}

includes_of() {
  pattern=$1
  shift
  includes "$@" | grep -E "$pattern"
}

# includers HEADER: how many files of the library include it.
includers() {
  includes_of "[<\"]$1[>\"]" include generator cache runtime | cut -d: -f1 | sort -u | wc -l
}

cuda='[<"](cuda|nvrtc|cuda_runtime|cuda_[a-z0-9_]+)\.h'
none "generator/ and cache/ know nothing of CUDA" includes_of "$cuda" generator cache include
none "generator/ and cache/ do not know the layers above" includes_of '"(runtime|tools|tests)/' generator cache include
none "cache/ does not know the generator" includes_of '"generator/' cache
none "generator/ does not know the cache" includes_of '"cache/' generator
none "runtime/ does not know tools and tests" includes_of '"(tools|tests)/' runtime
none "templates are hermetic" includes templates

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
