#!/usr/bin/env python3
"""Writes flashjit-sys/src/bindings.rs: the constants, structs and functions of flashjit.h for Rust.

bindings.py           writes it
bindings.py --check   fails when it is not that of the header
"""

import ctypes
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.path.join(HERE, "../../python")
RESULT = os.path.join(HERE, "flashjit-sys/src/bindings.rs")
sys.dont_write_bytecode = True
sys.path.insert(0, PYTHON)

from declarations import FIELD, HEADER, Header, main

TYPES = {
    "char": "c_char",
    "double": "f64",
    "float": "f32",
    "int": "c_int",
    "int32_t": "i32",
    "int64_t": "i64",
    "size_t": "usize",
    "uint32_t": "u32",
    "uint64_t": "u64",
    "void": "c_void",
    "fi_status": "i32",
}
SIGNED = ("FI_OK", "FI_ERROR_")
TOP = """// The constants, structs and functions of flashjit.h. Written by bindings.py: do not edit.

use std::os::raw::{c_char, c_int, c_void};

"""


class RustHeader(Header):
    def _field(self, struct, text):
        match = FIELD.match(text)
        if not match:
            raise ValueError(f"flashjit.h: '{text}' of {struct} is not understood")
        type_name, stars, name, count = match.groups()
        rust = TYPES.get(type_name, type_name)
        first = "*const " if text.startswith("const ") else "*mut "
        for level in range(stars.count("*")):
            rust = (first if level == 0 else "*const " if "const" in stars else "*mut ") + rust
        return name, f"[{rust}; {self.constants.get(count, count)}]" if count else rust

    def _result(self, name, star):
        return "" if name == "void" and not star else f" -> {'*const ' if star else ''}{TYPES.get(name, name)}"

    def _arguments(self, function, text):
        parts = [" ".join(part.split()) for part in text.split(",")]
        return [] if parts == ["void"] else [self._field(function, part) for part in parts]


def sizes():
    """As ctypes lays the structs out, which a test holds against a C compiler."""
    spec = importlib.util.spec_from_file_location("declarations_of", f"{PYTHON}/flashjit/_declarations.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda name: (ctypes.sizeof(getattr(module, name)), ctypes.alignment(getattr(module, name)))


def rendered(header):
    size_of = sizes()
    lines = []
    for name, value in header.constants.items():
        kind = "i32" if name.startswith(SIGNED) else "usize" if name.endswith("_SIZE") else "u32"
        lines.append(f"pub const {name}: {kind} = {value};")
    for name in ("fi_ctx", "fi_kernel"):
        lines += ["", "#[repr(C)]", f"pub struct {name} {{", "    _private: [u8; 0],", "}"]
    for name in header.callbacks:
        lines += ["", f"pub type {name} = Option<unsafe extern \"C\" fn(user: *mut c_void, event: *const fi_event)>;"]
    for name, fields in header.structs.items():
        size, alignment = size_of(name)
        lines += ["", "#[repr(C)]", "#[derive(Clone, Copy)]", f"pub struct {name} {{"]
        lines += [f"    pub {field}: {kind}," for field, kind in fields]
        lines += ["}", f"const _: () = assert!(std::mem::size_of::<{name}>() == {size});"]
        lines += [f"const _: () = assert!(std::mem::align_of::<{name}>() == {alignment});"]
    lines += ["", "extern \"C\" {"]
    for name, (result, arguments) in header.functions.items():
        lines += [f"    pub fn {name}(", *(f"        {n}: {kind}," for n, kind in arguments), f"    ){result};"]
    return TOP + "\n".join(lines + ["}", ""])


if __name__ == "__main__":
    main(RESULT, rendered(RustHeader(HEADER)), "tools/bindings/rust/bindings.py")
