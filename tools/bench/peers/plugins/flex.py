"""torch's FlexAttention, compiled; keys and values are laid out for it beforehand, which is not timed."""

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
    return torch.__version__


def supports(case):
    if not case.is_even:
        return "requests differ"
    return case.refuses("sinks")


def _mask(case):
    left, causal, ahead = case.axes["window_left"], case.is_causal, case.most_kv - case.most_q

    def is_seen(batch, head, q, kv):
        place = q + ahead
        shown = kv >= 0
        if causal:
            shown = shown & (kv <= place)
        return shown & (kv > place - left) if left else shown

    return create_block_mask(is_seen, None, None, case.most_q, case.most_kv, device="cuda")


def prepare(case, tensors):
    q, k, v = sdpa.dense(case, tensors)
    cap = (lambda score, b, h, i, j: SOFTCAP * torch.tanh(score / SOFTCAP)) if case.axes["softcap"] else None
    return SimpleNamespace(q=q, k=k, v=v, o=None, cap=cap, mask=_mask(case), attend=torch.compile(flex_attention))


def run(state):
    out = state.attend(state.q, state.k, state.v, score_mod=state.cap, block_mask=state.mask, enable_gqa=True)
    state.o = out.transpose(1, 2)
