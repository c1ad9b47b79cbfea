"""The part of FlashInfer's interface that engines and its tests call for paged and ragged attention, by flashjit.

Wrappers for decode, prefill and both, for latents and blocks, cascades, merge_state and its kin, append_paged_kv_cache
and its helpers. What changes results and is not known raises UnsupportedError. ``install()`` puts it into sys.modules
as flashinfer; opt in, once a process.

LSE is to base 2, [tokens][heads]. window_left counts tokens to the left without the token itself. Workspace buffers of
the caller are not used. In a captured graph each run plans, on the device: a replay reads the lengths of its time.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

import torch

from .errors import ArgumentError
from .flashinfer_base import PLANS, Paged, Wrapper, check_layout, dtype_of, pair, refuse, refuse_others, whole
from .flashinfer_mla import BatchMLAPagedAttentionWrapper
from .flashinfer_sparse import BlockSparseAttentionWrapper, VariableBlockSparseAttentionWrapper


class BatchDecodeWithPagedKVCacheWrapper(Paged):
    """One query token a request."""

    def __init__(
        self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, use_tensor_cores=False,
        paged_kv_indptr_buffer=None, paged_kv_indices_buffer=None, paged_kv_last_page_len_buffer=None,
        backend="auto", jit_args=None,
    ) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        refuse("decode", jit_args=jit_args)
        self._buffers = (paged_kv_indptr_buffer, paged_kv_indices_buffer, paged_kv_last_page_len_buffer)

    @whole
    def plan(
        self, indptr, indices, last_page_len, num_qo_heads, num_kv_heads, head_dim, page_size,
        pos_encoding_mode="NONE", window_left=-1, logits_soft_cap=None, q_data_type="float16", kv_data_type=None,
        o_data_type=None, data_type=None, sm_scale=None, rope_scale=None, rope_theta=None, non_blocking=True,
        fixed_split_size=None, disable_split_kv=False, q_len_per_req=1, **others,
    ) -> None:  # fmt: skip
        refuse_others("decode", {**others, "q_len_per_req": None if q_len_per_req == 1 else q_len_per_req})
        types_ = (q_data_type or data_type or "float16", kv_data_type or data_type, o_data_type)
        positions = {"mode": pos_encoding_mode, "scale": rope_scale, "theta": rope_theta}
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        options["positions"] = positions
        self._set(num_qo_heads, num_kv_heads, (head_dim, None), types_, {"page_size": page_size}, **options)
        self._most_queries = 1
        pages = {"indptr": indptr, "indices": indices, "last_page_len": last_page_len}
        self._set_pages(page_size, self._buffers, **pages)
        self._set_split(fixed_split_size, disable_split_kv, page_size)

    def run(self, q, paged_kv_cache, *, q_scale=None, k_scale=None, v_scale=None, out=None, lse=None,
            return_lse=False, enable_pdl=None, window_left=None, sinks=None, **others) -> Any:  # fmt: skip
        """q [tokens][heads][dim]."""
        refuse_others("run()", others)
        self._check_window(window_left)
        options = {"q_scale": q_scale, "k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse}
        k, v = pair(paged_kv_cache, self._kv_layout)
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


def fast_decode_plan(
    self, indptr, indices, last_page_len, num_qo_heads, num_kv_heads, head_dim, page_size, pos_encoding_mode="NONE",
    window_left=-1, logits_soft_cap=None, q_data_type=None, kv_data_type=None, data_type=None, **options,
) -> None:  # fmt: skip
    """The plan() of a decode wrapper, with which engines replace that of an object."""
    shape = (num_qo_heads, num_kv_heads, head_dim, page_size)
    options.update(pos_encoding_mode=pos_encoding_mode, window_left=window_left, logits_soft_cap=logits_soft_cap)
    types_ = {"q_data_type": q_data_type, "kv_data_type": kv_data_type, "data_type": data_type}
    type(self).plan(self, indptr, indices, last_page_len, *shape, **types_, **options)


class BatchPrefillWithPagedKVCacheWrapper(Paged):
    """Any number of query tokens a request; they are the last of its KV."""

    def __init__(
        self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, qo_indptr_buf=None,
        paged_kv_indptr_buf=None, paged_kv_indices_buf=None, paged_kv_last_page_len_buf=None, custom_mask_buf=None,
        mask_indptr_buf=None, backend="auto", jit_args=None, jit_kwargs=None,
    ) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        refuse("prefill", custom_mask_buf=custom_mask_buf, jit_args=jit_args)
        self._buffers = (paged_kv_indptr_buf, paged_kv_indices_buf, paged_kv_last_page_len_buf)
        self._q_buffer = qo_indptr_buf

    @whole
    def plan(
        self, qo_indptr, paged_kv_indptr, paged_kv_indices, paged_kv_last_page_len, num_qo_heads, num_kv_heads,
        head_dim_qk, page_size, head_dim_vo=None, custom_mask=None, packed_custom_mask=None, causal=False,
        pos_encoding_mode="NONE", use_fp16_qk_reduction=False, sm_scale=None, window_left=-1, logits_soft_cap=None,
        rope_scale=None, rope_theta=None, q_data_type="float16", kv_data_type=None, o_data_type=None,
        non_blocking=True, fixed_split_size=None, disable_split_kv=False, **others,
    ) -> None:  # fmt: skip
        refuse_others("prefill", others)
        positions = {"mode": pos_encoding_mode, "scale": rope_scale, "theta": rope_theta}
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        options["positions"] = positions
        axes = {"page_size": page_size, "mask": "causal" if causal else "none"}
        types_ = (q_data_type, kv_data_type, o_data_type)
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), types_, axes, **options)
        self._most_queries = None
        pages = {"paged_kv_indptr": paged_kv_indptr, "paged_kv_indices": paged_kv_indices}
        self._set_pages(page_size, self._buffers, **pages, paged_kv_last_page_len=paged_kv_last_page_len)
        self._batch["q_indptr"] = self._int32("qo_indptr", qo_indptr, self._q_buffer)
        self._set_split(fixed_split_size, disable_split_kv, page_size)
        if custom_mask is not None or packed_custom_mask is not None:
            kv_lens = get_seq_lens(paged_kv_indptr, paged_kv_last_page_len, page_size).tolist()
            self._set_mask(qo_indptr.diff().tolist(), kv_lens, custom_mask, packed_custom_mask)

    run = BatchDecodeWithPagedKVCacheWrapper.run
    run_return_lse = BatchDecodeWithPagedKVCacheWrapper.run_return_lse
    begin_forward = plan
    forward_return_lse = run_return_lse


class BatchAttention(Paged):
    """Prefill and decode in one batch, whose lengths are given in tokens; run() returns the LSE too."""

    def __init__(self, kv_layout: str = "NHD", device: str = "cuda") -> None:
        super().__init__(torch.empty(0, device=device), kv_layout)

    @whole
    def plan(
        self, qo_indptr, kv_indptr, kv_indices, kv_len_arr, num_qo_heads, num_kv_heads, head_dim_qk, head_dim_vo,
        page_size, causal=False, sm_scale=None, logits_soft_cap=None, q_data_type="bfloat16",
        kv_data_type="bfloat16", use_profiler=False,
    ) -> None:  # fmt: skip
        refuse("BatchAttention", use_profiler=use_profiler)
        options = {"window_left": None, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        axes = {"page_size": page_size, "mask": "causal" if causal else "none"}
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), (q_data_type, kv_data_type, None), axes,
                  **options)  # fmt: skip
        self._most_queries = None
        pages = {"kv_indptr": kv_indptr, "kv_indices": kv_indices, "kv_len_arr": kv_len_arr}
        self._set_pages(page_size, (None, None, None), **pages)
        self._batch["kv_len"] = self._batch.pop("last_page_len")
        self._batch["q_indptr"] = self._int32("qo_indptr", qo_indptr)

    def run(self, q, kv_cache, out=None, lse=None, k_scale=None, v_scale=None, logits_soft_cap=None,
            profiler_buffer=None) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        refuse("run()", profiler_buffer=profiler_buffer)
        if logits_soft_cap is not None and logits_soft_cap != self._logits_soft_cap:
            refuse(f"run() after plan() with {self._logits_soft_cap}", logits_soft_cap=logits_soft_cap)
        options = {"k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse, "return_lse": True}
        return self._run(q, *pair(kv_cache, self._kv_layout), options)


class BatchPrefillWithRaggedKVCacheWrapper(Wrapper):
    """K and V as [tokens][heads][dim], one request after the other."""

    def __init__(self, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, qo_indptr_buf=None,
                 kv_indptr_buf=None, custom_mask_buf=None, mask_indptr_buf=None, backend="auto", jit_args=None,
                 jit_kwargs=None) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer, kv_layout)
        refuse("ragged prefill", custom_mask_buf=custom_mask_buf, jit_args=jit_args, qo_indptr_buf=qo_indptr_buf)

    @whole
    def plan(
        self, qo_indptr, kv_indptr, num_qo_heads, num_kv_heads, head_dim_qk, head_dim_vo=None, custom_mask=None,
        packed_custom_mask=None, causal=False, pos_encoding_mode="NONE", use_fp16_qk_reduction=False,
        window_left=-1, logits_soft_cap=None, sm_scale=None, rope_scale=None, rope_theta=None,
        q_data_type="float16", kv_data_type=None, o_data_type=None, non_blocking=True, fixed_split_size=None,
        disable_split_kv=False, **others,
    ) -> None:  # fmt: skip
        refuse_others("ragged prefill", others)
        positions = {"mode": pos_encoding_mode, "scale": rope_scale, "theta": rope_theta}
        options = {"window_left": window_left, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        options["positions"] = positions
        types_ = (q_data_type, kv_data_type, o_data_type)
        mask = {"mask": "causal" if causal else "none"}
        self._set(num_qo_heads, num_kv_heads, (head_dim_qk, head_dim_vo), types_, mask, **options)
        self._requests, self._most_queries = qo_indptr.numel() - 1, None
        has_mask = custom_mask is not None or packed_custom_mask is not None
        has_pieces = fixed_split_size is not None or disable_split_kv
        knows_lengths = kv_indptr.device.type == "cpu" or has_mask or has_pieces
        self._most_kv = max(int(kv_indptr.diff().max()), 1) if knows_lengths else None
        ends = {"q_indptr": ("qo_indptr", qo_indptr), "kv_indptr": ("kv_indptr", kv_indptr)}
        self._batch = {name: self._int32(*argument) for name, argument in ends.items()}
        self._set_split(fixed_split_size, disable_split_kv, 1)
        if has_mask:
            self._set_mask(qo_indptr.diff().tolist(), kv_indptr.diff().tolist(), custom_mask, packed_custom_mask)

    def run(self, q, k, v, *, q_scale=None, k_scale=None, v_scale=None, out=None, lse=None, return_lse=False,
            enable_pdl=None, **others) -> Any:  # fmt: skip
        options = {"q_scale": q_scale, "k_scale": k_scale, "v_scale": v_scale, "out": out, "lse": lse}
        refuse_others("run()", others)
        if self._axes is not None and self._most_kv is None:
            self._most_kv = k.shape[0]
        return self._run(q, k, v, {**options, "return_lse": return_lse})

    def run_return_lse(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> Any:
        return self.run(q, k, v, return_lse=True, **options)

    begin_forward = plan
    forward_return_lse = run_return_lse


def _by_level(levels: int, is_whole: bool, **arrays: Any) -> Any:
    """What each level has of lists that have an array for each; but where they must be whole they may be None."""
    for name, of_each in arrays.items():
        if of_each is None and not is_whole:
            continue
        if not isinstance(of_each, (list, tuple)):
            raise ArgumentError(f"{name} is {of_each!r}; it must be a list of {levels} arrays, one for each level")
        if len(of_each) != levels:
            raise ArgumentError(f"{name} is of {len(of_each)} levels; the cascade has {levels}")
        for level, array in enumerate(of_each):
            if array is None and is_whole:
                raise ArgumentError(f"{name}[{level}] is None; each level must have an array")
    return zip(*([None] * levels if of_each is None else of_each for of_each in arrays.values()))


class MultiLevelCascadeAttentionWrapper:
    """Levels of KV that more and more requests share, whose states are merged; the last is that of each request."""

    def __init__(
        self, num_levels, float_workspace_buffer, kv_layout="NHD", use_cuda_graph=False, qo_indptr_buf_arr=None,
        paged_kv_indptr_buf_arr=None, paged_kv_indices_buf_arr=None, paged_kv_last_page_len_buf_arr=None,
        backend="auto",
    ) -> None:  # fmt: skip
        if type(num_levels) is not int or num_levels < 1:  # True is no number of levels
            raise ArgumentError(f"num_levels is {num_levels!r}; it must be a whole number from 1 on")
        buffers = _by_level(
            num_levels, False, qo_indptr_buf_arr=qo_indptr_buf_arr, paged_kv_indptr_buf_arr=paged_kv_indptr_buf_arr,
            paged_kv_indices_buf_arr=paged_kv_indices_buf_arr,
            paged_kv_last_page_len_buf_arr=paged_kv_last_page_len_buf_arr,
        )  # fmt: skip
        self._levels = [
            BatchPrefillWithPagedKVCacheWrapper(float_workspace_buffer, kv_layout, use_cuda_graph, *level)
            for level in buffers
        ]

    @whole
    def plan(
        self, qo_indptr_arr, paged_kv_indptr_arr, paged_kv_indices_arr, paged_kv_last_page_len_arr, num_qo_heads,
        num_kv_heads, head_dim, page_size, causal=False, **options,
    ) -> None:  # fmt: skip
        arrays = _by_level(
            len(self._levels), True, qo_indptr_arr=qo_indptr_arr, paged_kv_indptr_arr=paged_kv_indptr_arr,
            paged_kv_indices_arr=paged_kv_indices_arr, paged_kv_last_page_len_arr=paged_kv_last_page_len_arr,
        )  # fmt: skip
        plan_level = BatchPrefillWithPagedKVCacheWrapper.plan.__wrapped__
        for level, given in zip(self._levels, arrays):
            options["causal"] = causal and level is self._levels[-1]
            plan_level(level, *given, num_qo_heads, num_kv_heads, head_dim, page_size, **options)

    def run(self, q: torch.Tensor, paged_kv_cache: Any) -> torch.Tensor:
        states = [level.run(q, paged_kv_cache, return_lse=True) for level in self._levels]
        return merge_states(*(torch.stack(parts, dim=1) for parts in zip(*states)))[0]

    begin_forward = plan
    forward = run


class BatchPrefillWithSharedPrefixPagedKVCacheWrapper:
    """Requests with pages of their own after a prefix [tokens][heads][dim] that all of them share."""

    def __init__(self, float_workspace_buffer: torch.Tensor, kv_layout: str = "NHD") -> None:
        self._unique = BatchPrefillWithPagedKVCacheWrapper(float_workspace_buffer, kv_layout)
        self._shared = BatchPrefillWithRaggedKVCacheWrapper(float_workspace_buffer)
        self._kv_layout = kv_layout

    def begin_forward(
        self, qo_indptr, paged_kv_indptr, paged_kv_indices, paged_kv_last_page_len, num_qo_heads, num_kv_heads,
        head_dim, page_size,
    ) -> None:  # fmt: skip
        self._pages = (qo_indptr, paged_kv_indptr, paged_kv_indices, paged_kv_last_page_len)
        self._shape, self._page_size = (num_qo_heads, num_kv_heads, head_dim), page_size

    def forward(
        self, q, k_shared, v_shared, unique_kv_cache, causal=False, allow_fp16_qk_reduction=False, sm_scale=None,
        rope_scale=None, rope_theta=None,
    ) -> torch.Tensor:  # fmt: skip
        k, v = ((part.transpose(0, 1) if self._kv_layout == "HND" else part) for part in (k_shared, v_shared))
        options = {"sm_scale": sm_scale, "q_data_type": q.dtype, "kv_data_type": k.dtype}
        ends = (torch.tensor([0, states.shape[0]]) for states in (q, k))
        self._unique.plan(*self._pages, *self._shape, self._page_size, causal=causal, **options)
        self._shared.plan(*ends, *self._shape, **options)
        states = self._shared.run(q, k, v, return_lse=True), self._unique.run(q, unique_kv_cache, return_lse=True)
        return merge_state(*states[0], *states[1])[0]

    def end_forward(self) -> None:
        """There is nothing to give back."""


class BatchDecodeWithSharedPrefixPagedKVCacheWrapper(BatchPrefillWithSharedPrefixPagedKVCacheWrapper):
    """Likewise, of one query token a request."""

    def begin_forward(
        self, unique_kv_indptr, unique_kv_indices, unique_kv_last_page_len, num_qo_heads, num_kv_heads, head_dim,
        page_size, data_type="float16",
    ) -> None:  # fmt: skip
        pages = (unique_kv_indptr, unique_kv_indices, unique_kv_last_page_len)
        super().begin_forward(torch.arange(unique_kv_indptr.numel()), *pages, num_qo_heads, num_kv_heads, head_dim,
                              page_size)  # fmt: skip


# ----------------------------------------------------------------------------------------------- states and pages


def merge_states(v: torch.Tensor, s: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """v [tokens][states][heads][dim], s [tokens][states][heads], f32 to base 2: those of all states together."""
    parts, lses = v.transpose(0, 1).contiguous(), s.float().transpose(0, 1).contiguous()
    merge = PLANS.kernel(op="merge", head_dim=v.shape[-1], q_dtype=dtype_of(v.dtype), lse=2)
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
    check_layout(kv_layout)
    k, v = pair(paged_kv_cache, kv_layout)
    page_size = k.shape[1]
    entries = kv_indptr[batch_indices.long()].long() + positions.long() // page_size
    slots = kv_indices[entries].long() * page_size + positions.long() % page_size
    types_ = {"q_dtype": dtype_of(append_key.dtype), "kv_dtype": dtype_of(k.dtype)}
    dims = {"head_dim": k.shape[-1], "v_dim": v.shape[-1]}
    append = PLANS.kernel(op="append", page_size=page_size, slots="int64", **dims, **types_)
    append.run(k=k, v=v, k_new=append_key, v_new=append_value, slots=slots)


# --------------------------------------------------------------------------------------------------------- install

MODULES = {
    "decode": (
        "BatchDecodeWithPagedKVCacheWrapper", "CUDAGraphBatchDecodeWithPagedKVCacheWrapper", "fast_decode_plan",
    ),
    "prefill": ("BatchPrefillWithPagedKVCacheWrapper", "BatchPrefillWithRaggedKVCacheWrapper"),
    "attention": ("BatchAttention",),
    "cascade": (
        "BatchDecodeWithSharedPrefixPagedKVCacheWrapper", "BatchPrefillWithSharedPrefixPagedKVCacheWrapper",
        "MultiLevelCascadeAttentionWrapper", "merge_state", "merge_state_in_place", "merge_states",
    ),
    "mla": ("BatchMLAPagedAttentionWrapper",),
    "sparse": ("BlockSparseAttentionWrapper", "VariableBlockSparseAttentionWrapper"),
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
