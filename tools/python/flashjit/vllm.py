"""vLLM's attention by flashjit: a backend of its registry, for vLLM 0.24 to 0.33.

The wheel's entry point in vllm.general_plugins is ``register``; then vLLM takes ``--attention-backend CUSTOM``. Its
cache is read and written in place: [blocks][2][block size][KV heads][dim] as up to 0.24, or [blocks][KV heads]
[block size][2 x dim], K and V in halves of a row, as from 0.26. Once a step each kind of layer gets a plan, on the
device, in memory that is never moved, so that CUDA graphs may hold it. What has no kernel raises UnsupportedError:
nothing falls back in silence. It has no LSE for vLLM's decode context parallelism, which vLLM then refuses.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from vllm.v1.attention.backend import (
    AttentionBackend,
    AttentionCGSupport,
    AttentionImpl,
    AttentionMetadataBuilder,
    MultipleOf,
)

from .errors import UnsupportedError
from .kernel import Kernel, Workspace
from .plans import DTYPES, Plans, tile_rows

PLANS = Plans()
SCALED_DTYPES = {"fp8": "e4m3", "fp8_e4m3": "e4m3", "fp8_e5m2": "e5m2"}
CACHE_DTYPES = {"float16": "f16", "bfloat16": "bf16", **SCALED_DTYPES}  # that of "auto" is the model's
CLASS_PATH = "flashjit.vllm.Backend"
MLA_PLUGIN = "flashjit_mla"


def register() -> None:
    """Makes this vLLM's backend CUSTOM; may be called again."""
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    register_backend(AttentionBackendEnum.CUSTOM, CLASS_PATH)


def register_mla() -> None:
    """Makes CUSTOM the backend for latent attention, where VLLM_PLUGINS asks for it: a model has the one or the other.
    Then vLLM does not load the entry point of ``register``, unless ``flashjit`` is listed there too: CUSTOM is that of
    the entry point which vLLM loads last, so list one of them."""
    if MLA_PLUGIN not in os.environ.get("VLLM_PLUGINS", "").split(","):
        return
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    register_backend(AttentionBackendEnum.CUSTOM, "flashjit.vllm_mla.Backend")


class Backend(AttentionBackend):
    """What vLLM asks before it takes a backend."""

    accept_output_buffer = True
    forward_includes_kv_cache_update = True
    supported_dtypes = [torch.float16, torch.bfloat16]
    supported_kv_cache_dtypes = ["auto", *CACHE_DTYPES]

    @staticmethod
    def get_name() -> str:
        return "CUSTOM"

    @staticmethod
    def get_impl_cls() -> type:
        return Impl

    @staticmethod
    def get_builder_cls() -> type:
        return Builder

    @staticmethod
    def get_supported_kernel_block_sizes() -> list:
        return [MultipleOf(16)]

    @staticmethod
    def get_kv_cache_shape(
        num_blocks: int, block_size: int, num_kv_heads: int, head_size: int, cache_dtype_str: str = "auto"
    ) -> tuple[int, ...]:
        return (num_blocks, 2, block_size, num_kv_heads, head_size)

    @classmethod
    def supports_head_size(cls, head_size: int) -> bool:
        return head_size % 8 == 0 and 32 <= head_size <= 576

    @classmethod
    def supports_sink(cls) -> bool:
        return True

    @classmethod
    def supports_non_causal(cls) -> bool:
        return True

    @classmethod
    def supports_compute_capability(cls, capability: Any) -> bool:
        return capability >= (8, 0)


class Metadata:
    """A step: its plans, by what layers of a group need, and where its tokens go."""

    def __init__(self, common: Any, plans: dict[tuple, tuple[Kernel, Workspace]]) -> None:
        self.num_actual_tokens = common.num_actual_tokens
        self.slot_mapping = common.slot_mapping
        self.plans = plans


class Workspaces:
    """Those of a builder's kernels, for all that its scheduler allows."""

    def __init__(self, vllm_config: Any) -> None:
        scheduler = vllm_config.scheduler_config
        self.bounds = {
            "max_requests": scheduler.max_num_seqs,
            "max_tokens": scheduler.max_num_batched_tokens,
            "max_kv_len": vllm_config.model_config.max_model_len,
        }
        self.made: dict[Kernel, Workspace] = {}

    def of(self, kernel: Kernel, kv_heads: int) -> Workspace:
        if kernel not in self.made:
            self.made[kernel] = kernel.workspace(kv_heads=kv_heads, **self.bounds)
        return self.made[kernel]


class Builder(AttentionMetadataBuilder):
    """Of the layers that share a page table. A batch of one query length in all requests keeps its kernel, so that a
    graph of such batches finds its plan where it was."""

    _cudagraph_support = AttentionCGSupport.UNIFORM_BATCH

    def __init__(self, kv_cache_spec: Any, layer_names: list[str], vllm_config: Any, device: Any) -> None:
        super().__init__(kv_cache_spec, layer_names, vllm_config, device)
        layers = vllm_config.compilation_config.static_forward_context
        self.kinds = {layers[name].impl.kind: layers[name].impl for name in layer_names}
        self.dtype = DTYPES[str(vllm_config.model_config.dtype)]
        self.workspaces = Workspaces(vllm_config)

    def _plan(self, impl: Impl, common: Any) -> tuple[Kernel, Workspace]:
        rows = tile_rows(common.max_query_len * impl.axes["group"])
        mask = "causal" if common.causal else "none"
        kernel = impl.kernel(self.dtype, self.kv_cache_spec.block_size, rows=rows, mask=mask)
        workspace = self.workspaces.of(kernel, impl.num_kv_heads)
        requests = common.num_reqs
        kernel.plan(
            workspace,
            q_indptr=common.query_start_loc[: requests + 1],
            kv_len=common.seq_lens[:requests],
            page_table=common.block_table_tensor[:requests],
        )
        return kernel, workspace

    def build(self, common_prefix_len: int, common_attn_metadata: Any, fast_build: bool = False) -> Metadata:
        common = common_attn_metadata
        if not isinstance(common.causal, bool):
            raise UnsupportedError("flashjit.vllm: requests differ in whether they are causal; it is not supported")
        return Metadata(common, {kind: self._plan(impl, common) for kind, impl in self.kinds.items()})


