"""What is fixed for one kind of layer: fi_spec."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any, Iterator, Union

from . import _declarations as c
from ._library import library
from ._structs import new
from .errors import SpecError

AxisValue = Union[int, str, bool]


class Axis:
    """One axis: ``name`` (the field), ``key`` (in texts), ``meaning``, ``names`` of its values or None."""

    def __init__(self, struct: c.fi_axis) -> None:
        self.name = struct.name.decode()
        self.key = struct.key.decode()
        self.meaning = struct.meaning.decode()
        self.minimum, self.maximum, self.default = struct.minimum, struct.maximum, struct.default_value
        self.names = _names(struct)

    def number(self, value: AxisValue) -> int:
        """The number that fi_spec has for a value, which may be given by its name."""
        if isinstance(value, str) and self.names and value in self.names:
            return self.names[value]
        if not hasattr(value, "__index__"):
            allowed = " ".join(self.names) if self.names else f"a number from {self.minimum} to {self.maximum}"
            raise SpecError(f"{self.name} is {value!r}; allowed: {allowed}")
        if not 0 <= value < 1 << 32:
            raise SpecError(f"{self.name} is {value}; allowed: {self.minimum} to {self.maximum}")
        return int(value)


def _names(struct: c.fi_axis) -> dict[str, int] | None:
    if not struct.value_names or not struct.values:
        return None
    values = ctypes.cast(struct.values, ctypes.POINTER(ctypes.c_uint32))
    names = ctypes.cast(struct.value_names, ctypes.POINTER(ctypes.c_char_p))
    return {names[i].decode(): values[i] for i in range(struct.value_count)}


@lru_cache(maxsize=None)
def axes() -> dict[str, Axis]:
    """All axes by the name of their field, in the order of texts."""
    found = {}
    struct = new(c.fi_axis)
    while library.fi_axis_describe(len(found), ctypes.byref(struct)) == c.FI_OK:
        axis = Axis(struct)
        found[axis.name] = axis
    return found


class Spec:
    """A spec by its text, by axes, or by both: ``Spec("attention hd=64 group=4", page_size=16, mask="none")``.

    Axes have the names of fi_spec's fields and numbers, or the names that texts have. ``axes()`` lists them.
    """

    def __init__(self, text: str | None = None, /, **values: AxisValue) -> None:
        self.struct = new(c.fi_spec)
        if text is None:
            library.fi_spec_init(ctypes.byref(self.struct))
        else:
            library.check(library.fi_spec_parse(text.encode(), ctypes.byref(self.struct)))
        for name, value in values.items():
            if name not in axes():
                raise TypeError(f"a spec has no axis {name!r}; it has {', '.join(axes())}")
            setattr(self.struct, name, axes()[name].number(value))

    def __getattr__(self, name: str) -> int:
        if name in axes():
            return getattr(self.struct, name)
        raise AttributeError(name)

    def __str__(self) -> str:
        text = ctypes.create_string_buffer(c.FI_SPEC_TEXT_SIZE)
        library.check(library.fi_spec_print(ctypes.byref(self.struct), text, len(text)))
        return text.value.decode()

    def __repr__(self) -> str:
        return f"Spec({str(self)!r})"

    def check(self, target: str | None = None) -> None:
        """Raises SpecError or UnsupportedError, with the reason, where there is no kernel. Needs no GPU."""
        name = target.encode() if target else None
        library.check(library.fi_spec_supported(ctypes.byref(self.struct), name))

    def source(self, target: str | None = None) -> str:
        """The CUDA C++ text of the kernel. Needs neither compiler nor GPU."""
        name = target.encode() if target else None
        size = ctypes.c_size_t()
        library.check(library.fi_kernel_source(ctypes.byref(self.struct), name, None, ctypes.byref(size)))
        text = ctypes.create_string_buffer(size.value)
        library.check(library.fi_kernel_source(ctypes.byref(self.struct), name, text, ctypes.byref(size)))
        return text.value.decode()


def specs(op: AxisValue = "attention") -> Iterator[Spec]:
    """Every supported spec of an op over the listed values of each axis."""
    current = Spec(op=op)
    while library.fi_spec_next(ctypes.byref(current.struct)):
        found = Spec()
        ctypes.pointer(found.struct)[0] = current.struct
        yield found


def as_spec(text: Any, values: dict) -> Spec:
    if isinstance(text, Spec):
        if values:
            raise TypeError("a Spec is given, and axes besides")
        return text
    return Spec(text, **values)
