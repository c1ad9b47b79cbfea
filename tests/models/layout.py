#!/usr/bin/env python3
"""Holds the structs that header.py reads from flashjit.h against those that a C compiler makes of it.

layout.py INCLUDE-FOLDER CC
"""

import ctypes
import os
import subprocess
import sys
import tempfile

from header import Header


def c_program(header):
    lines = ["#include <flashjit.h>", "#include <stdio.h>", "int main(void) {"]
    for name, struct in header.types.items():
        lines.append(f'  printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, _ in struct._fields_:
            place = f"offsetof(struct {name}, {field}), sizeof((struct {name} *)0)->{field}"
            lines.append(f'  printf("{name}.{field} %zu %zu\\n", {place});')
    for name in header.constants:
        lines.append(f'  printf("{name} %d\\n", (int){name});')
    return "\n".join([*lines, "  return 0;", "}", ""])


def as_compiled(program, include, compiler):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "layout.c")
        binary = os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(program)
        subprocess.run([*compiler, "-I", include, source, "-o", binary], check=True)
        return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def as_read(header):
    lines = []
    for name, struct in header.types.items():
        lines.append(f"{name} {ctypes.sizeof(struct)}")
        for field, _ in struct._fields_:
            place = getattr(struct, field)
            lines.append(f"{name}.{field} {place.offset} {place.size}")
    return lines + [f"{name} {value}" for name, value in header.constants.items()]


def main():
    include, compiler = sys.argv[1], sys.argv[2:]
    header = Header(os.path.join(include, "flashjit.h"))
    compiled = as_compiled(c_program(header), include, compiler)
    read = as_read(header)
    for expected, got in zip(compiled, read):
        if expected != got:
            sys.exit(f"a C compiler says '{expected}', header.py '{got}'")
    needed = {"fi_spec", "fi_options", "fi_workspace", "fi_batch", "fi_kv", "fi_tensors", "fi_fault"}
    if len(compiled) != len(read) or not needed <= header.types.keys():
        sys.exit(f"header.py has {len(read)} entries, the C program printed {len(compiled)}")
    print(f"{len(header.types)} structs, {len(header.constants)} constants")


if __name__ == "__main__":
    main()
