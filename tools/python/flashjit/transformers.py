"""The attention of Hugging Face's transformers by flashjit.

    flashjit.transformers.register()
    model.set_attn_implementation("flashjit")

"flashjit" and "paged|flashjit" (continuous batching) are registered, and the same as "jit", for models such as gpt-oss
that take another implementation for any name with "flash" in it. What has no kernel raises UnsupportedError: nothing
falls back in silence, and ``flashjit.default_context().runs`` counts launches.

No mask is made: the mask function keeps what a forward knows of its lengths, and the plans that are made of them; the
attention function gets it as its attention_mask.
"""

from __future__ import annotations

from typing import Any

import torch

from .context import Context
from .errors import UnsupportedError
from .plans import DTYPES, Plan, Plans, capture_of, tile_rows

NAMES = ("flashjit", "jit")

# Of transformers.masking_utils: the masks that kernels know. Others are compositions of these, or have no kernel.
KNOWN_MASKS = ("causal_mask_function", "bidirectional_mask_function", "sliding_window_overlay", "chunked_overlay")


class Forward:
    """Lengths of one forward, and its plans by kernel and batch."""

    # As of a mask that is made already: generate makes one for a static cache, and models hand it on to make theirs.
    ndim = 4

    def __init__(self, batch_size: int, q_length: int, kv_length: int, q_offset: Any, kv_offset: Any, mask: Any = None):
        """mask: [requests][all tokens so far], False where there is none."""
        self.requests = batch_size
        self.kv_length = int(kv_length)
        self.kv_offset = int(kv_offset)  # tokens that the cache has dropped
        self.kv_end = q_offset + q_length - self.kv_offset  # tokens of keys that are filled; a static cache has more
        self.mask = mask.bool() if mask is not None and not bool(mask.all()) else None
        self.padding = self._of_keys()  # [requests][tokens of keys], or None: all are tokens
        self.has_holes = self.padding is not None and _has_holes(self.padding)
        self.batches: dict[tuple, Any] = {}
        self.plans: dict[tuple, Plan] = {}

    def _of_keys(self) -> torch.Tensor | None:
        if self.mask is None:
            return None
        kept = self.mask[:, self.kv_offset : self.kv_offset + self.kv_length]
        return torch.nn.functional.pad(kept, (0, self.kv_length - kept.shape[1]))


def _has_holes(padding: torch.Tensor) -> bool:
    """Whether a request's tokens are other than padding, tokens, padding."""
    edges = padding[:, 1:] != padding[:, :-1]
    begins = (padding[:, 1:] & edges).sum(dim=1) + padding[:, 0]
    return bool((begins > 1).any())


def make_forward(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: Any = 0,
    kv_offset: Any = 0,
    mask_function: Any = None,
    attention_mask: torch.Tensor | Forward | None = None,
    **others: Any,
) -> Forward:
    """The mask function."""
    if isinstance(attention_mask, Forward):
        return attention_mask
    _check_mask(mask_function)
    return Forward(batch_size, q_length, kv_length, q_offset, kv_offset, attention_mask)


def _check_mask(function: Any) -> None:
    """Refuses masks of more than the layer's own kind: prefixes, images, packed sequences."""
    if function is None:
        return
    name = function.__qualname__.split(".")[0]
    if name == "and_masks":
        for cell in function.__closure__ or ():
            for part in cell.cell_contents if isinstance(cell.cell_contents, tuple) else ():
                _check_mask(part)
    elif name not in KNOWN_MASKS:
        raise UnsupportedError(f"flashjit.transformers: the mask {name} is not supported; allowed: {KNOWN_MASKS}")


# ----------------------------------------------------------------------------------------------- what a layer needs


def _layer_type(module: Any) -> str:
    types = getattr(module.config, "layer_types", None)
    return types[module.layer_idx] if types else "full_attention"


def _window_of(module: Any, arguments: dict) -> int | None:
    window = arguments.get("sliding_window")
    is_sliding = _layer_type(module) == "sliding_attention"
    return window or (module.config.sliding_window if is_sliding else None)


def _chunk_of(module: Any) -> int | None:
    return module.config.attention_chunk_size if _layer_type(module) == "chunked_attention" else None


def _sinks_of(module: Any, arguments: dict) -> torch.Tensor | None:
    sinks = arguments.get("s_aux")
    return sinks if sinks is not None else getattr(module, "sinks", None)


