#!/bin/sh
# A cross build for aarch64, which runs under qemu.
. "$(dirname "$0")/package.sh"
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
need qemu-aarch64 qemu-user
root=/usr/aarch64-linux-gnu
[ -f $root/include/stdlib.h ] || skip "there is no C library for aarch64 (Debian's package libc6-dev-arm64-cross)"
. "$here/offline.sh"

other aarch64-linux-gnu-gcc -D CMAKE_SYSTEM_NAME=Linux -D CMAKE_SYSTEM_PROCESSOR=aarch64
offline "aarch64" qemu-aarch64 -L $root "$shared" "$@"
offline "aarch64, static" qemu-aarch64 "$static" "$@"
verdict
