#!/usr/bin/env python3
"""Writes flashjit/_declarations.py: the constants, structs and functions of flashjit.h for ctypes.

declarations.py           writes it
declarations.py --check   fails when it is not that of the header
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = os.path.join(HERE, "../../include/flashjit.h")
RESULT = os.path.join(HERE, "flashjit/_declarations.py")

SCALARS = {
    "char": "c_char",
    "double": "c_double",
    "float": "c_float",
    "int": "c_int",
    "int32_t": "c_int32",
    "int64_t": "c_int64",
    "size_t": "c_size_t",
    "uint32_t": "c_uint32",
    "uint64_t": "c_uint64",
    "fi_status": "c_int32",
}
COMMENT = re.compile(r"/\*.*?\*/", re.S)
VERSION = re.compile(r"#define FLASHJIT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)")
ENUM = re.compile(r"\benum \{(.*?)\}", re.S)
ENUMERATOR = re.compile(r"(\w+) = (-?\w+)")
STRUCT = re.compile(r"\bstruct (\w+) \{(.*?)\n\}", re.S)
FIELD = re.compile(r"^(?:const )?(\w+)([ *](?:[ *]|const )*)(\w+)(?:\[(\w+)\])?$")
FUNCTION = re.compile(r"^(?:const )?(\w+) (\*?)(fi_\w+)\(([^)]*)\);", re.M)
CALLBACK = re.compile(r"^typedef void \(\*(\w+_callback)\)\(void \*user, const \w+ \*\w+\);", re.M)

TOP = '''"""The constants, structs and functions of flashjit.h. Written by declarations.py: do not edit.

Pointers are addresses (c_void_p), and text is c_char_p.
"""

# fmt: off
from ctypes import CFUNCTYPE, Structure
from ctypes import c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
'''


class Header:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = COMMENT.sub("", file.read())
        self.version = tuple(int(part) for part in VERSION.findall(self.text))
        self.constants = {}
        for body in ENUM.findall(self.text):
            for name, value in ENUMERATOR.findall(body):
                self.constants[name] = int(value, 0)
        self.structs = {name: self._fields(name, body) for name, body in STRUCT.findall(self.text)}
        self.callbacks = CALLBACK.findall(self.text)
        self.functions = {
            name: (self._result(type_name, star), self._arguments(name, arguments))
            for type_name, star, name, arguments in FUNCTION.findall(self.text)
        }

    def _fields(self, struct, body):
        parts = [" ".join(part.split()) for part in body.split(";")]
        return [self._field(struct, part) for part in parts if part]

    def _field(self, struct, text):
        match = FIELD.match(text)
        if not match:
            raise ValueError(f"flashjit.h: '{text}' of {struct} is not understood")
        type_name, stars, name, count = match.groups()
        field_type = self._type(type_name, stars.count("*"))
        return name, f"{field_type} * {self.constants.get(count, count)}" if count else field_type

    def _type(self, name, stars):
        if stars:
            return "c_char_p" if name == "char" and stars == 1 else "c_void_p"
        return SCALARS.get(name, name)

    def _result(self, name, star):
        return "None" if name == "void" and not star else self._type(name, len(star))

    def _arguments(self, function, text):
        parts = [" ".join(part.split()) for part in text.split(",")]
        if parts == ["void"]:
            return []
        # Text that a call fills is memory as any other.
        return [
            "c_void_p" if re.match(r"^char \*", part) else self._field(function, part)[1] for part in parts
        ]


def rendered(header):
    lines = [TOP, f"VERSION = {header.version}", ""]
    lines += [f"{name} = {value}" for name, value in header.constants.items()]
    lines += [""] + [f"{name} = CFUNCTYPE(None, c_void_p, c_void_p)" for name in header.callbacks]
    for name, fields in header.structs.items():
        lines += ["", "", f"class {name}(Structure):", "    _fields_ = ["]
        lines += [f'        ("{field}", {type_name}),' for field, type_name in fields]
        lines += ["    ]"]
    lines += ["", "", "# Result and arguments.", "FUNCTIONS = {"]
    for name, (result, arguments) in header.functions.items():
        lines.append(f'    "{name}": ({result}, [{", ".join(arguments)}]),')
    return "\n".join(lines + ["}", ""])


def main(result, text, script):
    """Writes the file; with --check fails when it has another text."""
    if sys.argv[1:] == ["--check"]:
        with open(result, encoding="utf-8") as file:
            if file.read() != text:
                sys.exit(f"{os.path.basename(result)} is not that of flashjit.h: run {script}")
        return
    with open(result, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(RESULT, rendered(Header(HEADER)), "tools/python/declarations.py")
