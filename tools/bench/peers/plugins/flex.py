"""torch's FlexAttention, compiled; keys and values are laid out for it beforehand, which is not timed."""

from functools import lru_cache
from types import SimpleNamespace

import plugin
from case import SOFTCAP, Absent

sdpa = plugin.load("sdpa")

import torch  # noqa: E402

try:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
except ImportError:
    raise Absent(f"torch {torch.__version__} has no FlexAttention") from None


def available():
    # Each case is compiled anew; after these limits it would not be.
    torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 1000
    return torch.__version__


@lru_cache
def _attend():
    return torch.compile(flex_attention, dynamic=False)


def supports(case):
    if not case.is_even:
        return "requests differ"
    return case.refuses("sinks", "rope", "kv_dtype")


def _cap(score, batch, head, q, kv):
    return SOFTCAP * torch.tanh(score / SOFTCAP)


@lru_cache
def _mask(most_q, most_kv, left, is_causal):
    """One for all sets of a case: another function would be compiled again."""
    ahead = most_kv - most_q

    def is_seen(batch, head, q, kv):
        place = q + ahead
        shown = kv >= 0
        if is_causal:
            shown = shown & (kv <= place)
        return shown & (kv > place - left) if left else shown

    return create_block_mask(is_seen, None, None, most_q, most_kv, device="cuda")


def prepare(case, tensors):
    q, k, v = sdpa.dense(case, tensors)
    mask = _mask(case.most_q, case.most_kv, case.axes["window_left"], case.is_causal)
    return SimpleNamespace(q=q, k=k, v=v, o=None, cap=_cap if case.axes["softcap"] else None, mask=mask)


def run(state):
    out = _attend()(state.q, state.k, state.v, score_mod=state.cap, block_mask=state.mask, enable_gqa=True)
    state.o = out.transpose(1, 2)
