"""FlashInfer's wrappers of block-sparse attention, by flashjit: each row of blocks is a request of its own, and the
blocks of KV that it sees are the pages of its page table."""

from __future__ import annotations

from typing import Any

import torch

from .errors import ArgumentError
from .flashinfer_base import Wrapper, packed_rows, refuse, unpacked, whole

BACKENDS = ("auto", "fa2", "fa3")


class _Blocks(Wrapper):
    def __init__(self, float_workspace_buffer: torch.Tensor, backend: str = "auto") -> None:
        super().__init__(float_workspace_buffer)
        if backend not in BACKENDS:
            refuse("block-sparse attention", backend=backend)

    def _set_rows(self, q_indptr: torch.Tensor, kv_indptr: torch.Tensor, pages: torch.Tensor, page_size: int) -> None:
        self._requests = q_indptr.numel() - 1
        self._most_queries = int(q_indptr.diff().max())
        self._most_kv = max(int(kv_indptr.diff().max()), 1) * page_size
        self._batch = {
            "q_indptr": self._int32("q_indptr", q_indptr),
            "kv_indptr": self._int32("indptr", kv_indptr),
            "page_table": self._int32("indices", pages),
            "kv_len": self._int32("kv_len", kv_indptr.diff() * page_size),
        }


class BlockSparseAttentionWrapper(_Blocks):
    """A mask of M x N tokens in blocks of R x C, in BSR form; q [M][heads][dim], k and v [N][heads][dim]."""

    @whole
    def plan(
        self, indptr, indices, M, N, R, C, num_qo_heads, num_kv_heads, head_dim, mask=None, packed_mask=None,
        causal=False, pos_encoding_mode="NONE", use_fp16_qk_reduction=False, logits_soft_cap=None, sm_scale=None,
        rope_scale=None, rope_theta=None, q_data_type="float16", kv_data_type=None, o_data_type=None,
        non_blocking=True, block_mask=None,
    ) -> None:  # fmt: skip
        refuse("block-sparse attention", causal=causal, block_mask=block_mask,
               pos_encoding_mode=None if pos_encoding_mode == "NONE" else pos_encoding_mode)  # fmt: skip
        if N % C:
            raise ArgumentError(f"N is {N}; it must be a multiple of C, {C}")
        q_indptr = torch.arange(-(-M // R) + 1, dtype=torch.int32).mul(R).clamp(max=M)
        if indptr.numel() != q_indptr.numel():
            must = f"with M {M} and R {R} it must have {q_indptr.numel()}"
            raise ArgumentError(f"indptr has {indptr.numel()} elements; {must}")
        options = {"window_left": None, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        axes = {"page_size": C, "mask": "none"}
        self._set(num_qo_heads, num_kv_heads, (head_dim, None), (q_data_type, kv_data_type, None), axes, **options)
        self._page_size = C
        self._set_rows(q_indptr, indptr, indices, C)
        if mask is not None or packed_mask is not None:
            counts = [R * C * n for n in indptr.diff().tolist()]
            bits = mask.reshape(-1, R, C).bool().cpu() if mask is not None else None
            self._set_inner(q_indptr, indptr, bits, packed_mask, counts, (R, C))

    def _set_inner(self, q_indptr: Any, indptr: Any, blocks: Any, packed: Any, counts: list, shape: tuple) -> None:
        """Masks inside blocks, [blocks][R][C], or as FlashInfer packs them: of each row of blocks [R][its KV]."""
        rows = torch.zeros(shape[0] * (q_indptr.numel() - 1), self._most_kv, dtype=torch.bool)
        parts = unpacked(packed, counts).split(counts) if blocks is None else blocks.split(indptr.diff().tolist())
        for number, part in enumerate(parts):
            row = part.view(shape[0], -1) if blocks is None else part.transpose(0, 1).flatten(1)
            rows[number * shape[0] : (number + 1) * shape[0], : row.shape[1]] = row
        q_lens = q_indptr.diff().tolist()
        self._set_bits(packed_rows(rows[: sum(q_lens)]), q_lens)

    def run(self, q, k, v, scale_q=None, scale_k=None, scale_v=None, out=None, lse=None, return_lse=False,
            enable_pdl=None) -> Any:  # fmt: skip
        options = {"q_scale": scale_q, "k_scale": scale_k, "v_scale": scale_v, "out": out, "lse": lse}
        pages = [states.unflatten(0, (-1, self._page_size)) for states in (k, v)]
        return self._run(q, *pages, {**options, "return_lse": return_lse})

    def run_return_lse(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> Any:
        return self.run(q, k, v, return_lse=True, **options)

    begin_forward = plan
    forward = run


class VariableBlockSparseAttentionWrapper(_Blocks):
    """Blocks of any sizes and a mask of them for each KV head; q, k and v are [heads][tokens][dim]."""

    @whole
    def plan(
        self, block_mask_map, block_row_sz, block_col_sz, num_qo_heads, num_kv_heads, head_dim, causal=False,
        pos_encoding_mode="NONE", use_fp16_qk_reduction=False, logits_soft_cap=None, sm_scale=None, rope_scale=None,
        rope_theta=None, non_blocking=True, q_data_type="float16", kv_data_type=None,
    ) -> None:  # fmt: skip
        refuse("variable block-sparse attention", causal=causal,
               pos_encoding_mode=None if pos_encoding_mode == "NONE" else pos_encoding_mode)  # fmt: skip
        options = {"window_left": None, "logits_soft_cap": logits_soft_cap, "sm_scale": sm_scale}
        axes = {"page_size": 1, "mask": "none"}
        group = num_qo_heads // num_kv_heads
        self._set(group, 1, (head_dim, None), (q_data_type, kv_data_type, None), axes, **options)
        rows, columns = block_row_sz.to(self.device).long(), block_col_sz.to(self.device).long()
        seen = block_mask_map.to(self.device).bool()
        zero = rows.new_zeros(1)
        q_indptr = torch.cat([zero, rows.flatten().cumsum(0)])
        kv_indptr = torch.cat([zero, (seen * columns[:, None]).sum(-1).flatten().cumsum(0)])
        tokens = columns.sum(1)
        place = columns.cumsum(1) - columns + (tokens.cumsum(0) - tokens)[:, None]  # of a block's first token
        head, _, column = seen.nonzero(as_tuple=True)
        lengths = columns[head, column]
        begins = lengths.cumsum(0) - lengths
        first = torch.repeat_interleave(place[head, column] - begins, lengths)
        self._set_rows(q_indptr, kv_indptr, first + torch.arange(first.numel(), device=self.device), 1)
        self._shape = (num_kv_heads, group)

    def run(self, q, k, v, out=None, lse=None, return_lse=False, enable_pdl=None) -> Any:  # fmt: skip
        heads, group = self._shape
        rows = q.unflatten(0, (heads, group)).transpose(1, 2).reshape(-1, group, q.shape[-1])
        pages = [states.reshape(-1, 1, 1, states.shape[-1]) for states in (k, v)]
        found = self._run(rows, *pages, {"return_lse": return_lse})
        o, states = found if return_lse else (found, None)
        o = o.view(heads, -1, group, o.shape[-1]).transpose(1, 2).flatten(0, 1)
        o = o.contiguous() if out is None else out.copy_(o)
        if not return_lse:
            return o
        states = states.view(heads, -1, group).transpose(1, 2).flatten(0, 1)
        return o, states.contiguous() if lse is None else lse.copy_(states)

    def run_return_lse(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> Any:
        return self.run(q, k, v, return_lse=True, **options)

    begin_forward = plan
    forward = run
