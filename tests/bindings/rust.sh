#!/bin/sh
# The crates flashjit-sys and flashjit: bindings are those of the header, and their tests pass on the simulator.
# usage: rust.sh SOURCE_FOLDER BUILD_FOLDER
. "$(dirname "$0")/bindings.sh"
need cargo cargo
crates=$source/tools/bindings/rust
must "the bindings are current" python3 "$crates/bindings.py" --check
CARGO_TARGET_DIR=$build/cargo
export CARGO_TARGET_DIR
must "cargo test" cargo test --quiet --offline --locked --manifest-path "$crates/Cargo.toml"
verdict
