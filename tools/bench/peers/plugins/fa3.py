"""FlashAttention-3 as vLLM builds it: FLASHJIT_FA3 names _vllm_fa3_C.abi3.so out of the wheel of vLLM 0.24 or 0.26."""

import os
from types import SimpleNamespace

from case import SOFTCAP, Absent

try:
    import torch
except ImportError:
    raise Absent("torch is missing") from None


def available():
    path = os.environ.get("FLASHJIT_FA3")
    if not path:
        raise Absent("FLASHJIT_FA3 names no _vllm_fa3_C.abi3.so, which a wheel of vLLM has")
    try:
        torch.ops.load_library(path)
    except OSError as error:
        raise Absent(f"{path}: {error}") from None
    return os.path.basename(path)


def supports(case):
    return case.refuses("rope", "kv_dtype")


def prepare(case, tensors):
    left = case.axes["window_left"]
    sinks = tensors.sinks.to(tensors.q.dtype) if tensors.sinks is not None else None
    return SimpleNamespace(case=case, t=tensors, left=left - 1 if left else -1, sinks=sinks, o=None)


def run(state):
    case, t = state.case, state.t
    cap = SOFTCAP if case.axes["softcap"] else 0.0
    # q, k, v, k_new, v_new, q_v, out, cu_seqlens_q, _k, _k_new, seqused_q, _k, max_seqlen_q, _k, page_table,
    # kv_batch_idx, leftpad_k, rotary_cos, _sin, seqlens_rotary, q_, k_, v_descale, softmax_scale, is_causal,
    # window_left, _right, softcap, is_rotary_interleaved, scheduler_metadata, num_splits, pack_gqa, sm_margin, sinks
    state.o = torch.ops._vllm_fa3_C.fwd(
        t.q, t.k, t.v, None, None, None, None, t.q_indptr, t.kv_indptr, None, None,
        t.kv_len if case.is_paged else None, case.most_q, case.most_kv, t.page_table, None, None, None, None, None,
        None, None, None, case.axes["head_dim"] ** -0.5, case.is_causal, state.left, 0 if state.left >= 0 else -1, cap,
        True, None, 0, None, 0, state.sinks, 1, 0, None,
    )[0]  # fmt: skip
