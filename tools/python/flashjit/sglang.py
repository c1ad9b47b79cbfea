"""SGLang's attention by flashjit: a backend of its registry, for SGLang 0.5.11 to 0.5.23.

The wheel's entry point in sglang.srt.plugins is ``register``; then SGLang takes ``--attention-backend flashjit``. Its
pools are read in place, by token slots or, where SGLang has pages, by pages; it writes them itself. The first layer of
each kind makes the plan of a forward, on the device, so that a CUDA graph has it in it and replays with other lengths.
Latent attention (MLA) reads a pool whose slots are a latent and its rotated dims; prompts without a prefix may come
with expanded heads. What has no kernel raises UnsupportedError: nothing falls back in silence.
"""

from __future__ import annotations

from typing import Any

import torch
from sglang.srt.layers.attention.base_attn_backend import AttentionBackend

from .errors import UnsupportedError
from .plans import DTYPES, Plan, Plans, is_capturing, tile_rows

NAME = "flashjit"
PLANS = Plans()


def register() -> None:
    """Makes ``flashjit`` a name of --attention-backend; may be called again."""
    from sglang.srt.layers.attention import attention_registry
    from sglang.srt.server_args import add_attention_backend_choices

    if NAME not in attention_registry.ATTENTION_BACKENDS:
        add_attention_backend_choices([NAME])
        attention_registry.register_attention_backend(NAME)(Backend)


