#!/usr/bin/env python3
"""Writes flashjit.zig: the constants, structs and functions of flashjit.h for Zig.

bindings.py           writes it
bindings.py --check   fails when it is not that of the header
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RESULT = os.path.join(HERE, "flashjit.zig")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "../../python"))

from declarations import FIELD, HEADER, Header, main

TYPES = {
    "char": "u8",
    "double": "f64",
    "float": "f32",
    "int": "c_int",
    "int32_t": "i32",
    "int64_t": "i64",
    "size_t": "usize",
    "uint32_t": "u32",
    "uint64_t": "u64",
    "void": "anyopaque",
    "fi_status": "i32",
    "fi_event_callback": "?*const fn (?*anyopaque, *const fi_event) callconv(.c) void",
}
TOP = "//! The constants, structs and functions of flashjit.h. Written by bindings.py: do not edit.\n"


class ZigHeader(Header):
    def _field(self, struct, text):
        match = FIELD.match(text)
        if not match:
            raise ValueError(f"flashjit.h: '{text}' of {struct} is not understood")
        type_name, stars, name, count = match.groups()
        zig = TYPES.get(type_name, type_name)
        is_opaque = type_name in ("void", "fi_ctx", "fi_kernel")
        for level in range(stars.count("*")):
            constant = "const " if level == 0 and text.startswith("const ") else ""
            zig = f"?*{constant}{zig}" if is_opaque and level == 0 else f"[*c]{constant}{zig}"
        return name, f"[{self.constants.get(count, count)}]{zig}" if count else zig

    def _result(self, name, star):
        return f"[*c]const {TYPES[name]}" if star else TYPES.get(name, name) if name != "void" else "void"

    def _arguments(self, function, text):
        parts = [" ".join(part.split()) for part in text.split(",")]
        return [] if parts == ["void"] else [self._field(function, part) for part in parts]


def rendered(header):
    lines = [TOP]
    lines += [f"pub const {name} = {value};" for name, value in header.constants.items()]
    lines += ["", "pub const fi_ctx = opaque {};", "pub const fi_kernel = opaque {};"]
    for name, fields in header.structs.items():
        lines += ["", f"pub const {name} = extern struct {{"]
        lines += [f"    {field}: {kind}," for field, kind in fields] + ["};"]
    lines.append("")
    for name, (result, arguments) in header.functions.items():
        lines += [f"pub extern fn {name}(", *(f"    {n}: {kind}," for n, kind in arguments), f") {result};"]
    return "\n".join(lines + [""])


if __name__ == "__main__":
    main(RESULT, rendered(ZigHeader(HEADER)), "tools/bindings/zig/bindings.py")
