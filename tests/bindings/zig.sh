#!/bin/sh
# Zig runs a decode on the simulator, by declarations that are those of the header. Zig is that of the PATH, what
# tools/check took from PyPI, or PyPI's ziglang as it is installed. usage: zig.sh SOURCE_FOLDER BUILD_FOLDER
. "$(dirname "$0")/bindings.sh"
if command -v zig >/dev/null; then
  zig=zig
elif [ -x "$source/build/ziglang/zig" ]; then
  zig=$source/build/ziglang/zig
elif python3 -c 'import ziglang' 2>/dev/null; then
  zig='python3 -m ziglang'
else
  echo "skipped: there is no zig (PyPI's package ziglang)"
  exit 77
fi
ZIG_GLOBAL_CACHE_DIR=$build/zig
ZIG_LOCAL_CACHE_DIR=$build/zig
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
mkdir -p "$build/zig"
bindings=$source/tools/bindings/zig
must "the declarations are current" python3 "$bindings/bindings.py" --check
# shellcheck disable=SC2086 # words
must "zig build-obj" $zig build-obj "$bindings/decode.zig" -lc -femit-bin="$build/zig/decode.o"
must "linking" cc "$build/zig/decode.o" -o "$build/zig/decode" -z noexecstack -L"$build" -lflashjit -ldl
must "the decode" "$build/zig/decode" "$build/libflashjit-sim.so"
verdict
