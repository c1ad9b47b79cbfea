"""vLLM's unified attention in Triton: of an installed vLLM, or of the folder that FLASHJIT_VLLM_TRITON names, with
triton_unified_attention.py and triton_attention_helpers.py; what these import of vLLM is stood in for."""

import enum
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

from case import SOFTCAP, Absent

try:
    import torch
    import triton
    import triton.language
except ImportError as error:
    raise Absent(f"{error.name} is missing") from None

OPS = "vllm.v1.attention.ops"
SEGMENTS = 16
QUANTISED = {"NONE": 0, "FP8_PER_TENSOR": 1, "INT8_PER_TOKEN_HEAD": 2, "FP8_PER_TOKEN_HEAD": 3, "NVFP4": 4}
_found = []


def _stand_in(name, **members):
    module = ModuleType(name)
    module.__path__ = []
    vars(module).update(members)
    sys.modules[name] = module


class _Platform:
    fp8_dtype = staticmethod(lambda: torch.float8_e4m3fn)
    is_rocm = is_xpu = staticmethod(lambda: False)
    is_cuda = staticmethod(lambda: True)
    get_device_capability = staticmethod(torch.cuda.get_device_capability)
    is_device_capability_family = staticmethod(lambda number: torch.cuda.get_device_capability()[0] * 10 == number)


def _load_folder(folder):
    import logging

    for name in ("vllm", "vllm.v1", "vllm.v1.attention", OPS):
        _stand_in(name)
    _stand_in("vllm.envs", VLLM_BATCH_INVARIANT=False)
    _stand_in("vllm.logger", init_logger=logging.getLogger)
    _stand_in("vllm.platforms", current_platform=_Platform())
    _stand_in("vllm.triton_utils", triton=triton, tl=triton.language)
    _stand_in("vllm.v1.kv_cache_interface", KVQuantMode=enum.IntEnum("KVQuantMode", QUANTISED))
    for stem in ("triton_attention_helpers", "triton_unified_attention"):
        path = Path(folder) / f"{stem}.py"
        if not path.is_file():
            continue
        spec = importlib.util.spec_from_file_location(f"{OPS}.{stem}", path)
        sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[f"{OPS}.triton_unified_attention"].unified_attention


def available():
    folder = os.environ.get("FLASHJIT_VLLM_TRITON")
    try:
        if folder:
            _found.append(_load_folder(folder))
            return folder
        from vllm import __version__
        from vllm.v1.attention.ops.triton_unified_attention import unified_attention
    except (ImportError, KeyError) as error:
        raise Absent(f"neither vllm nor a folder in FLASHJIT_VLLM_TRITON has it ({error})") from None
    _found.append(unified_attention)
    return __version__


def supports(case):
    if not case.is_paged or not case.is_causal:
        return "it has pages and a causal mask alone"
    return case.refuses("rope")


def prepare(case, tensors):
    rows, heads, dim = len(case.requests), case.query_heads, case.axes["head_dim"]
    scratch = lambda *shape: torch.empty(shape, dtype=torch.float32, device="cuda")  # noqa: E731
    width = triton.next_power_of_2(dim)
    left = case.axes["window_left"]
    arguments = dict(
        q=tensors.q, k=tensors.k, v=tensors.v, out=torch.empty_like(tensors.q), cu_seqlens_q=tensors.q_indptr,
        max_seqlen_q=case.most_q, seqused_k=tensors.kv_len, max_seqlen_k=case.most_kv, softmax_scale=dim**-0.5,
        causal=True, window_size=(left - 1, 0) if left else (-1, -1), block_table=tensors.page_table,
        softcap=SOFTCAP if case.axes["softcap"] else 0, q_descale=None, k_descale=None, v_descale=None,
        seq_threshold_3D=128 // case.heads or 1, num_par_softmax_segments=SEGMENTS,
        softmax_segm_output=scratch(rows, heads, SEGMENTS, width), softmax_segm_max=scratch(rows, heads, SEGMENTS),
        softmax_segm_expsum=scratch(rows, heads, SEGMENTS), sinks=tensors.sinks,
    )  # fmt: skip
    if case.axes["kv_dtype"] == "e4m3":
        one = torch.ones(1, device="cuda")
        mode = sys.modules["vllm.v1.kv_cache_interface"].KVQuantMode.FP8_PER_TENSOR
        arguments |= dict(k_descale=one, v_descale=one, kv_quant_mode=mode)
    return SimpleNamespace(arguments=arguments, o=arguments["out"])


def run(state):
    _found[0](**state.arguments)