class _Step:
    """What one forward's plans are made of, and the plans by kernel."""

    def __init__(self, forward_batch: Any, slots: torch.Tensor, page_size: int, max_len: int) -> None:
        self.forward_batch = forward_batch
        self.is_captured = is_capturing()
        self.max_len = max_len if self.is_captured else int(forward_batch.seq_lens_cpu.max())
        rows = slots[forward_batch.req_pool_indices, : self.max_len : page_size]
        self.batch = {
            "kv_len": forward_batch.seq_lens.to(torch.int32),
            "page_table": (rows // page_size).to(torch.int32),
        }
        if not forward_batch.forward_mode.is_decode():
            ends = forward_batch.extend_seq_lens.cumsum(0)
            self.batch["q_indptr"] = torch.nn.functional.pad(ends, (1, 0)).to(torch.int32)
        self.plans: dict[Any, Plan] = {}

    def most_queries(self) -> int:
        """Query tokens of a request."""
        if self.forward_batch.forward_mode.is_decode():
            return 1
        return max(self.forward_batch.extend_seq_lens_cpu)

    def plan(self, kernel: Any, tokens: int, kv_heads: int) -> Plan:
        if kernel not in self.plans:
            self.plans[kernel] = self._new_plan(kernel, tokens, kv_heads, self.max_len, self.batch)
        return self.plans[kernel]

    def plan_of_new(self, kernel: Any, tokens: int, kv_heads: int) -> Plan:
        """Of new tokens alone, which see each other. A replay's prompts may be longer than those of its capture."""
        if kernel not in self.plans:
            most = self.max_len if self.is_captured else self.most_queries()
            batch = {"q_indptr": self.batch["q_indptr"], "kv_indptr": self.batch["q_indptr"]}
            self.plans[kernel] = self._new_plan(kernel, tokens, kv_heads, most, batch)
        return self.plans[kernel]

    def _new_plan(self, kernel: Any, tokens: int, kv_heads: int, max_kv_len: int, batch: dict[str, Any]) -> Plan:
        requests = self.batch["kv_len"].shape[0]
        bounds = {"max_requests": requests, "max_tokens": tokens, "max_kv_len": max_kv_len, "kv_heads": kv_heads}
        return PLANS.plan(kernel, bounds, batch)


def _refuse(layer: Any, forward_batch: Any, others: dict[str, Any]) -> None:
    given = {
        "cross attention": layer.is_cross_attention,
        "spec_info": forward_batch.spec_info is not None,
        "attn_type encoder_only": str(getattr(layer.attn_type, "value", layer.attn_type)) == "encoder_only",
        **{name: value is not None for name, value in others.items()},
    }
    for name, is_given in given.items():
        if is_given:
            raise UnsupportedError(f"flashjit.sglang: {name} is not supported")


class Backend(AttentionBackend):
    """Of one model runner."""

    def __init__(self, runner: Any) -> None:
        super().__init__()
        if getattr(runner, "is_hybrid_swa", False):
            raise UnsupportedError("flashjit.sglang: is_hybrid_swa of the model runner is set; it is not supported")
        self.has_latents = bool(getattr(runner, "use_mla_backend", False))
        self.slots = runner.req_to_token_pool.req_to_token
        self.page_size = runner.page_size
        self.max_len = min(runner.model_config.context_len, self.slots.shape[1])
        self.step: _Step | None = None

    # ------------------------------------------------------------------------------------------- forwards and graphs

    def init_forward_metadata(self, forward_batch: Any) -> None:
        self.step = None

    def init_forward_metadata_out_graph(self, forward_batch: Any, in_capture: bool = False) -> None:
        self.step = None

    def init_forward_metadata_in_graph(self, *arguments: Any, **named: Any) -> None:
        self.step = None

    def init_forward_metadata_capture_cuda_graph(self, *arguments: Any, **named: Any) -> None:
        self.step = None

    def init_forward_metadata_replay_cuda_graph(self, *arguments: Any, **named: Any) -> None:
        """The graph makes its plans anew."""

    def init_cuda_graph_state(self, max_bs: int, max_num_tokens: int) -> None:
        """There is none: what a graph needs it keeps."""

    def get_cuda_graph_seq_len_fill_value(self) -> int:
        return 1

    def support_triton(self) -> bool:
        return True

    # -------------------------------------------------------------------------------------------------------- layers

    def forward_decode(
        self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, save_kv_cache: bool = True, **others: Any
    ) -> torch.Tensor:
        return self._attend(q, k, v, layer, forward_batch, save_kv_cache, **others)

    def forward_extend(
        self, q: Any, k: Any, v: Any, layer: Any, forward_batch: Any, save_kv_cache: bool = True, **others: Any
    ) -> torch.Tensor:
        return self._attend(q, k, v, layer, forward_batch, save_kv_cache, **others)

    def _step_of(self, forward_batch: Any) -> _Step:
        step = self.step
        if step is None or step.forward_batch is not forward_batch or step.is_captured != is_capturing():
            self.step = _Step(forward_batch, self.slots, self.page_size, self.max_len)
        return self.step

    def _paged(self, buffer: torch.Tensor) -> torch.Tensor:
        """[slots][KV heads][dim] as pages."""
        return buffer.unflatten(0, (-1, self.page_size))

    def _axes(self, layer: Any, step: _Step, q: torch.Tensor, k: torch.Tensor, sinks: Any) -> dict[str, Any]:
        group = layer.tp_q_head_num // layer.tp_k_head_num
        axes = {
            "head_dim": layer.qk_head_dim,
            "v_dim": layer.v_head_dim,
            "group": group,
            "rows": tile_rows(step.most_queries() * group),
            "q_dtype": DTYPES[str(q.dtype)],
            "kv_dtype": DTYPES[str(k.dtype)],
        }
        window = layer.sliding_window_size  # without the query token itself; None or -1: all
        if window is not None and window >= 0:
            axes["window_left"] = window + 1
        if layer.logit_cap:
            axes["softcap"] = 1
        if sinks is not None:
            axes["sinks"] = 1
        return axes

    def _attend(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        layer: Any,
        forward_batch: Any,
        save_kv_cache: bool,
        sinks: torch.Tensor | None = None,
        q_rope: torch.Tensor | None = None,
        k_rope: torch.Tensor | None = None,
        **others: Any,
    ) -> torch.Tensor:
        """q [tokens][heads x dim], or of latents that without its rotated dims, which are q_rope; returns
        [tokens][heads x v_dim]."""
        _refuse(layer, forward_batch, others)
        pool = forward_batch.token_to_kv_pool
        if save_kv_cache and k is not None:
            _save(pool, layer, forward_batch.out_cache_loc, k, v, k_rope)
        step = self._step_of(forward_batch)
        rows = _rows_of(q, q_rope, layer)
        numbers = {"softmax_scale": layer.scaling, "softcap": layer.logit_cap or None}
        if sinks is not None:
            numbers["sinks"] = sinks.detach().float().contiguous()
        heads, cached = layer.tp_k_head_num, pool.get_key_buffer(layer.layer_id)
        if self.has_latents and cached.shape[-1] != layer.qk_head_dim:
            _check_prefix(layer, forward_batch, cached.shape[-1])
            keys, values = (new.view(-1, heads, dim) for new, dim in ((k, layer.qk_head_dim), (v, layer.v_head_dim)))
            axes = {**self._axes(layer, step, rows, keys, sinks), "index": "csr"}
            plan = step.plan_of_new(PLANS.kernel(**axes), rows.shape[0], heads)
        else:
            keys = self._paged(cached)
            values = None if self.has_latents else self._paged(pool.get_value_buffer(layer.layer_id))
            axes = {**self._axes(layer, step, rows, keys, sinks), "page_size": self.page_size}
            if self.has_latents:
                axes["v_source"] = "keys"
            plan = step.plan(PLANS.kernel(**axes), rows.shape[0], heads)
        return plan.run(q=rows, k=keys, v=values, **numbers).flatten(1)


def _check_prefix(layer: Any, forward_batch: Any, cached_dim: int) -> None:
    """Of expanded heads the pool has nothing: those of a prefix are not there."""
    if forward_batch.forward_mode.is_decode() or any(forward_batch.extend_prefix_lens_cpu):
        raise UnsupportedError(
            f"flashjit.sglang: layer {layer.layer_id} has {layer.tp_k_head_num} expanded KV heads of "
            f"{layer.qk_head_dim} dims on a cached prefix, of which the pool has {cached_dim} dims; it is not supported"
        )


def _save(pool: Any, layer: Any, slots: torch.Tensor, k: torch.Tensor, v: Any, k_rope: Any) -> None:
    if k_rope is None:
        pool.set_kv_buffer(layer, slots, k, v)
    else:
        pool.set_mla_kv_buffer(layer, slots, k, k_rope)


def _rows_of(q: torch.Tensor, q_rope: torch.Tensor | None, layer: Any) -> torch.Tensor:
    if q_rope is None:
        return q.reshape(-1, layer.tp_q_head_num, layer.qk_head_dim)
    heads = (-1, layer.tp_q_head_num)
    return torch.cat([q.reshape(*heads, layer.v_head_dim), q_rope.reshape(*heads, q_rope.shape[-1])], dim=-1)
