# shellcheck shell=sh
# Shared by the tests of bindings to other languages: NAME.sh SOURCE_FOLDER BUILD_FOLDER. Sourced by sh.
. "$(dirname "$0")/../rules/rules.sh"
source=$1
build=$2
FLASHJIT_LIB_DIR=$build
LD_LIBRARY_PATH=$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
FLASHJIT_SIM_QUIET=1
PYTHONDONTWRITEBYTECODE=1
export FLASHJIT_LIB_DIR LD_LIBRARY_PATH FLASHJIT_SIM_QUIET PYTHONDONTWRITEBYTECODE

# need PROGRAM PACKAGE: ends the test where there is none; ctest counts it as skipped.
need() {
  command -v "$1" >/dev/null && return
  echo "skipped: there is no $1 (Debian's package $2)"
  exit 77
}
