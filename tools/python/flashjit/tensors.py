"""The arrays of a launch: their types and shapes are checked, their addresses and strides go into fi_tensors."""

from __future__ import annotations

import math
from typing import Any

from . import _declarations as c
from ._structs import fill, new
from .arrays import RAW, SIZES, View, address_of, view
from .caches import Rule, dtype_name, row_rule, scale_rule
from .errors import ArgumentError
from .spec import Spec

RULES = {
    "q": ("q_dtype", "head_dim", ("q_token_stride", "q_head_stride"), "[tokens][query heads][head_dim]"),
    "o": ("o_dtype", "v_dim", ("o_token_stride", "o_head_stride"), "[tokens][query heads][v_dim]"),
    "parts_o": ("o_dtype", "v_dim", (), ""),
}
PLAIN_RULES = {
    "lse": Rule(("f32",)),
    "positions": Rule(("i32",)),
    "slots": Rule(("i32", "i64")),
    "parts_lse": Rule(("f32",)),
    "rope_table": Rule(("u64", "i64")),
    "key_positions": Rule(("i32",)),
    "sinks": Rule(("f32",)),
    "slopes": Rule(("f32",)),
    "bias": Rule(("f32", "f16", "bf16")),
    "selected": Rule(("i32",)),
    "lists": Rule(("i32",)),
    "weights": Rule(("f32",)),
}
VIEWS = ("bias", "selected", "lists", "weights")
LISTS = ("selected", "lists")
SECOND = "second_"  # arrays of a second KV, which are as those of the first without it
ROWS = ("k", "v", "second_k", "second_v", "k_new", "v_new")
SCALES = {f"{kv}_scales": (kv, "scales") for kv in ROWS[:4]}
HOST_SCALES = {"k_scale": ("k", "scale"), "v_scale": ("v", "scale")}


def _rule(spec: Spec, name: str) -> Rule:
    if name in PLAIN_RULES:
        return PLAIN_RULES[name]
    field, dim, strides, shape = RULES[name]
    return Rule((dtype_name(spec, field),), dim, (getattr(spec, dim),), strides, 3 if strides else 0, shape)


def _same_type(dtype: str, allowed: tuple[str, ...]) -> bool:
    return dtype in allowed or (dtype in RAW and any(SIZES[dtype] == SIZES[name] for name in allowed))


