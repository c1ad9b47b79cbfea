"""What all wrappers of flashjit.flashinfer have: a batch, its plans, and the numbers of a launch."""

from __future__ import annotations

import functools
from typing import Any, Callable

import torch

from .errors import ArgumentError, UnsupportedError
from .plans import DTYPES, Plan, Plans, above, is_capturing, tile_rows
from .rope import rope_table

PLANS = Plans()
LAYOUTS = ("NHD", "HND")
INDEX_TYPES = (torch.int32, torch.int64)  # of what plan() is given; kernels read the first, and buffers have it

# Arguments that make FlashInfer faster, or tell what is known from others: they change no result.
HARMLESS = (
    "block_tables", "global_override_indptr_cpu", "max_sequence_kv", "max_token_per_sequence",
    "seq_lens", "seq_lens_q",
)  # fmt: skip


def refuse(where: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and value is not False:
            raise UnsupportedError(f"flashjit.flashinfer: {where} with {name}={value!r} is not supported")


def refuse_others(where: str, others: dict[str, Any]) -> None:
    refuse(where, **{name: value for name, value in others.items() if name not in HARMLESS})


SPLIT_MULTIPLE = 256  # that split_tokens is a multiple of


def _slopes(heads: int) -> list[float]:
    """ALiBi's, of a number of heads that may be no power of two: those of every other head of twice as many follow."""
    whole = 1 << heads.bit_length() - 1
    first = [2.0 ** (-8 * (i + 1) / whole) for i in range(whole)]
    return first + [2.0 ** (-4 * (i + 1) / whole) for i in range(0, 2 * (heads - whole), 2)]


def packed_rows(rows: torch.Tensor) -> torch.Tensor:
    """Bits of bool [rows][tokens], as int32 words, of each row its own."""
    words = torch.nn.functional.pad(rows.long(), (0, -rows.shape[1] % 32)).unflatten(1, (-1, 32))
    bits = (words << torch.arange(32, device=rows.device)).sum(-1)
    return torch.where(bits >= 1 << 31, bits - (1 << 32), bits).to(torch.int32).contiguous()


def unpacked(packed: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """The bits of requests that begin with a byte each, the lowest first, one after the other."""
    bits = (packed.cpu()[:, None].int() >> torch.arange(8) & 1).flatten().bool()
    ends = torch.tensor([-(-count // 8) * 8 for count in counts]).cumsum(0).tolist()
    return torch.cat([bits[end - -(-n // 8) * 8 :][:n] for end, n in zip(ends, counts)])


def check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ArgumentError(f"kv_layout is {layout!r}; allowed: {', '.join(LAYOUTS)}")


def dtype_of(dtype: Any) -> str:
    name = dtype if isinstance(dtype, str) else str(dtype)
    name = name if name.startswith("torch.") else f"torch.{name}"
    if name not in DTYPES:
        raise UnsupportedError(f"flashjit.flashinfer: type {dtype} is not supported; allowed: {', '.join(DTYPES)}")
    return DTYPES[name]


def check_index(name: str, array: torch.Tensor, buffer: torch.Tensor | None) -> None:
    """Whether an array of plan() is of integers, and its copy into the buffer of a graph will not fail."""
    if array.dtype not in INDEX_TYPES:
        allowed = ", ".join(map(str, INDEX_TYPES))
        raise ArgumentError(f"{name} has type {array.dtype}; allowed: {allowed}")
    if buffer is None:
        return
    if buffer.dtype != INDEX_TYPES[0]:
        raise ArgumentError(f"the buffer of {name} has type {buffer.dtype}; allowed: {INDEX_TYPES[0]}")
    for what, tensor in ((name, array), (f"the buffer of {name}", buffer)):
        if tensor.dim() != 1:
            raise ArgumentError(f"{what} has {tensor.dim()} dimensions; allowed: 1")
    if array.numel() > buffer.numel():
        allowed = f"allowed: up to the {buffer.numel()} of its buffer"
        raise ArgumentError(f"{name} has {array.numel()} elements; {allowed}")


def pair(cache: Any, layout: str) -> list[torch.Tensor]:
    """K and V as [pages][page_size][heads][dim], of one tensor [pages][2]... or two."""
    both = cache if isinstance(cache, (tuple, list)) else (cache[:, 0], cache[:, 1])
    return [part.transpose(1, 2) if layout == "HND" else part for part in both]


def whole(plan: Callable) -> Callable:
    """A plan() of which nothing stays where it is refused: run() and graphs have what was planned before. Levels are
    parts of it, so buffers of all of them are written at its end: their own plans are called by __wrapped__."""

    @functools.wraps(plan)
    def planned(self: Any, *arguments: Any, **named: Any) -> None:
        parts = [self, *getattr(self, "_levels", ())]
        before = [dict(vars(part)) for part in parts]
        writes: list[tuple[torch.Tensor, torch.Tensor]] = []
        for part in parts:
            part._writes = writes
        try:
            plan(self, *arguments, **named)
            for buffer, array in writes:
                buffer.copy_(array)
        except Exception:
            for part, members in zip(parts, before):
                vars(part).clear()
                vars(part).update(members)
            raise
        finally:  # arrays of the caller are not kept
            for part in parts:
                part._writes = []

    return planned


class Wrapper:
    """A batch by the last plan(), and its kernels: with and without LSE and sinks."""

    def __init__(self, float_workspace_buffer: torch.Tensor, kv_layout: str = "NHD") -> None:
        check_layout(kv_layout)
        self.device = float_workspace_buffer.device
        self._kv_layout = kv_layout
        self._axes: dict[str, Any] | None = None
        self._plans: dict[tuple, Plan] = {}
        self._writes: list[tuple[torch.Tensor, torch.Tensor]] = []  # to buffers, once all is known to be good

    def _int32(self, name: str, array: torch.Tensor, buffer: torch.Tensor | None = None) -> torch.Tensor:
        """An argument on the device, in the buffer of a graph if there is one."""
        check_index(name, array, buffer)
        if buffer is None:  # what has no elements has an address, too
            array = array if array.numel() else array.new_zeros(1)
            return array.to(self.device, torch.int32).contiguous()
        self._writes.append((buffer[: array.numel()], array))
        return buffer[: max(array.numel(), 1)]

    def _set(self, q_heads: int, kv_heads: int, dims: tuple, types_: tuple, axes: dict, **options: Any) -> None:
        group, rest = divmod(q_heads, kv_heads)
        if rest:
            raise ArgumentError(f"num_qo_heads is {q_heads}; it must be a multiple of num_kv_heads, {kv_heads}")
        q_type, kv_type, o_type = types_
        self._kv_heads, self._group, self._split_tokens = kv_heads, group, 0
        self._layer: dict[str, Any] = {}  # what all launches have
        self._sm_scale, self._logits_soft_cap = options["sm_scale"], options["logits_soft_cap"] or 0.0
        self._axes = {
            "head_dim": dims[0],
            "v_dim": dims[1] or dims[0],
            "group": group,
            "index": "csr",
            "q_dtype": dtype_of(q_type),
            "kv_dtype": dtype_of(kv_type if kv_type is not None else q_type),
            **axes,
        }
        if o_type is not None and o_type != q_type:
            self._axes["o_dtype"] = "f32" if str(o_type) in ("torch.float32", "float32") else dtype_of(o_type)
        if options["window_left"] is not None and options["window_left"] >= 0:
            self._axes["window_left"] = options["window_left"] + 1
        if self._logits_soft_cap > 0:
            self._axes["softcap"] = 1
        self._set_positions(q_heads, dims[0], **options.get("positions", {}))
        self._plans = {}

    def _set_positions(self, heads: int, dim: int, mode: str = "NONE", scale: Any = None, theta: Any = None) -> None:
        """Of Q and K in the kernel: none, ALiBi's slopes, or Llama's rotation, of K as it is stored.

        Here a query's distance to itself is 0. FlashInfer counts queries from the first new one, without the KV before
        it: results are the same, a row's LSE differs by a constant. It caps biased scores; kernels bias capped ones.
        """
        if mode == "ALIBI":
            refuse(f"plan() with pos_encoding_mode={mode!r}", logits_soft_cap=self._logits_soft_cap or None)
            self._axes["bias"] = "slopes"
            self._layer["slopes"] = torch.tensor(_slopes(heads), device=self.device)
        elif mode == "ROPE_LLAMA":
            self._axes.update(rope="half", rope_keys="unrotated")
            table, _ = rope_table(dim, "linear", factor=scale or 1.0, theta=theta or 1e4)
            self._layer["rope_table"] = torch.frombuffer(table, dtype=torch.int64).clone().to(self.device)
        elif mode != "NONE":
            refuse("plan()", pos_encoding_mode=mode)

    def _set_split(self, fixed_split_size: int | None, disable_split_kv: bool, page_size: int) -> None:
        """Pieces that depend on nothing else of the batch: of so many pages, or of the longest KV."""
        tokens = fixed_split_size * page_size if fixed_split_size else self._most_kv if disable_split_kv else 0
        self._split_tokens = -(-tokens // SPLIT_MULTIPLE) * SPLIT_MULTIPLE

    def _set_mask(self, q_lens: list[int], kv_lens: list[int], mask: torch.Tensor | None, packed: Any) -> None:
        """Masks of all requests one after the other, [query tokens][KV tokens] each, as bools or as bits."""
        if mask is None and packed is None:
            return
        counts = [q * kv for q, kv in zip(q_lens, kv_lens)]
        bits = mask.cpu().bool().flatten() if mask is not None else unpacked(packed, counts)
        if bits.numel() != sum(counts):
            raise ArgumentError(f"the mask has {bits.numel()} elements; query times KV tokens are {sum(counts)}")
        rows = torch.zeros(sum(q_lens), max(*kv_lens, 1), dtype=torch.bool)
        token = 0
        for part, q, kv in zip(bits.split(counts), q_lens, kv_lens):
            rows[token : token + q, :kv] = part.view(q, kv)
            token += q
        self._set_bits(packed_rows(rows), q_lens)

    def _set_bits(self, words: torch.Tensor, q_lens: list[int]) -> None:
        """[query tokens][words]: which KV each sees, whatever else there is, in rows as long as workspaces are."""
        words = torch.nn.functional.pad(words, (0, -(-above(self._most_kv) // 32) - words.shape[1]))
        begins = torch.tensor([0, *q_lens[:-1]]).cumsum(0) * words.shape[1]
        self._axes.update(mask="none", mask_bits=1)
        self._batch["mask_bits"] = words.to(self.device)
        self._batch["mask_offsets"] = begins.to(self.device)
        self._batch["mask_stride"] = words.shape[1]

    def _check_window(self, window_left: int | None) -> None:
        planned = (self._axes or {}).get("window_left", 0) - 1
        if window_left is not None and window_left != planned:
            refuse(f"run() after plan() with window_left={planned}", window_left=window_left)

    def _plan_for(self, q: torch.Tensor, axes: dict[str, Any]) -> Plan:
        if self._axes is None:
            raise ArgumentError("run() before plan()")
        per_request = -(-q.shape[0] // max(self._requests, 1))
        rows = tile_rows(max(self._most_queries or per_request, 1) * self._group)
        kernel = PLANS.kernel(**self._axes, **axes, rows=rows)
        bounds = {"max_requests": self._requests, "max_tokens": q.shape[0], "max_kv_len": self._most_kv}
        bounds.update(kv_heads=self._kv_heads, split_tokens=self._split_tokens)
        key = (kernel, q.shape[0])
        if is_capturing():
            return PLANS.plan(kernel, bounds, self._batch)
        if key not in self._plans:
            self._plans[key] = PLANS.plan(kernel, bounds, self._batch)
        return self._plans[key]

    def _run(self, q: torch.Tensor, k: Any, v: Any, options: dict[str, Any]) -> Any:
        sinks, lse = options.get("sinks"), options.get("lse")
        return_lse = options.get("return_lse", False)
        has_lse = return_lse or lse is not None
        axes = {"lse": options.get("lse_base", 2)} if has_lse else {}
        if sinks is not None:
            axes["sinks"] = 1
        plan = self._plan_for(q, axes)
        scale = self._sm_scale if self._sm_scale is not None else self._axes["head_dim"] ** -0.5
        for name in ("q_scale", "k_scale"):
            scale *= number(name, options.get(name))
        numbers = {"softmax_scale": scale, "softcap": self._logits_soft_cap or None, "o": options.get("out")}
        numbers["o_scale"] = number("v_scale", options.get("v_scale"))
        if has_lse:
            numbers["lse"] = lse = q.new_empty(q.shape[:2], dtype=torch.float32) if lse is None else lse
        if sinks is not None:
            numbers["sinks"] = sinks.float().contiguous()
        out = plan.run(q=q, k=k, v=v, **numbers, **self._layer)
        return (out, lse) if return_lse else out


def number(name: str, scale: Any) -> float:
    if scale is None:
        return 1.0
    if torch.is_tensor(scale) and scale.numel() != 1:
        raise UnsupportedError(f"flashjit.flashinfer: {name} of shape {list(scale.shape)} is not supported")
    return float(scale)


class Paged(Wrapper):
    def _set_pages(self, page_size: int, buffers: tuple, **arguments: torch.Tensor) -> None:
        """Arguments by the caller's names: indptr, indices and lengths, in this order."""
        indptr, indices, _ = arguments.values()
        self._requests = indptr.numel() - 1
        pages = int((indptr[1:] - indptr[:-1]).max()) if indptr.device.type == "cpu" else indices.numel()
        if buffers[1] is not None:  # a graph is replayed with other lengths
            pages = buffers[1].numel()
        self._most_kv = max(pages, 1) * page_size
        names = ("kv_indptr", "page_table", "last_page_len")
        arrays = zip(names, arguments.items(), buffers)
        self._batch = {name: self._int32(*argument, buffer) for name, argument, buffer in arrays}
