"""vLLM's PagedAttention v2, built on the spot. FLASHJIT_PAGED_ATTENTION names one of

the folder csrc of vLLM's sources (to 0.24; PyPI has them), whose kernels paged_attention.cu here launches
a folder with pagedattention*.cu, with launches of their own (mistral.rs: mistralrs-paged-attn/src/cuda)
a library that was built of either

K and V are laid out for it beforehand, which is not timed."""

import ctypes
import hashlib
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import built
from case import Absent

try:
    import torch
    from torch.utils.cpp_extension import CUDA_HOME, include_paths
except ImportError:
    raise Absent("torch is missing") from None

HERE = Path(built.__file__).parent
PARTITION = 512
DIMS = ((64, 64), (128, 128), (256, 256))
P, F = ctypes.c_void_p, ctypes.c_float
_found = []


def _sources(folder):
    """What is compiled, and how."""
    kernels = next(folder.glob("**/attention_kernels.cuh"), None)
    if kernels:
        folders = [HERE / "stand_in", kernels.parent, *include_paths()]
        return [HERE / "paged_attention.cu"], ["-diag-suppress=940", "-DENABLE_FP8", *(f"-I{path}" for path in folders)]
    sources = sorted(folder.glob("pagedattention*bf16*.cu")) or sorted(folder.glob("pagedattention*.cu"))
    if not sources:
        raise Absent(f"{folder} has neither attention_kernels.cuh nor pagedattention*.cu")
    return sources, [f"-I{folder}"]


def _build(folder):
    """Once for each content of the sources."""
    sources, options = _sources(folder)
    texts = [*sources, *sorted(folder.rglob("*.cu*"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()
    major, minor = torch.cuda.get_device_capability()
    arch = f"sm_{major}{minor}{'a' if major >= 9 else ''}"
    flags = ["-O3", "-std=c++17", f"-arch={arch}", "-shared", "-Xcompiler", "-fPIC"]

    def build(path):
        nvcc = f"{CUDA_HOME}/bin/nvcc" if CUDA_HOME else "nvcc"
        made = subprocess.run([nvcc, *flags, *options, "-o", path, *sources], capture_output=True, text=True)
        if made.returncode:
            raise Absent(f"nvcc: {made.stderr.strip()[-300:]}")

    return built.library(f"paged-attention-{digest}-{arch}.so", build)


def available():
    named = os.environ.get("FLASHJIT_PAGED_ATTENTION")
    if not named:
        raise Absent("FLASHJIT_PAGED_ATTENTION names neither its sources nor a library of them")
    path = Path(named)
    try:
        _found.append(ctypes.CDLL(str(_build(path) if path.is_dir() else path)))
    except (OSError, built.Untrusted) as error:
        raise Absent(str(error)) from None
    return path.name


def supports(case):
    if not case.is_decode or not case.is_paged:
        return "it has decoding and pages alone"
    if case.axes["page_size"] not in (16, 32):
        return "it is built for pages of 16 and 32 tokens alone"
    if case.axes["q_dtype"] != "bf16" or (case.axes["head_dim"], case.axes["v_dim"]) not in DIMS:
        return "it is built for bf16 and 64, 128 or 256 dims of K and V alone"
    if case.axes["kv_dtype"] == "e4m3" and not hasattr(_found[0], "paged_attention_v2_e4m3"):
        return "kv_dtype is e4m3, for which the library is not built"
    return case.refuses("window_left", "softcap", "sinks", "rope")


def prepare(case, tensors):
    x = 16 // tensors.k.element_size()
    pages, page, heads, dim = tensors.k.shape
    rows, parts = len(case.requests), -(-case.most_kv // PARTITION)
    k = tensors.k.view(pages, page, heads, dim // x, x).permute(0, 2, 3, 1, 4).contiguous()
    v = tensors.v.permute(0, 2, 3, 1).contiguous()
    state = SimpleNamespace(
        case=case, t=tensors, k=k, v=v, o=torch.empty_like(tensors.q), one=torch.ones(1, device="cuda"),
        sums=torch.empty(rows, case.query_heads, parts, device="cuda"),
        most=torch.empty(rows, case.query_heads, parts, device="cuda"),
        part=torch.empty(rows, case.query_heads, parts, dim, dtype=tensors.q.dtype, device="cuda"),
    )  # fmt: skip
    state.tail = [
        heads, F(dim**-0.5), F(1.0), P(tensors.page_table.data_ptr()), P(tensors.kv_len.data_ptr()), page, case.most_kv,
        rows, case.query_heads, dim, tensors.page_table.shape[1], case.query_heads * dim, heads * dim * page,
        dim * page,
    ]  # fmt: skip
    state.kind = "e4m3" if case.axes["kv_dtype"] == "e4m3" else "bf16"
    return state


def _pointers(*tensors):
    return [P(tensor.data_ptr()) for tensor in tensors]


def _end(state):
    one = P(state.one.data_ptr())
    return [P(torch.cuda.current_stream().cuda_stream), 1, one, one, P(None)]


def run(state):
    first = _pointers(state.o, state.sums, state.most, state.part, state.t.q, state.k, state.v)
    getattr(_found[0], f"paged_attention_v2_{state.kind}")(*first, P(None), *state.tail, *_end(state))


def run_v1(state):
    first = _pointers(state.o, state.t.q, state.k, state.v)
    getattr(_found[0], f"paged_attention_v1_{state.kind}")(*first, P(None), *state.tail, *_end(state))