class Tensors:
    """fi_tensors of a launch: ``struct``, and ``arrays`` by their names."""

    def __init__(self, spec: Spec, values: dict[str, Any], simulated: bool) -> None:
        self.spec, self.simulated = spec, simulated
        self.struct = new(c.fi_tensors)
        self.arrays: dict[str, View] = {}
        self._pointers: list[tuple[Any, str, View]] = []
        self.update(values)

    def update(self, values: dict[str, Any]) -> None:
        numbers = {}
        for name, value in values.items():
            if value is None:
                continue
            bare = name.removeprefix(SECOND)
            if name in RULES or name in PLAIN_RULES:
                self._add(name, self.struct, name, _rule(self.spec, name), value)
            elif name in ROWS:
                self._add(name, getattr(self.struct, name), "data", row_rule(self.spec, bare), value)
            elif name in SCALES:
                kv, field = SCALES[name]
                self._add(name, getattr(self.struct, kv), field, scale_rule(self.spec, bare), value)
            elif name in HOST_SCALES:
                kv, field = HOST_SCALES[name]
                fill(getattr(self.struct, kv), {field: value})
            else:
                numbers[name] = value
        fill(self.struct, numbers)
        self._fill_bias(numbers)
        self._fill_lists(numbers)
        self._fill_weights(numbers)
        self._fill_counts(numbers)
        self._check_heads()

    def place(self, address: Any) -> None:
        """Writes all addresses, as ``address(view)`` tells them."""
        for struct, field, array in self._pointers:
            setattr(struct, field, address(array))

    def _add(self, name: str, struct: Any, field: str, rule: Rule, value: Any) -> None:
        array = view(value)
        self._check(name, array, rule)
        steps = _strides(array) if rule.dim else _all_strides(array)
        for stride, number in zip(rule.strides, steps):
            setattr(struct, stride, number * rule.per)
        self.arrays[name] = array
        self._pointers = [entry for entry in self._pointers if entry[0] is not struct or entry[1] != field]
        self._pointers.append((struct, field, array))
        setattr(struct, field, address_of(array))

    def _check(self, name: str, array: View, rule: Rule) -> None:
        if not _same_type(array.dtype, rule.dtypes):
            raise ArgumentError(f"{name} has type {array.dtype}; allowed: {' '.join(rule.dtypes)}")
        if rule.ndim and len(array.shape) != rule.ndim:
            raise ArgumentError(f"{name} has shape {list(array.shape)}; it must be {rule.shape}")
        if rule.dim and (not array.shape or array.shape[-1] not in rule.extents):
            allowed = " or ".join(map(str, rule.extents))
            raise ArgumentError(f"{name} has shape {list(array.shape)}; its last extent must be {rule.dim}, {allowed}")
        if array.shape and array.shape[-1] > 1 and array.strides[-1] != 1 and (rule.dim or not rule.strides):
            raise ArgumentError(f"{name} has strides {list(array.strides)}; the last one must be 1")
        if not rule.ndim and name not in VIEWS and _gaps(array):
            raise ArgumentError(f"{name} has strides {list(array.strides)}; it must be packed")
        if name in LISTS and len(array.shape) not in (2, 3):
            raise ArgumentError(
                f"{name} has shape {list(array.shape)}; it must be [tokens][entries] or [tokens][heads][entries]"
            )
        page = self.spec.second_page if name.startswith(SECOND) else self.spec.page_size
        if name in (*ROWS[:4], *SCALES) and page and rule.ndim and array.shape[1] != page:
            raise ArgumentError(f"{name} has pages of {array.shape[1]} tokens; the spec says {page}")
        if array.on_host and not self.simulated:
            raise ArgumentError(f"{name} is in the host's memory; it must be on the device")

    def _fill_bias(self, given: dict) -> None:
        """Strides of a bias by its shape: [heads][extent], or [tokens][heads][extent]."""
        array = self.arrays.get("bias")
        if array is None:
            return
        found = {"bias_head_stride": _strides(array)[-2] if len(array.shape) > 1 else 0}
        if self.spec.bias != c.FI_BIAS_DENSE:
            found["bias_extent"] = array.shape[-1]
        if len(array.shape) == 3:
            found["bias_token_stride"] = _strides(array)[0]
        fill(self.struct, {field: number for field, number in found.items() if field not in given})

    def _fill_lists(self, given: dict) -> None:
        """Strides of lists by their shape: [tokens][entries], or [tokens][heads][entries]."""
        array = self.arrays.get("lists" if self.spec.op == c.FI_OP_INDEXER else "selected")
        if array is None:
            return
        strides = _strides(array)
        found = {"selected_token_stride": strides[0], "selected_head_stride": strides[1] if len(strides) > 1 else 0}
        fill(self.struct, {field: number for field, number in found.items() if field not in given})

    def _fill_weights(self, given: dict) -> None:
        array = self.arrays.get("weights")
        if array is not None and len(array.shape) == 2 and "weight_stride" not in given:
            fill(self.struct, {"weight_stride": _strides(array)[0]})

    def _fill_counts(self, given: dict) -> None:
        """What launches without a plan take from shapes."""
        found = {}
        if "parts_o" in self.arrays and len(self.arrays["parts_o"].shape) == 4:
            found = dict(zip(("parts", "tokens", "heads"), self.arrays["parts_o"].shape))
        if "slots" in self.arrays and "k_new" in self.arrays:
            found = {"tokens": math.prod(self.arrays["slots"].shape), "heads": self.arrays["k_new"].shape[1]}
        fill(self.struct, {field: number for field, number in found.items() if field not in given})

    def _check_heads(self) -> None:
        q, k, o = (self.arrays.get(name) for name in ("q", "k", "o"))
        if q and k and q.shape[1] != k.shape[-2] * self.spec.group:
            raise ArgumentError(
                f"q has {q.shape[1]} heads and k {k.shape[-2]}; the group of the spec is {self.spec.group}"
            )
        for name in ("v", "second_k", "second_v"):
            other = self.arrays.get(name)
            if k and other and other.shape[-2] != k.shape[-2]:
                raise ArgumentError(f"{name} has {other.shape[-2]} KV heads and k {k.shape[-2]}; they must be equal")
        if q and o and q.shape[:2] != o.shape[:2]:
            raise ArgumentError(f"q has shape {list(q.shape)} and o {list(o.shape)}; tokens and heads must be equal")
        if q:
            self._check_lists(q)

    def _check_lists(self, q: View) -> None:
        """There are lists and weights of every query token."""
        for name in LISTS:
            lists = self.arrays.get(name)
            if lists and lists.shape[0] < q.shape[0]:
                raise ArgumentError(
                    f"{name} has shape {list(lists.shape)}; it must have the {q.shape[0]} tokens of q at least"
                )
        weights = self.arrays.get("weights")
        if weights and weights.shape != q.shape[:2]:
            raise ArgumentError(
                f"weights has shape {list(weights.shape)}; it must be [tokens][query heads], {list(q.shape[:2])}"
            )


def _gaps(array: View) -> bool:
    step = 1
    for extent, stride in zip(reversed(array.shape), reversed(array.strides)):
        if extent > 1 and stride != step:
            return True
        step *= extent
    return False


def _strides(array: View) -> list[int]:
    """All but the last one's."""
    return _steps(array, array.shape[:-1], array.strides[:-1], array.shape[-1])


def _all_strides(array: View) -> list[int]:
    return _steps(array, array.shape, array.strides, 1)


def _steps(array: View, shape: tuple[int, ...], strides: tuple[int, ...], step: int) -> list[int]:
    """That of an extent of 1 does not matter, and is what it would be if it came after all that is inside of it."""
    found: list[int] = []
    for extent, stride in zip(reversed(shape), reversed(strides)):
        if extent > 1 and stride == 0:
            raise ArgumentError(f"strides are {list(array.strides)}: one array for all is not possible")
        used = stride if extent > 1 else step
        found.insert(0, used)
        step = max(step, used * extent)  # extents need not be in the order of their strides
    return found
