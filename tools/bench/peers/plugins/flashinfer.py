"""FlashInfer's wrapper of paged KV, with the backend that FLASHJIT_FLASHINFER_BACKEND names; else fa2 for decode and
fa3 for prompts. Its plan is made on the host and is no launch: it has no time here."""

import os
from types import SimpleNamespace

from case import SOFTCAP, Absent

try:
    import torch

    import flashinfer
except ImportError as error:
    raise Absent(f"{error.name} is missing") from None

WORKSPACE_BYTES = 256 << 20


def available():
    return flashinfer.__version__


def supports(case):
    return case.refuses("sinks") or ("" if case.is_paged else "there are no pages")


def prepare(case, tensors):
    page = case.axes["page_size"]
    counts = [case.pages(kv) for _, kv in case.requests]
    whole = dict(dtype=torch.int32, device="cuda")
    indptr = torch.tensor([0, *counts], **whole).cumsum(0, dtype=torch.int32)
    indices = torch.cat([tensors.page_table[r, :n] for r, n in enumerate(counts)])
    last = torch.tensor([(kv - 1) % page + 1 for _, kv in case.requests], **whole)
    backend = os.environ.get("FLASHJIT_FLASHINFER_BACKEND") or ("fa2" if case.is_decode else "fa3")
    memory = torch.zeros(WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
    wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(memory, "NHD", backend=backend)
    left = case.axes["window_left"]
    wrapper.plan(
        tensors.q_indptr, indptr, indices, last, case.query_heads, case.heads, case.axes["head_dim"], page,
        causal=case.is_causal, q_data_type=tensors.q.dtype, kv_data_type=tensors.k.dtype,
        window_left=left - 1 if left else -1, logits_soft_cap=SOFTCAP if case.axes["softcap"] else None,
    )  # fmt: skip
    kv, o = (tensors.k, tensors.v), torch.empty_like(tensors.q)
    return SimpleNamespace(wrapper=wrapper, memory=memory, q=tensors.q, kv=kv, o=o)


def run(state):
    state.wrapper.run(state.q, state.kv, out=state.o)
