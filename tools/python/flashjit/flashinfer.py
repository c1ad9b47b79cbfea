"""The part of FlashInfer's interface that engines and its tests call for paged and ragged attention, by flashjit.

Wrappers for decode, prefill and both, merge_state and its kin, append_paged_kv_cache and its helpers. What changes
results and is not known raises UnsupportedError. ``install()`` puts it into sys.modules as flashinfer; opt in, once a
process.

LSE is to base 2, [tokens][heads]. window_left counts tokens to the left without the token itself. Workspace buffers of
the caller are not used. In a captured graph each run plans, on the device: a replay reads the lengths of its time.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

import torch

from .errors import ArgumentError, UnsupportedError
from .plans import DTYPES, Plan, Plans, is_capturing, tile_rows

PLANS = Plans()
LAYOUTS = ("NHD", "HND")

# Arguments that make FlashInfer faster, or tell what is known from others: they change no result.
HARMLESS = (
    "block_tables", "disable_split_kv", "global_override_indptr_cpu", "max_sequence_kv", "max_token_per_sequence",
    "seq_lens", "seq_lens_q",
)  # fmt: skip


def _refuse(where: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and value is not False:
            raise UnsupportedError(f"flashjit.flashinfer: {where} with {name}={value!r} is not supported")


def _refuse_others(where: str, others: dict[str, Any]) -> None:
    _refuse(where, **{name: value for name, value in others.items() if name not in HARMLESS})


def _check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise ArgumentError(f"kv_layout is {layout!r}; allowed: {', '.join(LAYOUTS)}")


def _dtype(dtype: Any) -> str:
    name = dtype if isinstance(dtype, str) else str(dtype)
    name = name if name.startswith("torch.") else f"torch.{name}"
    if name not in DTYPES:
        raise UnsupportedError(f"flashjit.flashinfer: type {dtype} is not supported; allowed: {', '.join(DTYPES)}")
    return DTYPES[name]


def _pair(cache: Any, layout: str) -> list[torch.Tensor]:
    """K and V as [pages][page_size][heads][dim], of one tensor [pages][2]... or two."""
    both = cache if isinstance(cache, (tuple, list)) else (cache[:, 0], cache[:, 1])
    return [part.transpose(1, 2) if layout == "HND" else part for part in both]


class _Wrapper:
    """A batch by the last plan(), and its kernels: with and without LSE and sinks."""

    def __init__(self, float_workspace_buffer: torch.Tensor, kv_layout: str = "NHD") -> None:
        _check_layout(kv_layout)
        self.device = float_workspace_buffer.device
        self._kv_layout = kv_layout
        self._axes: dict[str, Any] | None = None
        self._plans: dict[tuple, Plan] = {}

    def _int32(self, array: torch.Tensor, buffer: torch.Tensor | None = None) -> torch.Tensor:
        """On the device, in the buffer of a graph if there is one."""
        if buffer is None:
            return array.to(self.device, torch.int32).contiguous()
        buffer[: array.numel()].copy_(array)
        return buffer[: array.numel()]

    def _set(self, q_heads: int, kv_heads: int, dims: tuple, types_: tuple, axes: dict, **options: Any) -> None:
        group, rest = divmod(q_heads, kv_heads)
        if rest:
            raise ArgumentError(f"num_qo_heads is {q_heads}; it must be a multiple of num_kv_heads, {kv_heads}")
        q_type, kv_type, o_type = types_
        self._kv_heads, self._group = kv_heads, group
        self._sm_scale, self._logits_soft_cap = options["sm_scale"], options["logits_soft_cap"] or 0.0
        self._axes = {
            "head_dim": dims[0],
            "v_dim": dims[1] or dims[0],
            "group": group,
            "index": "csr",
            "q_dtype": _dtype(q_type),
            "kv_dtype": _dtype(kv_type if kv_type is not None else q_type),
            **axes,
        }
        if o_type is not None and o_type != q_type:
            self._axes["o_dtype"] = "f32" if str(o_type) in ("torch.float32", "float32") else _dtype(o_type)
        if options["window_left"] is not None and options["window_left"] >= 0:
            self._axes["window_left"] = options["window_left"] + 1
        if self._logits_soft_cap > 0:
            self._axes["softcap"] = 1
        self._plans.clear()

    def _check_window(self, window_left: int | None) -> None:
        planned = (self._axes or {}).get("window_left", 0) - 1
        if window_left is not None and window_left != planned:
            _refuse(f"run() after plan() with window_left={planned}", window_left=window_left)

    def _plan_for(self, q: torch.Tensor, axes: dict[str, Any]) -> Plan:
        if self._axes is None:
            raise ArgumentError("run() before plan()")
        per_request = -(-q.shape[0] // max(self._requests, 1))
        rows = tile_rows(max(self._most_queries or per_request, 1) * self._group)
        kernel = PLANS.kernel(**self._axes, **axes, rows=rows)
        bounds = {"max_requests": self._requests, "max_tokens": q.shape[0], "max_kv_len": self._most_kv}
        bounds["kv_heads"] = self._kv_heads
        key = (kernel, q.shape[0])
        if is_capturing():
            return PLANS.plan(kernel, bounds, self._batch)
        if key not in self._plans:
            self._plans[key] = PLANS.plan(kernel, bounds, self._batch)
        return self._plans[key]

    def _run(self, q: torch.Tensor, k: Any, v: Any, options: dict[str, Any]) -> Any:
        sinks, lse = options.get("sinks"), options.get("lse")
        return_lse = options.get("return_lse", False)
        axes = {**({"lse": 2} if return_lse else {}), **({"sinks": 1} if sinks is not None else {})}
        plan = self._plan_for(q, axes)
        scale = self._sm_scale if self._sm_scale is not None else self._axes["head_dim"] ** -0.5
        for name in ("q_scale", "k_scale"):
            scale *= _number(name, options.get(name))
        numbers = {"softmax_scale": scale, "softcap": self._logits_soft_cap or None, "o": options.get("out")}
        numbers["o_scale"] = _number("v_scale", options.get("v_scale"))
        if return_lse:
            numbers["lse"] = lse = q.new_empty(q.shape[:2], dtype=torch.float32) if lse is None else lse
        if sinks is not None:
            numbers["sinks"] = sinks.float().contiguous()
        out = plan.run(q=q, k=k, v=v, **numbers)
        return (out, lse) if return_lse else out


def _number(name: str, scale: Any) -> float:
    if scale is None:
        return 1.0
    if torch.is_tensor(scale) and scale.numel() != 1:
        raise UnsupportedError(f"flashjit.flashinfer: {name} of shape {list(scale.shape)} is not supported")
    return float(scale)


class _Paged(_Wrapper):
    def _set_pages(self, indptr: Any, indices: Any, last: Any, page_size: int, buffers: tuple) -> None:
        self._requests = indptr.numel() - 1
        pages = int((indptr[1:] - indptr[:-1]).max()) if indptr.device.type == "cpu" else indices.numel()
        if buffers[1] is not None:  # a graph is replayed with other lengths
            pages = buffers[1].numel()
        self._most_kv = max(pages, 1) * page_size
        names = ("kv_indptr", "page_table", "last_page_len")
        arrays = zip(names, (indptr, indices, last), buffers)
        self._batch = {name: self._int32(array, buffer) for name, array, buffer in arrays}


class BatchDecodeWithPagedKVCacheWrapper(_Paged):
    """One query token a request."""

    def __init__(
        self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, use_tensor_cores=False,
        paged_kv_indptr_buffer=None, paged_kv_indices_buffer=None, paged_kv_last_page_len_buffer=None,
        backend="auto", jit_args=None,
    ) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        _refuse("decode", jit_args=jit_args)
        self._buffers = (paged_kv_indptr_buffer, paged_kv_indices_buffer, paged_kv_last_page_len_buffer)

    def plan(
        self, indptr, indices, last_page_len, num_qo_heads, num_kv_heads, head_dim, page_size,
        pos_encoding_mode="NONE", window_left=-1, logits_soft_cap=None, q_data_type="float16", kv_data_type=None,
        o_data_type=None, data_type=None, sm_scale=None, rope_scale=None, rope_theta=None, non_blocking=True,
        **others,
    ) -> None:  # fmt: skip
        _refuse_others("decode", others)
        _refuse("decode", pos_encoding_mode=None if pos_encoding_mode == "NONE" else pos_encoding_mode)
        types_ = (q_data_type or data_type, kv_data_type or data_type, o_data_type)
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        self._set(num_qo_heads, num_kv_heads, (head_dim, None), types_, {"page_size": page_size}, **options)
        self._most_queries = 1
        self._set_pages(indptr, indices, last_page_len, page_size, self._buffers)

    def run(self, q, paged_kv_cache, *, q_scale=None, k_scale=None, v_scale=None, out=None, lse=None,
            return_lse=False, enable_pdl=None, window_left=None, sinks=None, **others) -> Any:  # fmt: skip
        """q [tokens][heads][dim]."""
        _refuse_others("run()", others)
        self._check_window(window_left)
        options = {"q_scale": q_scale, "k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse}
        k, v = _pair(paged_kv_cache, self._kv_layout)
        return self._run(q, k, v, {**options, "return_lse": return_lse, "sinks": sinks})

    def run_return_lse(self, q: torch.Tensor, paged_kv_cache: Any, **options: Any) -> Any:
        return self.run(q, paged_kv_cache, return_lse=True, **options)

    begin_forward = plan
    forward_return_lse = run_return_lse


class CUDAGraphBatchDecodeWithPagedKVCacheWrapper(BatchDecodeWithPagedKVCacheWrapper):
    def __init__(self, workspace_buffer, indptr_buffer, indices_buffer, last_page_len_buffer, kv_layout="NHD",
                 use_tensor_cores=False) -> None:  # fmt: skip
        buffers = (indptr_buffer, indices_buffer, last_page_len_buffer)
        super().__init__(workspace_buffer, kv_layout, True, use_tensor_cores, *buffers)


class BatchPrefillWithPagedKVCacheWrapper(_Paged):
    """Any number of query tokens a request; they are the last of its KV."""

    def __init__(
        self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, qo_indptr_buf=None,
        paged_kv_indptr_buf=None, paged_kv_indices_buf=None, paged_kv_last_page_len_buf=None, custom_mask_buf=None,
        mask_indptr_buf=None, backend="auto", jit_args=None, jit_kwargs=None,
    ) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        _refuse("prefill", custom_mask_buf=custom_mask_buf, jit_args=jit_args)
        self._buffers = (paged_kv_indptr_buf, paged_kv_indices_buf, paged_kv_last_page_len_buf)
        self._q_buffer = qo_indptr_buf

    def plan(
        self, qo_indptr, paged_kv_indptr, paged_kv_indices, paged_kv_last_page_len, num_qo_heads, num_kv_heads,
        head_dim_qk, page_size, head_dim_vo=None, custom_mask=None, packed_custom_mask=None, causal=False,
        pos_encoding_mode="NONE", use_fp16_qk_reduction=False, sm_scale=None, window_left=-1, logits_soft_cap=None,
        rope_scale=None, rope_theta=None, q_data_type="float16", kv_data_type=None, o_data_type=None,
        non_blocking=True, **others,
    ) -> None:  # fmt: skip
        _refuse_others("prefill", others)
        _refuse("prefill", custom_mask=custom_mask, packed_custom_mask=packed_custom_mask,
                pos_encoding_mode=None if pos_encoding_mode == "NONE" else pos_encoding_mode)  # fmt: skip
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        axes = {"page_size": page_size, "mask": "causal" if causal else "none"}
        types_ = (q_data_type, kv_data_type, o_data_type)
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), types_, axes, **options)
        self._most_queries = None
        self._set_pages(paged_kv_indptr, paged_kv_indices, paged_kv_last_page_len, page_size, self._buffers)
        self._batch["q_indptr"] = self._int32(qo_indptr, self._q_buffer)

    run = BatchDecodeWithPagedKVCacheWrapper.run
    run_return_lse = BatchDecodeWithPagedKVCacheWrapper.run_return_lse
    begin_forward = plan
    forward_return_lse = run_return_lse


class BatchAttention(_Paged):
    """Prefill and decode in one batch, whose lengths are given in tokens; run() returns the LSE too."""

    def __init__(self, kv_layout: str = "NHD", device: str = "cuda") -> None:
        super().__init__(torch.empty(0, device=device), kv_layout)

    def plan(
        self, qo_indptr, kv_indptr, kv_indices, kv_len_arr, num_qo_heads, num_kv_heads, head_dim_qk, head_dim_vo,
        page_size, causal=False, sm_scale=None, logits_soft_cap=None, q_data_type="bfloat16",
        kv_data_type="bfloat16", use_profiler=False,
    ) -> None:  # fmt: skip
        _refuse("BatchAttention", use_profiler=use_profiler)
        options = {"window_left": None, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        axes = {"page_size": page_size, "mask": "causal" if causal else "none"}
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), (q_data_type, kv_data_type, None), axes,
                  **options)  # fmt: skip
        self._most_queries = None
        self._set_pages(kv_indptr, kv_indices, kv_len_arr, page_size, (None, None, None))
        self._batch["kv_len"] = self._batch.pop("last_page_len")
        self._batch["q_indptr"] = self._int32(qo_indptr)

    def run(self, q, kv_cache, out=None, lse=None, k_scale=None, v_scale=None, logits_soft_cap=None,
            profiler_buffer=None) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        _refuse("run()", profiler_buffer=profiler_buffer)
        if logits_soft_cap is not None and logits_soft_cap != self._logits_soft_cap:
            _refuse(f"run() after plan() with {self._logits_soft_cap}", logits_soft_cap=logits_soft_cap)
        options = {"k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse, "return_lse": True}
        return self._run(q, *_pair(kv_cache, self._kv_layout), options)


class BatchPrefillWithRaggedKVCacheWrapper(_Wrapper):
    """K and V as [tokens][heads][dim], one request after the other."""

    def __init__(self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, qo_indptr_buf=None,
                 kv_indptr_buf=None, custom_mask_buf=None, mask_indptr_buf=None, backend="auto", jit_args=None,
                 jit_kwargs=None) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        _refuse("ragged prefill", custom_mask_buf=custom_mask_buf, jit_args=jit_args, qo_indptr_buf=qo_indptr_buf)

    def plan(
        self, qo_indptr, kv_indptr, num_qo_heads, num_kv_heads, head_dim_qk, head_dim_vo=None, custom_mask=None,
        packed_custom_mask=None, causal=False, pos_encoding_mode="NONE", use_fp16_qk_reduction=False,
        window_left=-1, logits_soft_cap=None, sm_scale=None, rope_scale=None, rope_theta=None,
        q_data_type="float16", kv_data_type=None, o_data_type=None, non_blocking=True, **others,
    ) -> None:  # fmt: skip
        _refuse_others("ragged prefill", others)
        _refuse("ragged prefill", custom_mask=custom_mask, packed_custom_mask=packed_custom_mask,
                pos_encoding_mode=None if pos_encoding_mode == "NONE" else pos_encoding_mode)  # fmt: skip
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        types_ = (q_data_type, kv_data_type, o_data_type)
        mask = {"mask": "causal" if causal else "none"}
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), types_, mask, **options)
        self._requests, self._most_queries = qo_indptr.numel() - 1, None
        on_host = kv_indptr.device.type == "cpu"
        self._most_kv = max(int((kv_indptr[1:] - kv_indptr[:-1]).max()), 1) if on_host else None
        self._batch = {"q_indptr": self._int32(qo_indptr), "kv_indptr": self._int32(kv_indptr)}

    def run(self, q, k, v, *, q_scale=None, k_scale=None, v_scale=None, out=None, lse=None, return_lse=False,
            enable_pdl=None, **others) -> Any:  # fmt: skip
        options = {"q_scale": q_scale, "k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse}
        _refuse_others("run()", others)
        if self._axes is not None and self._most_kv is None:
            self._most_kv = k.shape[0]
        return self._run(q, k, v, {**options, "return_lse": return_lse})

    def run_return_lse(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> Any:
        return self.run(q, k, v, return_lse=True, **options)

    begin_forward = plan
    forward_return_lse = run_return_lse


# ----------------------------------------------------------------------------------------------- states and pages


def merge_states(v: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """v [tokens][states][heads][dim], s [tokens][states][heads], f32 to base 2: those of all states together."""
    parts, lses = v.transpose(0, 1).contiguous(), s.float().transpose(0, 1).contiguous()
    merge = PLANS.kernel(op="merge", head_dim=v.shape[-1], q_dtype=_dtype(v.dtype), lse=2)
    o, lse = v.new_empty(parts.shape[1:]), lses.new_empty(lses.shape[1:])
    merge.run(parts_o=parts, parts_lse=lses, o=o, lse=lse)
    return o, lse


def merge_state(v_a: Any, s_a: Any, v_b: Any, s_b: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """v [tokens][heads][dim], s [tokens][heads]: of two states."""
    return merge_states(torch.stack([v_a, v_b], dim=1), torch.stack([s_a, s_b], dim=1))


def merge_state_in_place(v: Any, s: Any, v_other: Any, s_other: Any, mask: torch.Tensor | None = None) -> None:
    """The other state goes into v and s, for the tokens of the mask alone, where there is one."""
    merged, lse = merge_state(v, s, v_other, s_other)
    if mask is not None:
        merged = torch.where(mask.bool()[:, None, None], merged, v)
        lse = torch.where(mask.bool()[:, None], lse, s)
    v.copy_(merged)
    s.copy_(lse)


def get_seq_lens(kv_indptr: torch.Tensor, kv_last_page_len: torch.Tensor, page_size: int) -> torch.Tensor:
    pages = kv_indptr[1:] - kv_indptr[:-1]
    return torch.where(pages > 0, (pages - 1) * page_size + kv_last_page_len, 0).to(torch.int32)


def get_batch_indices_positions(append_indptr: Any, seq_lens: Any, nnz: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each new token the request, and its position: they are the last of their requests' KV."""
    counts = (append_indptr[1:] - append_indptr[:-1]).long()
    requests = torch.arange(counts.numel(), device=counts.device)
    indices = torch.repeat_interleave(requests, counts, output_size=nnz)
    places = torch.arange(nnz, device=counts.device) - append_indptr[indices]
    positions = seq_lens[indices] - counts[indices] + places
    return indices.to(torch.int32), positions.to(torch.int32)


