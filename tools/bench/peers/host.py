"""Cases on the host's memory, for the simulator: outputs are checked, nothing is timed; needs nothing but Python."""

from __future__ import annotations

import math
import random
import struct
from array import array
from bisect import bisect
from copy import copy
from itertools import accumulate
from operator import mul

from case import SOFTCAP, THETA, Case, Tensors

ALLOWED = {"bf16": 6e-3, "f16": 1e-3}
# What e4m3 has from 0 up: 7 is 2^-6 of 8ths below 1, then each 8 numbers have twice the step.
E4M3 = [math.ldexp(code if code < 8 else 8 + code % 8, max(code // 8, 1) - 10) for code in range(127)]
HALVES = [(low + high) / 2 for low, high in zip(E4M3, E4M3[1:])]


def bits_of(dtype: str, value: float) -> int:
    if dtype == "e4m3":
        code = bisect(HALVES, abs(value))
        code -= code % 2 and HALVES[code - 1] == abs(value)  # of two that are as near the even one
        return code | (0x80 if value < 0 else 0)
    if dtype == "f16":
        return struct.unpack("<H", struct.pack("<e", value))[0]
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def number_of(dtype: str, bits: int) -> float:
    if dtype == "e4m3":
        return -E4M3[bits & 0x7F] if bits & 0x80 else E4M3[bits]
    if dtype == "f16":
        return struct.unpack("<e", struct.pack("<H", bits))[0]
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


class Array:
    """Rows of elements of 8 or 16 bits, as numpy would have them."""

    def __init__(self, shape: tuple[int, ...], dtype: str, draw=None) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.pitch = self.shape[-1]  # elements from a row to the next
        code, nan = ("B", 0x7F) if dtype == "e4m3" else ("H", 0x7FFF)
        self.bits = array(code, (bits_of(dtype, draw()) if draw else nan for _ in range(math.prod(shape))))

    def first(self, dim: int) -> Array:
        """A view of the first elements of each row."""
        view = copy(self)
        view.shape = (*self.shape[:-1], dim)
        return view

    @property
    def __array_interface__(self) -> dict:
        data = (self.bits.buffer_info()[0], False)
        size = self.bits.itemsize
        strides = tuple(accumulate((self.pitch, *self.shape[-2:0:-1]), mul, initial=size))[::-1]
        return {"data": data, "shape": self.shape, "strides": strides, "typestr": f"<u{size}", "version": 3}

    def _place(self, index: tuple[int, ...]) -> int:
        """Of the first element of the last extent, at an index of all others."""
        place = 0
        for i, extent in zip(index, self.shape):
            place = place * extent + i
        return place * self.pitch

    def row(self, *index: int) -> list[float]:
        place = self._place(index)
        return [number_of(self.dtype, bits) for bits in self.bits[place : place + self.shape[-1]]]

    def set_row(self, values: list[float], *index: int) -> None:
        place = self._place(index)
        for d, value in enumerate(values):
            self.bits[place + d] = bits_of(self.dtype, value)


def cache_row(case: Case, tensors: Tensors, cache: Array, request: int, token: int, head: int) -> list[float]:
    if not case.is_paged:
        return cache.row(tensors.kv_indptr[request] + token, head)
    page = case.axes["page_size"]
    return cache.row(tensors.page_table[request, token // page], token % page, head)


def seen(case: Case, place: int, kv: int) -> range:
    """KV tokens that the query token at a place sees."""
    left = case.axes["window_left"]
    return range(max(0, place - left + 1) if left else 0, place + 1 if case.is_causal else kv)


def rotate(row: list[float], place: int) -> list[float]:
    """Of the first half of the dims each with one of the second."""
    half = len(row) // 2
    angles = [place * THETA ** (-d / half) for d in range(half)]
    turns = [(math.cos(angle), math.sin(angle)) for angle in angles]
    pairs = list(zip(row[:half], row[half:], turns))
    return [a * c - b * s for a, b, (c, s) in pairs] + [b * c + a * s for a, b, (c, s) in pairs]


def attend(case: Case, tensors: Tensors, request: int, i: int, head: int) -> list[float]:
    """One row of O, in doubles."""
    q_len, kv = case.requests[request]
    query = tensors.q.row(tensors.q_indptr[request] + i, head)
    if case.rotates:
        query = rotate(query, kv - q_len + i)
    tokens = seen(case, kv - q_len + i, kv)
    kv_head = head // case.axes["group"]
    scores = []
    for t in tokens:
        key = cache_row(case, tensors, tensors.k, request, t, kv_head)
        if case.rotates_keys:
            key = rotate(key, t)
        score = sum(a * b for a, b in zip(query, key)) / math.sqrt(len(query))
        scores.append(SOFTCAP * math.tanh(score / SOFTCAP) if case.axes["softcap"] else score)
    most = max(scores)
    total = sum(math.exp(score - most) for score in scores)
    if tensors.sinks is not None:
        total += math.exp(tensors.sinks[head] - most)
    o = [0.0] * case.axes["v_dim"]
    for t, score in zip(tokens, scores):
        value = cache_row(case, tensors, tensors.v, request, t, kv_head)
        weight = math.exp(score - most) / total
        o = [a + weight * b for a, b in zip(o, value)]
    return o


class HostDevice:
    simulated = True

    def tensors(self, case: Case, seed: int) -> list[Tensors]:
        draw = random.Random(seed)
        axes, requests = case.axes, case.requests
        gauss = lambda: draw.gauss(0, 1)  # noqa: E731
        starts = [sum(kv for _, kv in requests[:r]) for r in range(len(requests) + 1)]
        table = None
        if case.is_paged:
            own = [case.own_pages(r) for r in range(len(requests))]
            order = draw.sample(range(sum(own)), sum(own))
            most, rows = max(case.pages(kv) for _, kv in requests), []
            for pages, (owner, tokens) in zip(own, case.borrowed):
                first = rows[owner][: tokens // axes["page_size"]] if tokens else []
                row = first + [order.pop() for _ in range(pages)]
                rows.append(row + [0] * (most - len(row)))
            table = memoryview(array("i", sum(rows, []))).cast("B").cast("i", (len(rows), most))
            cache = (sum(own), axes["page_size"], case.heads)
        else:
            cache = (starts[-1], case.heads)
        q = Array((case.tokens, case.query_heads, axes["head_dim"]), axes["q_dtype"], gauss)
        k = Array((*cache, axes["head_dim"]), axes["kv_dtype"], gauss)
        v = Array((*cache, axes["v_dim"]), axes["v_dtype"], gauss) if case.has_own_v else k.first(axes["v_dim"])
        return [
            Tensors(
                q=q,
                k=k,
                v=v,
                kv_len=array("i", (kv for _, kv in requests)),
                q_indptr=array("i", (sum(q for q, _ in requests[:r]) for r in range(len(requests) + 1))),
                kv_indptr=None if case.is_paged else array("i", starts),
                page_table=table,
                sinks=array("f", (gauss() for _ in range(case.query_heads))) if axes["sinks"] else None,
            )
        ]

    def error(self, case: Case, tensors: Tensors, o: Array) -> tuple[float, float]:
        """Of the first and the last query token of each request, in two heads."""
        difference = norm = 0.0
        for request, (q_len, _) in enumerate(case.requests):
            for i in {0, q_len - 1}:
                for head in {0, case.query_heads - 1}:
                    right = attend(case, tensors, request, i, head)
                    got = o.row(tensors.q_indptr[request] + i, head)
                    difference += sum((a - b) ** 2 for a, b in zip(got, right))
                    norm += sum(b * b for b in right)
        kind = "bf16" if "bf16" in (case.axes["q_dtype"], case.axes["kv_dtype"]) else "f16"
        return math.sqrt(difference / norm), ALLOWED[kind]

    def products(self) -> float:
        return 0

    def synchronize(self) -> None:
        pass

    def release(self) -> None:
        pass
