"""FlashInfer's cascade of two levels: a prefix that all requests share is read once, and what each has after it; their
states are merged. Which pages are shared it must be told, by its plan on the host, which has no time here."""

from types import SimpleNamespace

import plugin

flashinfer_peer = plugin.load("flashinfer")

import flashinfer  # noqa: E402
import torch  # noqa: E402

available = flashinfer_peer.available


def _shared(case):
    """Tokens that each of the others has of the first request, and that request itself; 0: they differ."""
    found = {(owner, tokens) for owner, tokens in case.borrowed[1:]}
    owner, tokens = found.pop() if len(found) == 1 else (0, 0)
    return tokens if owner == 0 and all(kv > tokens for _, kv in case.requests) else 0


def supports(case):
    if not case.shares or not _shared(case):
        return "not all requests share one prefix, with KV of their own after it"
    return case.refuses("rope") or flashinfer_peer.supports(case)


def prepare(case, tensors):
    page, tokens = case.axes["page_size"], _shared(case)
    first = tokens // page
    table, whole = tensors.page_table, flashinfer_peer.whole
    own = [case.pages(kv) - first for _, kv in case.requests]
    pages = torch.cat([table[r, first : first + n] for r, n in enumerate(own)])
    memory = torch.zeros(flashinfer_peer.WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
    wrapper = flashinfer.MultiLevelCascadeAttentionWrapper(2, memory, "NHD")
    wrapper.plan(
        [whole([0, case.tokens]), tensors.q_indptr],
        [whole([0, first]), whole([0, *own]).cumsum(0, dtype=torch.int32)],
        [table[0, :first].contiguous(), pages], [whole([page]), flashinfer_peer.last_page_len(case)],
        case.query_heads, case.heads, case.axes["head_dim"], page, causal=case.is_causal,
        q_data_type=tensors.q.dtype, kv_data_type=tensors.k.dtype, **flashinfer_peer.seen(case),
    )  # fmt: skip
    return SimpleNamespace(wrapper=wrapper, memory=memory, t=tensors, o=None)


def run(state):
    state.o = state.wrapper.run(state.t.q, (state.t.k, state.t.v))