def append_paged_kv_cache(
    append_key: torch.Tensor,
    append_value: torch.Tensor,
    batch_indices: torch.Tensor,
    positions: torch.Tensor,
    paged_kv_cache: Any,
    kv_indices: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    kv_layout: str = "NHD",
) -> None:
    """Writes [tokens][heads][dim] of K and V to their positions."""
    _check_layout(kv_layout)
    k, v = _pair(paged_kv_cache, kv_layout)
    page_size = k.shape[1]
    entries = kv_indptr[batch_indices.long()].long() + positions.long() // page_size
    slots = kv_indices[entries].long() * page_size + positions.long() % page_size
    types_ = {"q_dtype": _dtype(append_key.dtype), "kv_dtype": _dtype(k.dtype)}
    dims = {"head_dim": k.shape[-1], "v_dim": v.shape[-1]}
    append = PLANS.kernel(op="append", page_size=page_size, slots="int64", **dims, **types_)
    append.run(k=k, v=v, k_new=append_key, v_new=append_value, slots=slots)


# --------------------------------------------------------------------------------------------------------- install

MODULES = {
    "decode": ("BatchDecodeWithPagedKVCacheWrapper", "CUDAGraphBatchDecodeWithPagedKVCacheWrapper"),
    "prefill": ("BatchPrefillWithPagedKVCacheWrapper", "BatchPrefillWithRaggedKVCacheWrapper"),
    "attention": ("BatchAttention",),
    "cascade": ("merge_state", "merge_state_in_place", "merge_states"),
    "page": ("append_paged_kv_cache", "get_batch_indices_positions", "get_seq_lens"),
}


def _module(name: str) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name, __doc__)
    module.__spec__ = ModuleSpec(name, None)  # which those ask for who look whether there is one
    return module


def install() -> types.ModuleType:
    """Makes ``import flashinfer`` find these. Refuses where a flashinfer is imported already."""
    present = sys.modules.get("flashinfer")
    if present is not None and not getattr(present, "is_flashjit", False):
        raise ImportError("flashinfer is imported already; flashjit.flashinfer.install() must come before it")
    top = _module("flashinfer")
    top.is_flashjit, top.__version__, top.__path__ = True, "0.7.2+flashjit", []
    for module_name, names in MODULES.items():
        module = _module(f"flashinfer.{module_name}")
        setattr(top, module_name, module)
        for name in names:
            setattr(module, name, globals()[name])
            setattr(top, name, globals()[name])
    return top
