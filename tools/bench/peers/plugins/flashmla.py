"""FlashMLA: latent attention with 576 dims of K, of which the first 512 are V."""

from types import SimpleNamespace

from case import Absent

try:
    import torch

    import flash_mla
except ImportError as error:
    raise Absent(f"{error.name} is missing") from None


def available():
    return getattr(flash_mla, "__version__", "?")


def supports(case):
    if (case.axes["head_dim"], case.axes["v_dim"]) != (576, 512):
        return "it has 576 dims of K and 512 of V alone"
    if case.axes["page_size"] != 64 or case.heads != 1:
        return "it has pages of 64 tokens and one KV head alone"
    return "" if case.is_even else "requests differ"


def prepare(case, tensors):
    q = tensors.q.view(len(case.requests), case.most_q, case.query_heads, 576)
    meta, _ = flash_mla.get_mla_metadata()
    return SimpleNamespace(case=case, q=q, t=tensors, meta=meta, o=None)


def run(state):
    state.o = flash_mla.flash_mla_with_kvcache(
        state.q, state.t.k, state.t.page_table, state.t.kv_len, 512, state.meta, None, 576**-0.5,
        causal=state.case.is_causal and state.case.most_q > 1, use_legacy=True,
    )[0]  # fmt: skip
