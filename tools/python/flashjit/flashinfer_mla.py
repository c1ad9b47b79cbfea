"""FlashInfer's wrapper of multi-head latent attention with absorbed projections, by flashjit."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from .errors import ArgumentError
from .flashinfer_base import Paged, number, refuse, whole

BACKENDS = ("auto", "fa2", "fa3")


def is_one_row(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether the rows of the second follow those of the first in memory."""
    end = first.data_ptr() + first.shape[-1] * first.element_size()
    return first.dtype == second.dtype and second.data_ptr() == end and first.stride() == second.stride()


def joined(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Rows of both: where they are, if they are parts of one row, else a copy."""
    if second.shape[-1] == 0:
        return first
    if not is_one_row(first, second):
        return torch.cat([first, second], dim=-1)
    return first.as_strided((*first.shape[:-1], first.shape[-1] + second.shape[-1]), first.stride())


class BatchMLAPagedAttentionWrapper(Paged):
    """Queries of latent and rotated dims, [tokens][heads][dim] each, on caches [pages][page_size][dim].

    A token of the cache is one row for flashjit: ckv_cache and kpe_cache are read in place where they are slices of one
    tensor, as vLLM and SGLang have them. Two tensors of their own are copied into one in each run, which is told once.
    """

    def __init__(
        self, float_workspace_buffer, use_cuda_graph=False, qo_indptr=None, kv_indptr=None, kv_indices=None,
        kv_len_arr=None, backend="auto",
    ) -> None:  # fmt: skip
        super().__init__(float_workspace_buffer)
        if backend not in BACKENDS:
            refuse("MLA", backend=backend)
        self._buffers = (kv_indptr, kv_indices, kv_len_arr) if use_cuda_graph else (None, None, None)
        self._q_buffer = qo_indptr if use_cuda_graph else None

    @whole
    def plan(
        self, qo_indptr, kv_indptr, kv_indices, kv_len_arr, num_heads, head_dim_ckv, head_dim_kpe, page_size, causal,
        sm_scale, q_data_type, kv_data_type, use_profiler=False,
    ) -> None:  # fmt: skip
        refuse("MLA", use_profiler=use_profiler)
        options = {"window_left": None, "logits_soft_cap": None, "sm_scale": sm_scale}
        axes = {"page_size": page_size, "mask": "causal" if causal else "none", "v_source": "keys"}
        dims = (head_dim_ckv + head_dim_kpe, head_dim_ckv)
        self._set(num_heads, 1, dims, (q_data_type, kv_data_type, None), axes, **options)
        self._most_queries = None
        kv_indptr = kv_indptr[: qo_indptr.numel()]  # it may be longer
        pages = {"kv_indptr": kv_indptr, "kv_indices": kv_indices, "kv_len_arr": kv_len_arr}
        self._set_pages(page_size, self._buffers, **pages)
        self._batch["kv_len"] = self._batch.pop("last_page_len")
        self._batch["q_indptr"] = self._int32("qo_indptr", qo_indptr, self._q_buffer)

    def run(
        self, q_nope, q_pe, ckv_cache, kpe_cache, out=None, lse=None, return_lse=False, profiler_buffer=None,
        kv_len=None, page_table=None, return_lse_base_on_e=False, o_scale=None, *, ckv_scale=None,
        ckv_scale_arr=None, kpe_scale=None,
    ) -> Any:  # fmt: skip
        refuse("run()", profiler_buffer=profiler_buffer, kv_len=kv_len, page_table=page_table, o_scale=o_scale,
               ckv_scale_arr=ckv_scale_arr)  # fmt: skip
        scale = self._scale_of_cache(ckv_cache, ckv_scale, kpe_scale)
        if kpe_scale is not None and kpe_scale != scale:  # the cache has one: Q takes the difference
            q_pe = q_pe * (number("kpe_scale", kpe_scale) / scale)
        if kpe_cache.shape[-1] > 0 and not is_one_row(ckv_cache, kpe_cache):
            told = "flashjit.flashinfer: ckv_cache and kpe_cache are no slices of one tensor; each run copies them"
            warnings.warn(told, RuntimeWarning, stacklevel=2)
        options = {"out": out, "lse": lse, "return_lse": return_lse, "k_scale": scale, "v_scale": scale}
        options["lse_base"] = 1 if return_lse_base_on_e else 2
        return self._run(joined(q_nope, q_pe), joined(ckv_cache, kpe_cache).unsqueeze(2), None, options)

    def _scale_of_cache(self, cache: torch.Tensor, ckv_scale: Any, kpe_scale: Any) -> float:
        needs = cache.element_size() == 1
        for name, given in (("ckv_scale", ckv_scale), ("kpe_scale", kpe_scale)):
            if needs != (given is not None):
                has = "needs one" if needs else "has none"
                raise ArgumentError(f"{name} is {given}; a cache of {cache.dtype} {has}")
        return number("ckv_scale", ckv_scale)
