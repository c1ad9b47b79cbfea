"""The two functions of flash_attn that engines with a paged cache call, by flashjit.

They make a plan in each call, on the device, unless lengths and pages are the tensors of the call before, unchanged.

``install()`` puts a module flash_attn with them into sys.modules, for engines that import it; opt in, once a process.
"""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from typing import Any

import torch

from .arrays import current_stream
from .errors import UnsupportedError
from .plans import DTYPES, Plan, Plans, capture_of, tile_rows

PLANS = Plans()


def _refuse(**given: Any) -> None:
    """Arguments that change what is computed and are not known."""
    for name, value in given.items():
        if value:
            raise UnsupportedError(f"flashjit.flash_attn: {name} is {value!r}; it is not supported")


def _window(window_size: tuple[int, int], causal: bool) -> dict[str, int]:
    """Tokens to either side without the token itself, -1: all; the spec's windows count it."""
    left, right = window_size
    axes = {"mask": "causal" if causal else "none"}
    if left is not None and left >= 0:
        axes["window_left"] = left + 1
    if right is not None and right >= 0 and not causal:
        axes["window_right"] = right + 1
    return axes


def _axes(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, query_tokens: int, **more: Any) -> dict[str, Any]:
    group = q.shape[-2] // k.shape[-2]
    return {
        "head_dim": q.shape[-1],
        "v_dim": v.shape[-1],
        "group": group,
        "rows": tile_rows(query_tokens * group),
        "q_dtype": DTYPES[str(q.dtype)],
        "kv_dtype": DTYPES[str(k.dtype)],
        **more,
    }


