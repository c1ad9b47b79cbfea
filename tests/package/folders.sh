#!/bin/sh
# Installations into any folders, of the shared and the static library, used by CMake and pkg-config projects.
. "$(dirname "$0")/package.sh"
need pkg-config pkg-config
ln -s "$source" "$scratch/a source"
built="$scratch/a build"
names=$scratch/names.c

# install_into PREFIX LIBDIR INCLUDEDIR [CMAKE OPTION]...
install_into() {
  prefix=$1
  libdir=$2
  includedir=$3
  shift 3
  configure "$scratch/a source" "$built" -D CMAKE_C_COMPILER="$compiler" -D BUILD_TESTING=OFF \
    -D FLASHJIT_BUILD_TOOLS=OFF -D FLASHJIT_BUILD_STATIC=ON -D CMAKE_INSTALL_PREFIX="$prefix" \
    -D CMAKE_INSTALL_LIBDIR="$libdir" -D CMAKE_INSTALL_INCLUDEDIR="$includedir" "$@"
  build "$built"
  must "installing" cmake --install "$built"
}

# package FOLDER PKG-CONFIG-OPTION...: asks the flashjit.pc in a folder of libraries.
package() {
  folder=$1
  shift
  PKG_CONFIG_PATH=$folder/pkgconfig pkg-config "$@" flashjit
}

# compile PROGRAM LIBRARY_FOLDER PKG-CONFIG_OPTIONS [SOURCE OR FLAG]...
compile() {
  program=$1
  # shellcheck disable=SC2086 # options are words
  flags=$(package "$2" $3)
  shift 3
  eval set -- '"$@"' "$flags" # which are words of a shell
  must "compiling $program" "$compiler" -o "$program" "$here/consumer/consumer.c" "$@"
}

# used LIBRARY_FOLDER: both ways to find the package there make programs that run.
used() {
  compile "$scratch/by_pc" "$1" "--cflags --libs"
  must "with pkg-config" env LD_LIBRARY_PATH="$1" "$scratch/by_pc"
  compile "$scratch/by_pc_static" "$1" "--static --cflags --libs" -static "$names"
  must "with pkg-config --static" "$scratch/by_pc_static"
  must "find_package" cmake -S "$here/consumer" -B "$scratch/consumer" -G Ninja -D CMAKE_C_COMPILER="$compiler" \
    -D CONSUMER_NAMES="$names" -D flashjit_DIR="$1/cmake/flashjit"
  build "$scratch/consumer"
  must "with find_package" "$scratch/consumer/consumer"
  must "with find_package, static" "$scratch/consumer/consumer_static"
}

# Every internal function's name, as a function of the program.
internal_names() {
  nm --defined-only --extern-only --format=posix "$built/libflashjit_internal.a" |
    awk '$2 == "T" && $1 !~ /^fi_/ { print "void " $1 "(void);\nvoid " $1 "(void) {\n}" }'
}

exported_names() {
  nm --defined-only --format=posix "$@" | awk '$2 ~ /^[B-Z]$/ { sub("@.*", "", $1); print $1 }' | grep -v '^FLASHJIT_' |
    sort
}

needs_flashjit() {
  readelf -d "$1" | grep -F libflashjit
}

# What the files say, without building anything: PREFIX LIBDIR INCLUDEDIR, and both folders in full.
configured() {
  configure "$source" "$scratch/said" -D CMAKE_C_COMPILER="$compiler" -D BUILD_TESTING=OFF \
    -D FLASHJIT_BUILD_TOOLS=OFF -D CMAKE_INSTALL_PREFIX="$1" -D CMAKE_INSTALL_LIBDIR="$2" \
    -D CMAKE_INSTALL_INCLUDEDIR="$3"
  mkdir -p "$scratch/root$4/pkgconfig"
  cp "$scratch/said/flashjit.pc" "$scratch/root$4/pkgconfig"
  for folder in "libdir $4" "includedir $5"; do
    said=$(package "$scratch/root$4" --variable="${folder%% *}" | sed 's/\\//g')
    equal "${folder%% *} of $1 $2 $3" "$(realpath -ms "${said#"$scratch/root"}")" "${folder#* }"
  done
}

configured /opt/fj lib include /opt/fj/lib /opt/fj/include
configured /opt/fj /opt/fj/lib /opt/fj/include /opt/fj/lib /opt/fj/include
configured /out /lib/out/lib64 /dev/out/include /lib/out/lib64 /dev/out/include
configured /opt/fj lib64/deep include/fj /opt/fj/lib64/deep /opt/fj/include/fj
configured /opt/fj /opt/lib include /opt/lib /opt/fj/include
configured /opt/fj lib /opt/include /opt/fj/lib /opt/include
configured "/opt/f j" "/opt/l b" "/opt/inc l" "/opt/l b" "/opt/inc l"
configured "/opt/f j" lib include "/opt/f j/lib" "/opt/f j/include"

install_into "$scratch/a prefix" lib/deep include
internal_names >"$names"
some "internal names" "$names"
mv "$scratch/a prefix" "$scratch/moved"
used "$scratch/moved/lib/deep"
none "needed by a static program" needs_flashjit "$scratch/consumer/consumer_static"
equal "a prefix of the user's" "$(package "$scratch/moved/lib/deep" --define-variable=prefix=/other --cflags)" \
  "-I/other/include "
exported_names -D "$scratch/moved/lib/deep/libflashjit.so" >"$scratch/shared_names"
exported_names --extern-only "$scratch/moved/lib/deep/libflashjit.a" >"$scratch/static_names"
some "exported names" "$scratch/shared_names"
must "the same names" diff "$scratch/shared_names" "$scratch/static_names"

install_into "$scratch/out" "$scratch/out lib" "$scratch/dev/include"
used "$scratch/out lib"

# DESTDIR holds what goes to the root of another machine.
export DESTDIR="$scratch/stage"
install_into /opt/fj lib /opt/headers
unset DESTDIR
[ -f "$scratch/stage/opt/headers/flashjit.h" ] || violation "no header below DESTDIR"
compile "$scratch/staged" "$scratch/stage/opt/fj/lib" "--libs" -I"$scratch/stage/opt/headers"

# The static library alone.
install_into "$scratch/alone" lib include -D BUILD_SHARED_LIBS=OFF
[ -e "$scratch/alone/lib/libflashjit.so" ] && violation "a shared library with BUILD_SHARED_LIBS=OFF"
used "$scratch/alone/lib"
none "needed where there is only a static library" needs_flashjit "$scratch/consumer/consumer"
verdict
