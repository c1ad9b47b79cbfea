# shellcheck shell=sh
# Shared by the package tests, which build the library alone, as others do, and use it. usage of all but release.sh:
# NAME.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER CUDA_INCLUDE_FOLDER XXHASH_INCLUDE_FOLDER
# Sourced by sh.
. "$(dirname "$0")/../rules/rules.sh"
source=$1
release=$2
compiler=$3
cuda=$4
xxhash=$5
here=$source/tests/package
unset BUILD_SHARED_LIBS FLASHJIT_MODE FLASHJIT_TARGET FLASHJIT_CACHE_RO PKG_CONFIG_PATH
scratch_folder

# skip WHY: ends the test; ctest counts it as skipped.
skip() {
  echo "skipped: $*"
  exit 77
}

# need PROGRAM PACKAGE
need() {
  command -v "$1" >/dev/null || skip "there is no $1 (Debian's package $2)"
}

# equal WHAT VALUE RIGHT
equal() {
  [ "$2" = "$3" ] || violation "$1 is '$2', not '$3'"
}

# configure SOURCE BUILD [CMAKE OPTION]...
configure() {
  from=$1
  to=$2
  shift 2
  must "configuring" cmake -S "$from" -B "$to" -G Ninja -D FLASHJIT_CUDA_INCLUDE_DIR="$cuda" \
    -D FLASHJIT_NVRTC_INCLUDE_DIR="$cuda" -D FLASHJIT_XXHASH_INCLUDE_DIR="$xxhash" "$@"
}

# build FOLDER
build() {
  must "building" cmake --build "$1" --parallel 2
}
