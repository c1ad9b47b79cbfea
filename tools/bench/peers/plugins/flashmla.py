"""FlashMLA: latent attention where the first 512 of 576 dims of K are V: hd=576 v_dim=512 page=64 v_source=keys."""

import inspect
from types import SimpleNamespace

from case import Absent

try:
    import torch

    import flash_mla
except ImportError as error:
    raise Absent(f"{error.name} is missing") from None

# sgl-flash-mla has the kernels of Hopper under another name than FlashMLA had them.
LEGACY = {"use_legacy": True} if "use_legacy" in inspect.signature(flash_mla.flash_mla_with_kvcache).parameters else {}


def available():
    return getattr(flash_mla, "__version__", "?")


def supports(case):
    if (case.axes["head_dim"], case.axes["v_dim"]) != (576, 512) or case.has_own_v:
        return "it has 576 dims of K alone, of which 512 are V"
    if case.axes["page_size"] != 64 or case.heads != 1:
        return "it has pages of 64 tokens and one KV head alone"
    return case.refuses("rope", "kv_dtype") or ("" if case.is_even else "requests differ")


def prepare(case, tensors):
    q = tensors.q.view(len(case.requests), case.most_q, case.query_heads, 576)
    meta, _ = flash_mla.get_mla_metadata()
    return SimpleNamespace(case=case, q=q, t=tensors, meta=meta, o=None)


def run(state):
    state.o = flash_mla.flash_mla_with_kvcache(
        state.q, state.t.k, state.t.page_table, state.t.kv_len, 512, state.meta, None, 576**-0.5,
        causal=state.case.is_causal and state.case.most_q > 1, **LEGACY,
    )[0]  # fmt: skip
