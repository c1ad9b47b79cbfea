# shellcheck shell=sh
# Builds the library with another compiler, shared and static, and runs tests/package/offline.c with both: what it
# prints must be what it prints here, which includes the hashes of the sources and a hit in a cache that was filled
# here. Sourced by sh after package.sh.

spec="attention group=4 page=16 rope=half"
mkdir "$scratch/cache"
set --
if echo "$spec" | FLASHJIT_CACHE_DIR=$scratch/cache "$release/flashjit" build --specs - --target sm_90a \
  >"$scratch/filling" 2>&1; then
  set -- "$scratch/cache" "$spec"
elif ! grep -q 'libnvrtc cannot be opened' "$scratch/filling"; then
  violation "filling a cache: $(cat "$scratch/filling")"
fi

# offline WHAT COMMAND...: the command prints what the library of the release build prints.
offline() {
  what=$1
  shift
  "$@" >"$scratch/lines" 2>&1 || violation "$what: status $?
$(tail -n 3 "$scratch/lines")"
  must "$what prints what is printed here" diff "$scratch/here.lines" "$scratch/lines"
}

# other COMPILER [CMAKE OPTION]...: sets shared and static to programs.
other() {
  other=$1
  shift
  configure "$source" "$scratch/build" -D CMAKE_C_COMPILER="$other" -D BUILD_TESTING=OFF -D FLASHJIT_BUILD_TOOLS=OFF \
    -D FLASHJIT_BUILD_STATIC=ON -D CMAKE_C_FLAGS=-O1 -D CMAKE_COMPILE_WARNING_AS_ERROR=ON "$@"
  build "$scratch/build"
  shared=$scratch/shared
  static=$scratch/static
  must "a program" "$other" -o "$shared" "$here/offline.c" -I"$source/include" "$scratch/build/libflashjit.so" \
    -Wl,-rpath,"$scratch/build"
  must "a static program" "$other" -static -o "$static" "$here/offline.c" -I"$source/include" \
    "$scratch/build/libflashjit.a" -pthread -ldl -lm
}

must "a program" "$compiler" -o "$scratch/here" "$here/offline.c" -I"$source/include" "$release/libflashjit.so" -pthread
must "the program" env LD_LIBRARY_PATH="$release" "$scratch/here" "$@"
printf '%s\n' "$output" >"$scratch/here.lines"
some "printed lines" "$scratch/here.lines"
