#!/bin/sh
# The Debian packages: made twice, in two folders at two times, they are the same bytes; lintian has nothing to say; and
# what is in them works.
# usage: debian.sh SOURCE_FOLDER BUILD_FOLDER C_COMPILER CUDA_INCLUDE_FOLDER XXHASH_INCLUDE_FOLDER
. "$(dirname "$0")/package.sh"
need lintian lintian
need dpkg-deb dpkg
CC=$compiler
SOURCE_DATE_EPOCH=1700000000
export CC SOURCE_DATE_EPOCH

# make_packages FOLDER: copies the sources there, builds them, and packs what comes of it into FOLDER/packages.
make_packages() {
  mkdir -p "$1"
  tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$1" -xf -
  configure "$1" "$1/build" -D CMAKE_BUILD_TYPE=Release -D BUILD_TESTING=OFF --preset debian
  build "$1/build"
  must "packing" cpack --config "$1/build/CPackConfig.cmake" -B "$1/packages"
}

make_packages "$scratch/one"
make_packages "$scratch/two/deeper"
for package in "$scratch"/one/packages/*.deb; do
  other=$scratch/two/deeper/packages/${package##*/}
  cmp -s "$package" "$other" || violation "two builds of ${package##*/} differ"
done
equal "packages" "$(cd "$scratch/one/packages" && ls -- *.deb | sed 's/_.*//' | tr '\n' ' ')" \
  "flashjit libflashjit-dev libflashjit0 "
must "lintian" lintian --allow-root --fail-on error,warning "$scratch"/one/packages/*.deb

root=$scratch/root
for package in "$scratch"/one/packages/*.deb; do
  must "unpacking" dpkg-deb -x "$package" "$root"
done
libdir=$(dirname "$(find "$root" -name libflashjit.so)")
LD_LIBRARY_PATH=$libdir
export LD_LIBRARY_PATH
must "the packaged command" "$root/usr/bin/flashjit" --version
must "the packaged simulator" env FLASHJIT_DRIVER=sim FLASHJIT_CACHE_DIR= \
  "$root/usr/bin/flashjit" run --model "$source/tests/data/models/Qwen3-0.6B.json" --lengths 20:2
must "the packaged library" "$CC" -o "$scratch/consumer" "$source/tests/package/consumer/consumer.c" \
  -I "$root/usr/include" -L "$libdir" -lflashjit
must "a program with it" "$scratch/consumer"
none "packaged files that name the place of the build" grep -rl -e "$scratch/one" "$root"
verdict
