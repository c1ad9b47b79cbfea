"""The structs and constants of flashjit.h for ctypes, read from the header itself, so that nothing is written twice."""

import ctypes
import re

SCALARS = {
    "char": ctypes.c_char,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "fi_status": ctypes.c_int32,
}
COMMENT = re.compile(r"/\*.*?\*/", re.S)
ENUM = re.compile(r"\benum \{(.*?)\}", re.S)
ENUMERATOR = re.compile(r"(\w+) = (-?\w+)")
STRUCT = re.compile(r"\bstruct (\w+) \{(.*?)\n\}", re.S)
FIELD = re.compile(r"^(?:const )?(\w+)([ *](?:[ *]|const )*)(\w+)(?:\[(\w+)\])?$")


class Header:
    """types: structs by their name; constants: enumerators by theirs."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            text = COMMENT.sub("", file.read())
        self.constants = {}
        for body in ENUM.findall(text):
            for name, value in ENUMERATOR.findall(body):
                self.constants[name] = int(value, 0)
        self.types = {}
        for name, body in STRUCT.findall(text):
            self.types[name] = self._struct(name, body)

    def __getattr__(self, name):
        """FI_BF16, fi_spec."""
        for table in (self.constants, self.types):
            if name in table:
                return table[name]
        raise AttributeError(f"flashjit.h has no {name}")

    def has_field(self, struct, field):
        return any(name == field for name, _ in self.types[struct]._fields_)

    def _struct(self, name, body):
        fields = [self._field(name, " ".join(line.split())) for line in body.split(";") if line.strip()]
        return type(name, (ctypes.Structure,), {"_fields_": fields})

    def _field(self, struct, text):
        match = FIELD.match(text)
        if not match:
            raise ValueError(f"flashjit.h: field '{text}' of {struct} is not understood")
        type_name, stars, name, count = match.groups()
        if "*" in stars or type_name.endswith("_callback"):
            field_type = ctypes.c_char_p if type_name == "char" else ctypes.c_void_p
        else:
            field_type = SCALARS.get(type_name) or self.types[type_name]
        if count:
            field_type = field_type * (self.constants.get(count) or int(count))
        return name, field_type
