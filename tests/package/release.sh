#!/bin/sh
# Installs into a scratch prefix and uses what was installed, as CMake and as pkg-config projects do.
# usage: release.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER
. "$(dirname "$0")/../rules/rules.sh"
source=$1
build=$2
CC=$3
export CC
scratch_folder
prefix=$scratch/prefix

# A package may be moved.
must "install" cmake --install "$build" --prefix "$scratch/staged"
mv "$scratch/staged" "$prefix"
libdir=$(dirname "$(find "$prefix" -name libflashjit.so)")
[ "$(ls "$prefix/include")" = flashjit.h ] || violation "installed headers: $(ls "$prefix/include")"
none "installed as libcuda" find "$prefix" -name 'libcuda*'
must "the installed command" "$prefix/bin/flashjit" --version
must "the installed simulator" env FLASHJIT_DRIVER=sim FLASHJIT_CACHE_DIR= \
  "$prefix/bin/flashjit" run --model "$source/tests/data/models/Qwen3-0.6B.json" --lengths 20:2

must "find_package" cmake -S "$source/tests/package/consumer" -B "$scratch/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
must "find_package" cmake --build "$scratch/build"
must "find_package" "$scratch/build/consumer"
sed 's/flashjit 0.1 /flashjit 1.0 /' "$source/tests/package/consumer/CMakeLists.txt" >"$scratch/CMakeLists.txt"
cp "$source/tests/package/consumer/consumer.c" "$scratch"
if cmake -S "$scratch" -B "$scratch/newer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null 2>&1; then
  violation "find_package(flashjit 1.0) accepts an older flashjit"
fi

PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # flags are words
must "pkg-config" "$CC" -o "$scratch/consumer" "$scratch/consumer.c" $(pkg-config --cflags --libs flashjit)
must "pkg-config" env LD_LIBRARY_PATH="$libdir" "$scratch/consumer"
none "installed files that name the place of the build" grep -rlI -e "$source" -e "$build" -e staged "$prefix"
verdict
