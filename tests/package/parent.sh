#!/bin/sh
# flashjit inside the build of another project, by add_subdirectory and by FetchContent. The project's settings must not
# reach it, nor its own the project: tests/package/parent says what is compared.
. "$(dirname "$0")/package.sh"
need c++ g++
ln -s "$source" "$scratch/a source"

# parent FOLDER [CMAKE OPTION]...
parent() {
  folder=$1
  shift
  configure "$here/parent" "$folder" -D CMAKE_C_COMPILER="$compiler" -D FLASHJIT_SOURCE="$scratch/a source" "$@"
}

# runs FOLDER: the program of a parent, when it is built.
runs() {
  build "$1"
  must "the program of $1" "$1/programs/app"
}

# The parent's files are what it asks for.
strange_files() {
  find "$1/programs" -type f ! -name app
  must "installing" env DESTDIR="$1/stage" cmake --install "$1" >&2
  [ ! -e "$1/stage" ] || find "$1/stage" -type f
}

libraries() {
  find "$1" -name 'libflashjit.*' ! -type l -exec basename {} \; | sort | tr '\n' ' '
}

parent "$scratch/c parent" -D LANGUAGE=C "-D PARENT_OPTIONS=-std=gnu17;-ffast-math"
runs "$scratch/c parent"
none "files of a parent that are not its own" strange_files "$scratch/c parent"
equal "the library" "$(libraries "$scratch/c parent")" "libflashjit.so.0.1.0 "

parent "$scratch/c++ parent" -D LANGUAGE=CXX -D FETCH=ON -D BUILD_SHARED_LIBS=OFF
runs "$scratch/c++ parent"
none "files of a parent that are not its own" strange_files "$scratch/c++ parent"
equal "the library of BUILD_SHARED_LIBS=OFF" "$(libraries "$scratch/c++ parent")" "libflashjit.a "

# What a parent asks for it gets.
parent "$scratch/asks" -D LANGUAGE=C -D FETCH=ON -D BUILD_SHARED_LIBS=ON -D FLASHJIT_BUILD_STATIC=ON
parent "$scratch/installs" -D LANGUAGE=C -D FLASHJIT_BUILD_STATIC=ON -D FLASHJIT_INSTALL=ON \
  "-D ALSO=(CMAKE_INSTALL|_GNUInstallDirs)_.*"
verdict
