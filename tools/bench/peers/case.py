"""A case as plug-ins see it, and the tensors that all of them are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Axes of which there are inputs here, each with its values; of others the default, 0 or the first name, alone.
GIVEN = {
    "head_dim", "v_dim", "group", "rows", "q_dtype", "kv_dtype", "v_dtype", "o_dtype", "page_size", "index", "mask",
    "window_left", "softcap", "sinks", "scale_group", "family", "rope", "rope_keys", "rope_dim", "rope_axes",
    "v_source", "prefixes",
}  # fmt: skip
DTYPES = {"q_dtype": ("bf16", "f16"), "kv_dtype": ("bf16", "f16", "e4m3"), "o_dtype": ("bf16", "f16")}
SOFTCAP = 50.0
THETA = 500000.0  # of rotation


class Absent(Exception):
    """A peer that cannot be used here; the text says what is missing."""


@dataclass
class Case:
    """``axes`` has a value for each axis: a number, or the name of a value ("bf16")."""

    text: str
    spec: str
    heads: int  # of KV
    requests: list[tuple[int, int]]  # query tokens, and tokens of KV with these
    borrowed: list[tuple[int, int]]  # of each: a request, and how many first tokens lie in whole pages of that one
    shares: bool  # whether requests have tokens of KV in common
    axes: dict[str, Any]

    def lacks(self) -> str:
        """What of the case there are no inputs for; "" when there are all."""
        if self.shares and not self.is_paged:
            return "requests share KV without pages"
        for name, value in self.axes.items():
            if name not in GIVEN and value not in (0, "attention", "none", "kv_offset", "int32", "own", "sum"):
                return f"{name} is {value}"
        for name, dtypes in DTYPES.items():
            if self.axes[name] not in dtypes:
                return f"{name} is {self.axes[name]}"
        if self.axes["v_dtype"] != self.axes["kv_dtype"]:
            return f"v_dtype is {self.axes['v_dtype']}"
        if self.rotates and (self.axes["rope"], self.axes["rope_dim"]) != ("half", self.axes["head_dim"]):
            return f"rope is {self.axes['rope']} of {self.axes['rope_dim']} dims"
        if self.is_paged == (self.axes["index"] == "csr"):
            return "pages are one list" if self.is_paged else "the cache is contiguous"
        return ""

    @property
    def query_heads(self) -> int:
        return self.heads * self.axes["group"]

    @property
    def tokens(self) -> int:
        return sum(q for q, _ in self.requests)

    @property
    def most_q(self) -> int:
        return max(q for q, _ in self.requests)

    @property
    def most_kv(self) -> int:
        return max(kv for _, kv in self.requests)

    @property
    def is_decode(self) -> bool:
        return self.most_q == 1

    @property
    def is_paged(self) -> bool:
        return self.axes["page_size"] > 0

    @property
    def has_own_v(self) -> bool:
        return self.axes["v_source"] == "own"

    @property
    def is_causal(self) -> bool:
        return self.axes["mask"] == "causal"

    @property
    def rotates(self) -> bool:
        """Q, by where its tokens are."""
        return self.axes["rope"] != "none"

    @property
    def rotates_keys(self) -> bool:
        return self.rotates and self.axes["rope_keys"] == "unrotated"

    @property
    def is_even(self) -> bool:
        """Whether all requests are alike."""
        return len(set(self.requests)) == 1

    def pages(self, kv: int) -> int:
        return -(-kv // self.axes["page_size"])

    def own_pages(self, request: int) -> int:
        """The last ones of a request; those before them are another's."""
        return self.pages(self.requests[request][1]) - self.borrowed[request][1] // self.axes["page_size"]

    @property
    def own_tokens(self) -> int:
        """Of KV of all requests, each counted once."""
        return sum(kv for _, kv in self.requests) - sum(tokens for _, tokens in self.borrowed)

    def refuses(self, *axes: str) -> str:
        """Why a peer that knows none of these axes cannot run the case; "" when it can. Of kv_dtype 8 bits."""
        plain = (0, "none", "bf16", "f16")
        return next((f"{name} is {self.axes[name]}" for name in axes if self.axes[name] not in plain), "")


@dataclass
class Tensors:
    """Arrays on the device. Only ``o`` of a state is written."""

    q: Any  # [tokens][query heads][head_dim]
    k: Any  # [pages][page_size][KV heads][head_dim]; without pages [tokens][KV heads][head_dim]
    v: Any  # likewise, of v_dim; where K has V, the first v_dim of each row of it
    kv_len: Any  # [requests] int32
    q_indptr: Any  # [requests + 1] int32
    kv_indptr: Any  # [requests + 1] int32, first token, without pages; else None
    page_table: Any  # [requests][pages of the longest] int32, or None
    sinks: Any = None  # [query heads] f32


def read_case(member: dict) -> Case:
    requests, borrowed = ([(a, b) for a, b in member[name]] for name in ("requests", "borrowed"))
    return Case(member["text"], member["spec"], member["heads"], requests, borrowed, member["shares"], member["axes"])