class Impl(AttentionImpl):
    """One layer: tokens are written to the cache, then attended to."""

    def __init__(
        self,
        num_heads: int,
        head_size: int,
        scale: float,
        num_kv_heads: int | None = None,
        alibi_slopes: list[float] | None = None,
        sliding_window: int | None = None,
        kv_cache_dtype: str = "auto",
        logits_soft_cap: float | None = None,
        attn_type: str = "decoder",
        kv_sharing_target_layer_name: str | None = None,
        sinks: torch.Tensor | None = None,
    ) -> None:
        if attn_type != "decoder":
            raise UnsupportedError(f"flashjit.vllm: attn_type is {attn_type!r}; allowed: 'decoder'")
        self.num_heads, self.head_size, self.scale = num_heads, head_size, float(scale)
        self.num_kv_heads = num_kv_heads or num_heads
        self.kv_cache_dtype = kv_cache_dtype
        self.kv_sharing_target_layer_name = kv_sharing_target_layer_name
        self.sinks, self.slopes = sinks, alibi_slopes
        self.softcap = logits_soft_cap or None
        self.axes: dict[str, Any] = {"head_dim": head_size, "group": num_heads // self.num_kv_heads}
        asked = {"window_left": sliding_window, "softcap": 1 if self.softcap else 0, "sinks": int(sinks is not None)}
        self.axes.update({axis: value for axis, value in asked.items() if value})
        if alibi_slopes is not None:
            self.axes["bias"] = "slopes"
        self.kind = (self.num_kv_heads, kv_cache_dtype, *sorted(self.axes.items()))
        self.plain: dict[str, Any] | None = None

    def _cache_dtype(self, dtype: str) -> str:
        return CACHE_DTYPES.get(self.kv_cache_dtype, dtype)

    def kernel(self, dtype: str, page_size: int, **more: Any) -> Kernel:
        types = {"q_dtype": dtype, "kv_dtype": self._cache_dtype(dtype)}
        return PLANS.kernel(page_size=page_size, **self.axes, **types, **more)

    def _numbers(self, device: Any) -> dict[str, Any]:
        """What all launches of attention have in common; weights are loaded when the first asks."""
        if self.plain is None:
            floats = {"dtype": torch.float32, "device": device}
            self.plain = {"softmax_scale": self.scale, "softcap": self.softcap}
            if self.sinks is not None:
                self.plain["sinks"] = self.sinks.detach().to(**floats).contiguous()
            if self.slopes is not None:
                self.plain["slopes"] = torch.tensor(self.slopes, **floats)
        return self.plain

    def _split(self, cache: torch.Tensor) -> dict[str, torch.Tensor]:
        """K and V as [blocks][block size][KV heads][dim]."""
        if cache.dim() == 5:
            return {"k": cache[:, 0], "v": cache[:, 1]}
        if cache.dim() == 4 and cache.shape[3] == 2 * self.head_size:
            rows = cache.transpose(1, 2)
            return {"k": rows[..., : self.head_size], "v": rows[..., self.head_size :]}
        raise UnsupportedError(
            f"flashjit.vllm: the cache has shape {list(cache.shape)}; allowed: [blocks][2][block size][KV heads][dim] "
            "and [blocks][KV heads][block size][2 x dim]"
        )

    def forward(
        self,
        layer: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        kv_cache: torch.Tensor,
        attn_metadata: Metadata,
        output: torch.Tensor,
        output_scale: torch.Tensor | None = None,
        output_block_scale: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """query [tokens][heads][dim], key and value likewise; output [tokens][heads][dim] or [tokens][heads x dim]."""
        if output_scale is not None or output_block_scale is not None:
            raise UnsupportedError("flashjit.vllm: outputs that are quantised are not supported")
        if attn_metadata is None:  # vLLM measures memory
            return output.fill_(0)
        tokens = attn_metadata.num_actual_tokens
        kernel, workspace = attn_metadata.plans[self.kind]
        tensors = {**self._split(kv_cache), **self._scales(layer)}
        if key is not None and self.kv_sharing_target_layer_name is None:
            self._append(kernel, tensors, key[:tokens], value[:tokens], attn_metadata.slot_mapping[:tokens])
        shape = (tokens, self.num_heads, self.head_size)
        rows = {"q": query[:tokens].view(shape), "o": output[:tokens].view(shape)}
        kernel.run(workspace, **rows, **tensors, **self._numbers(query.device))
        return output

    def _scales(self, layer: Any) -> dict[str, float]:
        if self.kv_cache_dtype not in SCALED_DTYPES:
            return {}
        return {"k_scale": layer._k_scale_float, "v_scale": layer._v_scale_float}

    def _append(self, kernel: Kernel, tensors: dict, key: Any, value: Any, slots: torch.Tensor) -> None:
        spec = kernel.spec
        axes = {"head_dim": spec.head_dim, "q_dtype": spec.q_dtype, "kv_dtype": spec.kv_dtype}
        kind = "int64" if slots.dtype == torch.int64 else "int32"
        append = PLANS.kernel(op="append", page_size=spec.page_size, slots=kind, **axes)
        append.run(k_new=key, v_new=value, slots=slots, **tensors)
