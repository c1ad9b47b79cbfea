"""Structs of flashjit.h filled from keywords: a name or a number that the struct does not have is an error."""

from __future__ import annotations

import ctypes
from typing import Any

from .errors import ArgumentError

HIDDEN = ("struct_size", "reserved")


def new(kind: type, **values: Any) -> Any:
    """A cleared struct with its size and these fields."""
    struct = kind()
    if hasattr(struct, "struct_size"):
        struct.struct_size = ctypes.sizeof(kind)
    fill(struct, values)
    return struct


def fields_of(struct: Any) -> list[str]:
    return [field for field, _ in struct._fields_ if field not in HIDDEN]


def fill(struct: Any, values: dict) -> None:
    name = type(struct).__name__
    for field, value in values.items():
        if field not in fields_of(struct):
            raise TypeError(f"{name} has no field {field!r}; it has {', '.join(fields_of(struct))}")
        try:
            setattr(struct, field, value)
        except TypeError:
            raise ArgumentError(f"{name}.{field} is {value!r}, a {type(value).__name__}") from None
        kept = getattr(struct, field)
        if isinstance(value, int) and isinstance(kept, int) and kept != value:
            raise ArgumentError(f"{name}.{field} is {value}, which does not fit its type")
