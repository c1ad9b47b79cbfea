"""Shared by the tests of the Python package: numbers of bf16, arrays of the host, and attention in doubles."""

import math
import random
import struct
from array import array

import flashjit


def bf16(value):
    """The bits of the nearest bf16."""
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def number(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


class Host:
    """An array of bf16 in the host's memory, with rows of dim elements, as numpy would have it."""

    def __init__(self, shape, seed=None):
        self.shape = tuple(shape)
        count = math.prod(shape)
        draw = random.Random(seed)
        fill = (lambda: bf16(draw.gauss(0, 1))) if seed is not None else (lambda: 0x7FC0)
        self.bits = array("H", (fill() for _ in range(count)))

    @property
    def __array_interface__(self):
        return {"data": (self.bits.buffer_info()[0], False), "shape": self.shape, "typestr": "<u2", "version": 3}

    def at(self, *index):
        """The number at an index."""
        place = 0
        for i, extent in zip(index, self.shape):
            place = place * extent + i
        return number(self.bits[place])


def attend(query, keys, values):
    """Softmax attention of one row, in doubles."""
    logits = [sum(a * b for a, b in zip(query, key)) / math.sqrt(len(query)) for key in keys]
    most = max(logits)
    weights = [math.exp(logit - most) for logit in logits]
    total = sum(weights)
    return [sum(w * value[d] for w, value in zip(weights, values)) / total for d in range(len(values[0]))]


class Decode:
    """Two requests, four query heads on two KV heads, pages of 4 tokens."""

    AXES = {"head_dim": 32, "group": 2, "page_size": 4}
    KV_HEADS, DIM, PAGE = 2, 32, 4
    LENGTHS = (9, 3)
    TABLE = ((5, 1, 4), (2, 0, 0))

    def __init__(self, seed=1):
        self.q = Host((2, 4, self.DIM), seed)
        self.k = Host((6, self.PAGE, self.KV_HEADS, self.DIM), seed + 1)
        self.v = Host((6, self.PAGE, self.KV_HEADS, self.DIM), seed + 2)
        self.o = Host((2, 4, self.DIM))
        self.kv_len = array("i", self.LENGTHS)
        self.page_table = memoryview(array("i", sum(self.TABLE, ()))).cast("B").cast("i", (2, 3))

    def tensors(self):
        return {"q": self.q, "k": self.k, "v": self.v, "o": self.o}

    def workspace(self, kernel):
        return kernel.workspace(max_requests=2, max_kv_len=12, kv_heads=self.KV_HEADS)

    def plan(self, kernel, workspace):
        kernel.plan(workspace, kv_len=self.kv_len, page_table=self.page_table)

    def _row(self, cache, request, token, head):
        page = self.TABLE[request][token // self.PAGE]
        return [cache.at(page, token % self.PAGE, head, d) for d in range(self.DIM)]

    def error(self):
        """The largest difference of o from what it should be."""
        worst = 0.0
        for request, length in enumerate(self.LENGTHS):
            for head in range(4):
                rows = [[self._row(c, request, t, head // 2) for t in range(length)] for c in (self.k, self.v)]
                right = attend([self.q.at(request, head, d) for d in range(self.DIM)], *rows)
                worst = max(worst, *(abs(self.o.at(request, head, d) - right[d]) for d in range(self.DIM)))
        return worst


_contexts = []


def simulated():
    """One context for all tests of a program."""
    if not _contexts:
        _contexts.append(flashjit.Context(driver="sim"))
    return _contexts[0]
