"""FlashInfer's wrappers of paged and ragged KV, with the backend that FLASHJIT_FLASHINFER_BACKEND names; else fa2 for
decode and fa3 for prompts. Its plan is made on the host and is no launch: it has no time here."""

import os
from types import SimpleNamespace

from case import SOFTCAP, THETA, Absent

try:
    import torch

    import flashinfer
except ImportError as error:
    raise Absent(f"{error.name} is missing") from None

WORKSPACE_BYTES = 256 << 20


def available():
    return flashinfer.__version__


def supports(case):
    if case.rotates and not case.rotates_keys:
        return "it rotates K together with Q"
    return case.refuses("sinks")


def backend_of(case):
    """The kernels of Hopper read no KV of 8 bits and rotate nothing."""
    wants = os.environ.get("FLASHJIT_FLASHINFER_BACKEND")
    is_plain = not case.rotates and case.axes["kv_dtype"] != "e4m3"
    return wants or ("fa3" if is_plain and not case.is_decode else "fa2")


def whole(values):
    return torch.tensor(values, dtype=torch.int32, device="cuda")


def seen(case):
    """What of the KV counts, and how."""
    left = case.axes["window_left"]
    return {"window_left": left - 1 if left else -1, "logits_soft_cap": SOFTCAP if case.axes["softcap"] else None}


def last_page_len(case):
    page = case.axes["page_size"]
    return whole([(kv - 1) % page + 1 for _, kv in case.requests])


def _pages(case, tensors):
    """Entries before each request, page ids, and tokens in the last pages."""
    counts = [case.pages(kv) for _, kv in case.requests]
    indices = torch.cat([tensors.page_table[r, :n] for r, n in enumerate(counts)])
    return whole([0, *counts]).cumsum(0, dtype=torch.int32), indices, last_page_len(case)


def prepare(case, tensors):
    backend = backend_of(case)
    memory = torch.zeros(WORKSPACE_BYTES, dtype=torch.uint8, device="cuda")
    given = dict(
        causal=case.is_causal, q_data_type=tensors.q.dtype, kv_data_type=tensors.k.dtype, o_data_type=tensors.q.dtype,
        pos_encoding_mode="ROPE_LLAMA" if case.rotates else "NONE", rope_theta=THETA if case.rotates else None,
        head_dim_vo=case.axes["v_dim"], **seen(case),
    )  # fmt: skip
    heads = (case.query_heads, case.heads, case.axes["head_dim"])
    if case.is_paged:
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(memory, "NHD", backend=backend)
        wrapper.plan(tensors.q_indptr, *_pages(case, tensors), *heads, case.axes["page_size"], **given)
    else:
        wrapper = flashinfer.BatchPrefillWithRaggedKVCacheWrapper(memory, "NHD", backend=backend)
        wrapper.plan(tensors.q_indptr, tensors.kv_indptr, *heads, **given)
    o = torch.empty(case.tokens, case.query_heads, case.axes["v_dim"], dtype=tensors.q.dtype, device="cuda")
    kv = ((tensors.k, tensors.v),) if case.is_paged else (tensors.k, tensors.v)
    return SimpleNamespace(wrapper=wrapper, memory=memory, q=tensors.q, kv=kv, o=o)


def run(state):
    state.wrapper.run(state.q, *state.kv, out=state.o)
