"""RoPE's tables: fi_rope_table."""

from __future__ import annotations

import ctypes
from array import array
from typing import Any, Sequence

from . import _declarations as c
from ._library import library
from ._structs import fill, new
from .errors import ArgumentError

SCALINGS = {name[len("FI_SCALING_") :].lower(): n for name, n in vars(c).items() if name.startswith("FI_SCALING_")}
LISTS = {"frequencies": ctypes.c_float, "short_factors": ctypes.c_double, "long_factors": ctypes.c_double}


def rope_table(
    dim: int, scaling: str = "none", *, sections: Sequence[int] = (), **values: Any
) -> tuple[array, float]:
    """The table of ``dim`` rotated dims, dim / 2 words of 64 bits on the host, and the magnitude.

    Both go to launches: a copy of the table on the device as rope_table, the magnitude as rope_magnitude. scaling is
    none, linear, llama3, yarn, longrope, dynamic or proportional; the other numbers are fields of fi_rope in
    flashjit.h: theta, factor, context, low_frequency, high_frequency ... frequencies, short_factors, long_factors and
    sections are lists.
    """
    if scaling not in SCALINGS:
        raise ArgumentError(f"scaling is {scaling!r}; allowed: {', '.join(SCALINGS)}")
    rope = new(c.fi_rope, dim=dim, scaling=SCALINGS[scaling])
    kept = []
    for name in [name for name in LISTS if values.get(name) is not None]:
        numbers = list(values.pop(name))
        if len(numbers) != dim // 2:
            raise ArgumentError(f"{name} has {len(numbers)} numbers; it must have dim / 2, {dim // 2}")
        kept.append((LISTS[name] * len(numbers))(*numbers))
        setattr(rope, name, ctypes.addressof(kept[-1]))
    for i, pairs in enumerate(sections):
        rope.sections[i] = pairs
    fill(rope, {name: value for name, value in values.items() if value is not None})
    table = array("Q", bytes(8 * max(dim // 2, 1)))
    magnitude = ctypes.c_float()
    library.check(library.fi_rope_table(ctypes.byref(rope), table.buffer_info()[0], ctypes.byref(magnitude)))
    return table, magnitude.value