class _Last:
    """The plan of the last call, and what it was made of."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.key: tuple = ()
        self.sources: list[Any] = []
        self.caches: set[int] = set()

    def is_of(self, key: tuple, sources: list[Any], cache: int | None) -> bool:
        """Whether it is of the same tensors, not written to since.

        Inference tensors do not tell whether they were written to. Then a step ends where a cache is seen again, since
        each layer has its own; without caches nothing tells. Others beside them tell as ever.
        """
        if key != self.key or len(sources) != len(self.sources):
            return False
        if any(old is not new for (old, _), new in zip(self.sources, sources)):
            return False
        is_silent = any(torch.is_tensor(source) and source.is_inference() for source in sources)
        if is_silent and (cache is None or cache in self.caches):
            return False
        return all(version == _version(source) for (_, version), source in zip(self.sources, sources))

    def set(self, plan: Plan, key: tuple, sources: list[Any]) -> None:
        self.plan, self.key, self.caches = plan, key, set()
        self.sources = [(source, _version(source)) for source in sources]


def _version(source: Any) -> int:
    return source._version if torch.is_tensor(source) and not source.is_inference() else 0


_last = _Last()


def _plan(
    axes: dict[str, Any], bounds: dict[str, int], batch: dict[str, Any], sources: list[Any], cache: int | None
) -> Plan:
    """batch: of fi_batch; sources: the caller's tensors that it was made of; cache: where K is, if it is a cache.

    A graph must hold its plans: without them a replay would use those of other lengths.
    """
    kernel = PLANS.kernel(**axes)
    key = (kernel, current_stream(), capture_of(PLANS.context), *bounds.values())
    if not _last.is_of(key, sources, cache):
        _last.set(PLANS.plan(kernel, bounds, batch), key, sources)
    if cache is not None:
        _last.caches.add(cache)
    return _last.plan


def _run(plan: Plan, q: Any, k: Any, v: Any, softcap: float, scale: float | None, out: Any, s_aux: Any) -> Any:
    numbers = {"softmax_scale": scale, "softcap": softcap or None, "o": out}
    if s_aux is not None:
        numbers["sinks"] = s_aux.detach().float().contiguous()
    return plan.run(q=q, k=k, v=v, **numbers)


def _feature_axes(softcap: float, s_aux: Any) -> dict[str, int]:
    return {**({"softcap": 1} if softcap else {}), **({"sinks": 1} if s_aux is not None else {})}


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor | None = None,
    max_seqlen_q: int = 0,
    max_seqlen_k: int = 0,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: Any = None,
    deterministic: bool = False,
    return_attn_probs: bool = False,
    block_table: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
    s_aux: torch.Tensor | None = None,
    seqused_k: torch.Tensor | None = None,
) -> torch.Tensor:
    """Ragged attention, over a paged cache with block_table.

    q [tokens][heads][dim], cu_seqlens_q int32 [requests + 1]; k, v [tokens][KV heads][dim], cu_seqlens_k likewise; or
    [blocks][block_size][KV heads][dim] and block_table int32 [requests][blocks]. window_size: tokens to the left and to
    the right, -1: all. Returns [tokens][heads][dim].
    """
    _refuse(dropout_p=dropout_p, alibi_slopes=alibi_slopes is not None, return_attn_probs=return_attn_probs)
    axes = {**_window(window_size, causal), **_feature_axes(softcap, s_aux)}
    bounds = {
        "max_requests": cu_seqlens_q.numel() - 1,
        "max_tokens": q.shape[0],
        "max_kv_len": int(max_seqlen_k),
        "kv_heads": k.shape[-2],
    }
    batch = {"q_indptr": cu_seqlens_q}
    if block_table is None:
        axes["index"] = "csr"
        batch["kv_indptr"] = cu_seqlens_k
    else:
        axes["page_size"] = k.shape[1]
        batch["page_table"] = block_table
        batch["kv_len"] = seqused_k if seqused_k is not None else (cu_seqlens_k[1:] - cu_seqlens_k[:-1]).int()
    sources = [cu_seqlens_q, cu_seqlens_k, seqused_k, block_table]
    cache = k.data_ptr() if block_table is not None else None
    plan = _plan(_axes(q, k, v, int(max_seqlen_q), **axes), bounds, batch, sources, cache)
    return _run(plan, q, k, v, softcap, softmax_scale, out, s_aux)


def flash_attn_with_kvcache(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    k: torch.Tensor | None = None,
    v: torch.Tensor | None = None,
    rotary_cos: Any = None,
    rotary_sin: Any = None,
    cache_seqlens: torch.Tensor | int | None = None,
    cache_batch_idx: Any = None,
    cache_leftpad: Any = None,
    block_table: torch.Tensor | None = None,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    rotary_interleaved: bool = True,
    alibi_slopes: Any = None,
    num_splits: int = 0,
    return_softmax_lse: bool = False,
    out: torch.Tensor | None = None,
    s_aux: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of q [requests][tokens][heads][dim] over a cache, paged with block_table, else one row a request.

    cache_seqlens int32 [requests] are the tokens of the cache; k and v, [requests][tokens][KV heads][dim], are written
    after them first. Returns [requests][tokens][heads][dim].
    """
    _refuse(
        rotary_cos=rotary_cos is not None,
        cache_batch_idx=cache_batch_idx is not None,
        cache_leftpad=cache_leftpad is not None,
        alibi_slopes=alibi_slopes is not None,
        return_softmax_lse=return_softmax_lse,
    )
    requests, tokens = q.shape[:2]
    if not torch.is_tensor(cache_seqlens):
        whole = k_cache.shape[1] if cache_seqlens is None else cache_seqlens
        cache_seqlens = torch.full((requests,), whole, dtype=torch.int32, device=q.device)
    page_size = k_cache.shape[1] if block_table is not None else 0
    rows = block_table.shape[1] * page_size if page_size else k_cache.shape[1]
    axes = {**_window(window_size, causal), **_feature_axes(softcap, s_aux), "page_size": page_size}
    bounds = {"max_requests": requests, "max_tokens": requests * tokens, "max_kv_len": rows}
    bounds["kv_heads"] = k_cache.shape[2]
    batch = {"kv_len": cache_seqlens if k is None else cache_seqlens + k.shape[1]}
    if page_size:
        batch["page_table"] = block_table
    if tokens > 1:
        batch["q_indptr"] = torch.arange(0, requests * tokens + 1, tokens, dtype=torch.int32, device=q.device)
    sources = [cache_seqlens, block_table, 0 if k is None else k.shape[1]]
    plan = _plan(_axes(q, k_cache, v_cache, tokens, **axes), bounds, batch, sources, k_cache.data_ptr())
    if k is not None:
        _append(plan, k_cache, v_cache, k, v, page_size, tokens)
    flat = out.flatten(0, 1) if out is not None else None
    found = _run(plan, q.flatten(0, 1), k_cache, v_cache, softcap, softmax_scale, flat, s_aux)
    return found.unflatten(0, (requests, tokens))


def _append(plan: Plan, k_cache: Any, v_cache: Any, k: Any, v: Any, page_size: int, tokens: int) -> None:
    if k.shape[1] != tokens:
        raise UnsupportedError(f"flashjit.flash_attn: k has {k.shape[1]} new tokens and q {tokens}; they must be equal")
    spec = plan.kernel.spec
    dtypes = {"q_dtype": spec.q_dtype, "kv_dtype": spec.kv_dtype}
    append = PLANS.kernel(op="append", head_dim=spec.head_dim, v_dim=spec.v_dim, page_size=page_size, **dtypes)
    new = {"k_new": k.flatten(0, 1), "v_new": v.flatten(0, 1)}
    plan.run_with(append, k=k_cache, v=v_cache, **new)


def install() -> types.ModuleType:
    """Makes ``import flash_attn`` find these functions. Refuses where a flash_attn is imported already."""
    present = sys.modules.get("flash_attn")
    if present is not None and not getattr(present, "is_flashjit", False):
        raise ImportError("flash_attn is imported already; flashjit.flash_attn.install() must come before it")
    module = types.ModuleType("flash_attn", __doc__)
    module.__spec__ = ModuleSpec("flash_attn", None)  # which those ask for who look whether there is one
    module.is_flashjit = True
    module.__version__ = "2.8.3+flashjit"
    module.flash_attn_varlen_func = flash_attn_varlen_func
    module.flash_attn_with_kvcache = flash_attn_with_kvcache
    sys.modules["flash_attn"] = module
    return module