class Needs:
    """Axes of the spec, and numbers of the launch, for what is more than plain attention."""

    def __init__(self, module: Any, softcap: float | None, arguments: dict) -> None:
        self.axes: dict[str, Any] = {"mask": "causal" if getattr(module, "is_causal", True) else "none"}
        self.numbers: dict[str, Any] = {}
        sinks = _sinks_of(module, arguments)
        for axis, value in {"window_left": _window_of(module, arguments), "chunk": _chunk_of(module)}.items():
            if value:
                self.axes[axis] = value
        if softcap:
            self.axes["softcap"], self.numbers["softcap"] = 1, softcap
        if sinks is not None:
            self.axes["sinks"], self.numbers["sinks"] = 1, sinks.detach().float().contiguous()


def _dtype(query: torch.Tensor) -> str:
    name = str(query.dtype)
    if name not in DTYPES:
        raise UnsupportedError(f"flashjit.transformers: tensors are {name}; allowed: bfloat16 and float16")
    return DTYPES[name]


# ----------------------------------------------------------------------------------------------- layouts of a batch


def _indptr(lengths: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)


class Dense:
    """Q and KV as transformers keeps them; a left-padded request is seen from its start on."""

    def __init__(self, forward: Forward, query: torch.Tensor, starts: torch.Tensor | None) -> None:
        requests, _, self.query_length, _ = query.shape
        options = {"dtype": torch.int32, "device": query.device}
        self.tokens = requests * self.query_length
        self.axes = {"kv_start": 1} if starts is not None else {}
        self.batch = {
            "q_indptr": torch.arange(requests + 1, **options) * self.query_length,
            "kv_len": torch.zeros(requests, **options) + forward.kv_end,
        }
        if starts is not None:
            self.batch["kv_start"] = starts

    def queries(self, query: torch.Tensor) -> torch.Tensor:
        return query.transpose(1, 2).contiguous().flatten(0, 1)

    def cache(self, states: torch.Tensor) -> torch.Tensor:
        return (states if states.stride(-1) == 1 else states.contiguous()).transpose(1, 2)

    def output(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.unflatten(0, (-1, self.query_length))


class Packed:
    """Ragged tensors without what is padding."""

    def __init__(self, forward: Forward, query: torch.Tensor) -> None:
        requests, _, query_length, _ = query.shape
        self.tokens = requests * query_length
        end = int(forward.kv_end)
        valid = torch.ones(requests, forward.kv_length, dtype=torch.bool, device=query.device)
        self.kv_valid = (valid if forward.padding is None else forward.padding)[:, :end]
        self.q_valid = self.kv_valid[:, end - query_length :]
        self.axes = {"index": "csr"}
        self.batch = {
            "q_indptr": _indptr(self.q_valid.sum(dim=1)),
            "kv_indptr": _indptr(self.kv_valid.sum(dim=1)),
        }

    def queries(self, query: torch.Tensor) -> torch.Tensor:
        return query.transpose(1, 2)[self.q_valid]

    def cache(self, states: torch.Tensor) -> torch.Tensor:
        return states[:, :, : self.kv_valid.shape[1]].transpose(1, 2)[self.kv_valid]

    def output(self, rows: torch.Tensor) -> torch.Tensor:
        padded = rows.new_zeros(*self.q_valid.shape, *rows.shape[1:])
        padded[self.q_valid] = rows
        return padded


def _first(padding: torch.Tensor) -> torch.Tensor:
    return padding.to(torch.int32).argmax(dim=1).to(torch.int32)


def _chunk_starts(forward: Forward, chunk: int, device: Any) -> torch.Tensor:
    """Where the chunk of the one query token begins, in what the cache has kept."""
    origin = torch.zeros(forward.requests, dtype=torch.int32, device=device)
    if forward.mask is not None:
        origin = _first(forward.mask)
    last = forward.kv_offset + forward.kv_end - 1
    begin = origin + (last - origin) // chunk * chunk
    return (begin - forward.kv_offset).clamp(min=0).to(torch.int32)


# ----------------------------------------------------------------------------------------------------- attention


class Attention:
    """The attention functions. packed: padded batches are always made ragged, not only those with holes."""

    def __init__(self, context: Context | None = None, packed: bool = False) -> None:
        self.plans = Plans(context)
        self.packed = packed
        self._step: tuple = (None, 0)  # of continuous batching: what tells one from the next
        self._step_plans: dict[tuple, Plan] = {}

    @torch.compiler.disable
    def __call__(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: Any,
        scaling: float | None = None,
        softcap: float | None = None,
        dropout: float = 0.0,
        **others: Any,
    ) -> tuple[torch.Tensor, None]:
        """query [requests][heads][tokens][dim], key and value likewise. Returns [requests][tokens][heads][dim]."""
        forward = self._forward(attention_mask, query, key, dropout)
        needs = Needs(module, softcap, others)
        batch = self._batch(forward, query, needs.axes)
        rows = batch.queries(query)
        plan = self._plan(forward, batch, query, key, value, needs.axes)
        output = plan.run(
            q=rows, k=batch.cache(key), v=batch.cache(value), softmax_scale=scaling, **needs.numbers
        )
        return batch.output(output), None

    def _forward(self, mask: Any, query: torch.Tensor, key: torch.Tensor, dropout: float) -> Forward:
        if dropout:
            raise UnsupportedError(f"flashjit.transformers: dropout is {dropout}; there is none in inference")
        if mask is None:
            length = query.shape[2]
            mask = Forward(query.shape[0], length, key.shape[2], key.shape[2] - length, 0)
        if not isinstance(mask, Forward):
            raise UnsupportedError(f"flashjit.transformers: a {type(mask).__name__} as mask is not supported")
        if key.shape[2] != mask.kv_length:
            raise UnsupportedError(f"{key.shape[2]} keys, but the mask function was told {mask.kv_length}")
        return mask

    def _batch(self, forward: Forward, query: torch.Tensor, axes: dict[str, Any]) -> Dense | Packed:
        """Chunks are counted from a request's first token, which the cache may have dropped."""
        is_cut = "chunk" in axes and forward.kv_offset > 0
        packed = forward.padding is not None and (self.packed or forward.has_holes)
        if is_cut and (packed or query.shape[2] > 1):
            raise UnsupportedError("chunks whose first token the cache has dropped, but for one query token")
        chunk = axes.pop("chunk") if is_cut else 0
        key = (packed, chunk, query.shape[2])
        if key not in forward.batches:
            starts = None
            if chunk:
                starts = _chunk_starts(forward, chunk, query.device)
            elif forward.padding is not None:
                starts = _first(forward.padding)
            forward.batches[key] = Packed(forward, query) if packed else Dense(forward, query, starts)
        return forward.batches[key]

    def _kernel(self, query: Any, key: Any, value: Any, query_tokens: int, axes: dict[str, Any]) -> Any:
        group = query.shape[1] // key.shape[1]
        return self.plans.kernel(
            head_dim=query.shape[3],
            v_dim=value.shape[3],
            group=group,
            rows=tile_rows(query_tokens * group),
            q_dtype=_dtype(query),
            **axes,
        )

    def _plan(self, forward: Forward, batch: Any, query: Any, key: Any, value: Any, axes: dict[str, Any]) -> Plan:
        kernel = self._kernel(query, key, value, query.shape[2], {**axes, **batch.axes})
        found = (kernel, batch, key.shape[1])
        if found not in forward.plans:
            bounds = {"max_requests": query.shape[0], "max_tokens": batch.tokens, "max_kv_len": key.shape[2]}
            forward.plans[found] = self.plans.plan(kernel, {**bounds, "kv_heads": key.shape[1]}, batch.batch)
        return forward.plans[found]

    # ------------------------------------------------------------------------------------------ continuous batching

    @torch.compiler.disable
    def paged(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: Any = None,
        scaling: float | None = None,
        softcap: float | None = None,
        dropout: float = 0.0,
        **others: Any,
    ) -> tuple[torch.Tensor, None]:
        """All requests in one row, [1][heads][tokens][dim], over transformers' paged cache."""
        cache = others.get("cache")
        if cache is None:
            raise UnsupportedError("paged|flashjit needs the cache of continuous batching; use flashjit elsewhere")
        needs = Needs(module, softcap, others)
        k_read, v_read, batch, axes = self._paged_cache(module, key, value, cache, others)
        plan = self._paged_plan(query, key, value, {**needs.axes, **axes}, batch, module, others)
        rows = query[0].transpose(0, 1).contiguous()
        output = plan.run(q=rows, k=k_read, v=v_read, softmax_scale=scaling, **needs.numbers)
        return output.unsqueeze(0), None

    def _paged_cache(self, module: Any, key: Any, value: Any, cache: Any, others: dict) -> tuple:
        """Writes K and V, and says where they are read: in the cache as pages of a token, or in a copy (windows)."""
        group, layer = cache.layer_index_to_group_indices[module.layer_idx]
        read, write = others["read_index"], others["write_index"]
        indptr = _of_layer(others["cu_seq_lens_k"], module)
        if cache.sliding_windows[module.layer_idx] != 1 or read[group].numel() == 0:
            keys, values = cache.update(
                key_states=key, value_states=value, layer_idx=module.layer_idx, read_index=read, write_index=write
            )
            return keys, values, {"kv_indptr": indptr}, {"index": "csr"}
        caches = (cache.key_cache[layer], cache.value_cache[layer])
        for states, stored in zip((key, value), caches):
            stored.index_copy_(0, write[group], states[0].transpose(0, 1))
        batch = {"kv_indptr": indptr, "page_table": read[group]}
        axes = {"index": "csr", "page_size": 1, "page_ids": "int64" if read[group].dtype == torch.int64 else "int32"}
        return (*(stored.unsqueeze(1) for stored in caches), batch, axes)

    def _paged_plan(self, query: Any, key: Any, value: Any, axes: dict, batch: dict, module: Any, others: dict) -> Plan:
        """One for each kind of layer and step, whose arguments are made anew in each.

        A step is run once before its capture, with the same arguments: the graph must have plans of its own.
        """
        step = (others["write_index"], capture_of(self.plans.context))
        if self._step[0] is not step[0] or self._step[1] != step[1]:
            self._step, self._step_plans = step, {}
        most_queries = int(others["max_seqlen_q"])
        kernel = self._kernel(query, key, value, most_queries, axes)
        table = batch.get("page_table")
        found = (kernel, batch["kv_indptr"].data_ptr(), None if table is None else table.data_ptr())
        if found not in self._step_plans:
            indptr = batch["kv_indptr"].to(torch.int32)
            lengths = {"kv_len": (indptr[1:] - indptr[:-1]).contiguous()} if table is not None else {}
            q_indptr = others["cu_seq_lens_q"].to(torch.int32)
            bounds = {
                "max_requests": q_indptr.numel() - 1,
                "max_tokens": query.shape[2],
                "max_kv_len": int(_of_layer(others["max_seqlen_k"], module)),
                "kv_heads": key.shape[1],
            }
            whole = {**batch, **lengths, "kv_indptr": indptr, "q_indptr": q_indptr}
            self._step_plans[found] = self.plans.plan(kernel, bounds, whole)
        return self._step_plans[found]


def _of_layer(value: Any, module: Any) -> Any:
    """What continuous batching tells for each type of layer where a model has two."""
    if not isinstance(value, dict):
        return value
    return value["sliding_attention" if getattr(module, "sliding_window", None) else "full_attention"]


# ---------------------------------------------------------------------------------------------------- registration


def register(context: Context | None = None, packed: bool = False) -> Attention:
    """Registers the names, for the default context or another. A second call replaces what the first has registered."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    attention = Attention(context, packed)
    for name in NAMES:
        AttentionInterface.register(name, attention)
        AttentionInterface.register(f"paged|{name}", attention.paged)
        AttentionMaskInterface.register(name, make_forward)
        AttentionMaskInterface.register(f"paged|{name}", lambda *args, **kwargs: None)
    _know_flash_name()
    return attention


def _know_flash_name() -> None:
    """transformers takes a name with "flash" for FlashAttention, and looks for its functions: these are ours."""
    from transformers import modeling_flash_attention_utils as utils

    original = getattr(utils, "_lazy_imports", None)
    if original is None or getattr(original, "knows_flashjit", False):
        return

    def lazy_imports(implementation: Any, *args: Any, **kwargs: Any) -> tuple:
        if implementation is None or implementation.rpartition("|")[2] != NAMES[0]:
            return original(implementation, *args, **kwargs)
        from .flash_attn import flash_attn_varlen_func

        return None, flash_attn_varlen_func, None, utils._pad_input, utils._unpad_input

    lazy_imports.knows_flashjit = True
    utils._lazy_imports = lazy_imports
