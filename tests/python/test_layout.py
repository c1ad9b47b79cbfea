"""The declarations against flashjit.h: they are those that the script writes, and a C compiler agrees with them."""

import ctypes
import os
import subprocess
import sys
import tempfile
import unittest

from flashjit import _declarations as c

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "../../include")
TOOLS = os.path.join(HERE, "../../tools")
SCRIPTS = [f"{TOOLS}/{name}.py" for name in ("python/declarations", "bindings/rust/bindings", "bindings/zig/bindings")]
STRUCTS = {name: kind for name, kind in vars(c).items() if name.startswith("fi_") and hasattr(kind, "_fields_")}
CONSTANTS = {name: value for name, value in vars(c).items() if name.startswith("FI_")}


def c_program():
    lines = ["#include <flashjit.h>", "#include <stdio.h>", "int main(void) {"]
    for name, struct in STRUCTS.items():
        lines.append(f'  printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, _ in struct._fields_:
            place = f"offsetof(struct {name}, {field}), sizeof((struct {name} *)0)->{field}"
            lines.append(f'  printf("{name}.{field} %zu %zu\\n", {place});')
    for name in CONSTANTS:
        lines.append(f'  printf("{name} %d\\n", (int){name});')
    return "\n".join([*lines, "  return 0;", "}", ""])


def as_compiled():
    with tempfile.TemporaryDirectory() as folder:
        source, binary = os.path.join(folder, "layout.c"), os.path.join(folder, "layout")
        with open(source, "w", encoding="utf-8") as file:
            file.write(c_program())
        subprocess.run([os.environ.get("CC", "cc"), "-I", INCLUDE, source, "-o", binary], check=True)
        return subprocess.run([binary], check=True, capture_output=True, text=True).stdout.splitlines()


def as_declared():
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f"{name} {ctypes.sizeof(struct)}")
        for field, _ in struct._fields_:
            place = getattr(struct, field)
            lines.append(f"{name}.{field} {place.offset} {place.size}")
    return lines + [f"{name} {value}" for name, value in CONSTANTS.items()]


class Layout(unittest.TestCase):
    def test_declarations_are_current(self):
        for script in SCRIPTS:
            subprocess.run([sys.executable, script, "--check"], check=True)

    def test_a_compiler_agrees(self):
        self.assertEqual(as_declared(), as_compiled())
        self.assertGreaterEqual(len(STRUCTS), 12)
        self.assertGreaterEqual(len(c.FUNCTIONS), 26)


if __name__ == "__main__":
    unittest.main()
