#!/bin/sh
# A build with musl in place of glibc.
. "$(dirname "$0")/package.sh"
need musl-gcc musl-tools
. "$here/offline.sh"

other musl-gcc
offline "musl" "$shared" "$@"
offline "musl, static" "$static" "$@"
verdict
