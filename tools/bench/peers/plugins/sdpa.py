"""torch's scaled_dot_product_attention, with the backend that it chooses. It knows no pages: keys and values are laid
out for it beforehand, which is not timed."""

from types import SimpleNamespace

from case import Absent

try:
    import torch
    from torch.nn.functional import scaled_dot_product_attention
except ImportError:
    raise Absent("torch is missing") from None


def available():
    return torch.__version__


def supports(case):
    if not case.is_even:
        return "requests differ"
    if case.is_causal and case.most_q not in (1, case.most_kv):
        return "a causal mask of its own begins at the first token"
    return case.refuses("window_left", "softcap", "sinks", "rope", "kv_dtype")


def dense(case, tensors):
    """Q, K and V as [requests][heads][tokens][dim]."""
    from cuda import rows_of

    requests = range(len(case.requests))
    q = tensors.q.view(len(case.requests), case.most_q, case.query_heads, -1).transpose(1, 2).contiguous()
    k, v = (torch.stack([rows_of(case, tensors, cache, r) for r in requests]).transpose(1, 2).contiguous()
            for cache in (tensors.k, tensors.v))  # fmt: skip
    return q, k, v


def prepare(case, tensors):
    q, k, v = dense(case, tensors)
    return SimpleNamespace(q=q, k=k, v=v, o=None, out=None, causal=case.is_causal and case.most_q > 1)


def attend(state):
    state.out = scaled_dot_product_attention(
        state.q, state.k, state.v, is_causal=state.causal, enable_gqa=state.q.shape[1] != state.k.shape[1]
    )
    state.o = state.out.transpose(1, 2)


def run(state):
    attend(state)
