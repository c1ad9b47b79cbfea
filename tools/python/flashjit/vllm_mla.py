"""vLLM's latent attention (MLA) by flashjit, for vLLM 0.24: decode steps, of which vLLM joins the projections.

vLLM has one name for backends of others, CUSTOM; with ``VLLM_PLUGINS=flashjit_mla`` it is this one. Prompts go by the
prefill backend that vLLM chooses. It writes the cache, [blocks][block size][latent and rotated dims], of 16 bits or
e4m3, which is read in place. Once a step all layers get one plan, on the device, in memory that is never moved, so that
CUDA graphs may hold it. What has no kernel raises UnsupportedError. There is no LSE for decode context parallelism,
which vLLM then refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from vllm.model_executor.layers.attention.mla_attention import (
    MLACommonBackend,
    MLACommonDecodeMetadata,
    MLACommonImpl,
    MLACommonMetadata,
    MLACommonMetadataBuilder,
    QueryLenSupport,
)
from vllm.v1.attention.backend import AttentionCGSupport, MultipleOf

from .errors import UnsupportedError
from .kernel import Kernel, Workspace
from .plans import DTYPES, tile_rows
from .vllm import CACHE_DTYPES, PLANS, SCALED_DTYPES, Workspaces


class Backend(MLACommonBackend):
    """What vLLM asks before it takes a backend."""

    supported_dtypes = [torch.float16, torch.bfloat16]
    supported_kv_cache_dtypes = ["auto", "float16", "bfloat16", "fp8", "fp8_e4m3"]

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

    @classmethod
    def supports_compute_capability(cls, capability: Any) -> bool:
        return capability >= (8, 0)


@dataclass
class DecodeMetadata(MLACommonDecodeMetadata):
    kernel: Kernel
    workspace: Workspace


class Builder(MLACommonMetadataBuilder):
    """Of the layers that share a page table: requests whose query tokens count as decode, of any lengths."""

    _cudagraph_support = AttentionCGSupport.UNIFORM_BATCH
    query_len_support = QueryLenSupport.VARLEN

    def __init__(self, kv_cache_spec: Any, layer_names: list[str], vllm_config: Any, device: Any) -> None:
        super().__init__(kv_cache_spec, layer_names, vllm_config, device, MLACommonMetadata)
        impl = vllm_config.compilation_config.static_forward_context[layer_names[0]].impl
        dtype, dims = DTYPES[str(vllm_config.model_config.dtype)], self.mla_dims
        self.axes = {
            "head_dim": dims.kv_lora_rank + dims.qk_rope_head_dim,
            "v_dim": dims.kv_lora_rank,
            "v_source": "keys",
            "group": self.num_heads,
            "page_size": kv_cache_spec.block_size,
            "q_dtype": dtype,
            "kv_dtype": CACHE_DTYPES.get(impl.kv_cache_dtype, dtype),
        }
        self.workspaces = Workspaces(vllm_config)

    def _build_decode(
        self,
        block_table_tensor: torch.Tensor,
        seq_lens_device: torch.Tensor,
        query_start_loc_cpu: torch.Tensor,
        query_start_loc_device: torch.Tensor,
        dcp_tot_seq_lens_device: torch.Tensor | None = None,
        **others: Any,
    ) -> DecodeMetadata:
        most = int(query_start_loc_cpu.diff().max())
        kernel = PLANS.kernel(**self.axes, rows=tile_rows(most * self.num_heads))
        workspace = self.workspaces.of(kernel, 1)
        arrays = {"q_indptr": query_start_loc_device, "kv_len": seq_lens_device, "page_table": block_table_tensor}
        kernel.plan(workspace, **arrays)
        return DecodeMetadata(block_table_tensor, seq_lens_device, dcp_tot_seq_lens_device, kernel, workspace)


class Impl(MLACommonImpl):
    """One layer, of which vLLM makes queries in the latent's dims and O's projection."""

    def __init__(
        self,
        num_heads: int,
        head_size: int,
        scale: float,
        num_kv_heads: int,
        alibi_slopes: list[float] | None,
        sliding_window: int | None,
        kv_cache_dtype: str,
        logits_soft_cap: float | None,
        attn_type: str,
        kv_sharing_target_layer_name: str | None,
        **latents: Any,
    ) -> None:
        given = {"alibi_slopes": alibi_slopes, "sliding_window": sliding_window, "logits_soft_cap": logits_soft_cap}
        for name, value in given.items():
            if value:
                raise UnsupportedError(f"flashjit.vllm_mla: {name} is {value}; it is not supported")
        if attn_type != "decoder":
            raise UnsupportedError(f"flashjit.vllm_mla: attn_type is {attn_type!r}; allowed: 'decoder'")
        super().__init__(
            num_heads, head_size, scale, num_kv_heads, alibi_slopes, sliding_window, kv_cache_dtype, logits_soft_cap,
            attn_type, kv_sharing_target_layer_name, **latents,
        )  # fmt: skip
        self.supports_quant_query_input = False  # Q stays in 16 bits beside a cache of e4m3

    def forward_mqa(
        self, q: Any, kv_c_and_k_pe_cache: torch.Tensor, attn_metadata: Any, layer: Any
    ) -> tuple[torch.Tensor, None]:
        """q [tokens][heads][latent and rotated dims], or both apart; returns [tokens][heads][latent]."""
        rows = torch.cat(q, dim=-1) if isinstance(q, tuple) else q
        step = attn_metadata.decode
        scale = layer._k_scale_float if self.kv_cache_dtype in SCALED_DTYPES else 1.0
        o = rows.new_empty(*rows.shape[:2], self.kv_lora_rank)
        numbers = {"softmax_scale": float(self.scale) * scale, "o_scale": scale}
        step.kernel.run(step.workspace, q=rows, k=kv_c_and_k_pe_cache.unsqueeze(2), o=o, **numbers)
        return o, None
