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

# Ends the test.
verdict() {
  [ "$violations" = 0 ]
  exit
}
