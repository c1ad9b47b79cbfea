#!/usr/bin/env python3
"""FlashInfer's own tests of attention on the façade flashjit.flashinfer: a draw of their cases.

    python3 tests/python/flashinfer_suite.py FOLDER [--count 300] [--seed 1] [--seconds 60] [--shard 1/1]

FOLDER is tests/ of FlashInfer's sources, as of 2026, or test_*.py themselves, as those of flashinfer-python 0.3.1 on
PyPI; they are run as they are. single_decode_with_kv_cache and single_prefill_with_kv_cache, which they compare with,
are attention in doubles here: tests of these alone are left out, since they would test nothing, and so are the files
test_logits_cap, test_alibi and test_single_prefill; test_attention_sink has kernels of its own source text. Tests of
other kernels (nvfp4, cutlass, cuDNN) and of what FlashInfer says of wrong arguments are left out, too. pytest is stood
in for. It needs torch, scipy and a GPU, and FLASHJIT_LIBRARY; with --simulated no GPU, and only the smallest cases are
drawn.
"""

import argparse
import collections
import contextlib
import itertools
import math
import os
import random
import re
import sys
import time
import traceback
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "python"))

import torch

FILES = (
    "test_batch_decode_kernels", "test_batch_prefill_kernels", "test_batch_prefill", "test_tensor_cores_decode",
    "test_sliding_window", "test_non_contiguous_decode", "test_non_contiguous_prefill", "test_fp8_prefill",
    "test_decode_fp8_calibration_scale", "test_decode_prefill_lse", "test_page", "test_batch_attention",
    "test_shared_prefix_kernels", "test_batch_invariant_fa2", "test_deepseek_mla", "test_block_sparse",
)  # fmt: skip
LEFT_OUT = re.compile("test_single_|.*(nvfp4|cutlass|cudnn|rejects|requires_scales|keyword_only)")
NOT_PROVIDED = ("trtllm_batch_decode_with_kv_cache",)
SIMULATED_MOST = 5_000_000  # products of elements of Q and K


class Skipped(Exception):
    """By a test itself."""


# ------------------------------------------------------------------------------------- what the tests import


def parametrize(names, values, **options):
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [dict(zip(names, value if len(names) > 1 else (value,))) for value in values]

    def mark(function):
        function.axes = [rows, *getattr(function, "axes", [])]
        return function

    return mark


def skip(reason=""):
    raise Skipped(reason)


class Marks:
    parametrize = staticmethod(parametrize)

    def __getattr__(self, name):
        """skipif and the like: with whatever arguments."""
        return lambda *args, **kwargs: lambda function: function


def fixture(*args, **kwargs):
    return args[0] if args and callable(args[0]) else lambda function: function


@contextlib.contextmanager
def raises(kind, **options):
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def module(name, **members):
    found = sys.modules[name] = types.ModuleType(name)
    vars(found).update(members)
    return found


def rotated(states, first, scale, theta):
    """Llama's, in doubles: of tokens from a position on."""
    dim = states.shape[-1]
    frequencies = (theta or 1e4) ** (-torch.arange(0, dim, 2, device=states.device) / dim).double() / (scale or 1.0)
    angles = (torch.arange(states.shape[0], device=states.device) + first)[:, None, None] * frequencies
    low, high = states.chunk(2, -1)
    return torch.cat([low * angles.cos() - high * angles.sin(), high * angles.cos() + low * angles.sin()], -1)


def slopes_of(heads, device):
    whole = 1 << heads.bit_length() - 1
    found = [2.0 ** (-8 * (i + 1) / whole) for i in range(whole)]
    found += [2.0 ** (-4 * (i + 1) / whole) for i in range(0, 2 * (heads - whole), 2)]
    return torch.tensor(found, device=device).double()[:, None, None]


def attend(q, k, v, scale, how):
    """[tokens][heads][dim], in doubles; queries are the last tokens. LSE to base 2."""
    group = q.shape[1] // k.shape[1]
    q, k, v = (states.float().double() for states in (q, k, v))
    if how["position"] == "ROPE_LLAMA":
        table = (how["rope_scale"], how["rope_theta"])
        q, k = rotated(q, k.shape[0] - q.shape[0], *table), rotated(k, 0, *table)
    k, v = (states.repeat_interleave(group, 1) for states in (k, v))
    logits = torch.einsum("qhd,khd->hqk", q, k) * scale
    place = torch.arange(q.shape[0], device=q.device)[:, None] + k.shape[0] - q.shape[0]
    key = torch.arange(k.shape[0], device=q.device)[None]
    if how["position"] == "ALIBI":
        logits = logits + slopes_of(q.shape[1], q.device) * (key - place)
    softcap = how["logits_soft_cap"] or 0.0
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    hidden = (key > place) & how["causal"] if how["mask"] is None else ~how["mask"].view(*logits.shape[1:])
    hidden = hidden | (key < place - how["window_left"]) & (how["window_left"] >= 0)
    logits = logits.masked_fill(hidden, -math.inf)
    weights = logits.softmax(-1).nan_to_num(0.0)  # of rows that see nothing
    return torch.einsum("hqk,khd->qhd", weights, v), logits.logsumexp(-1).T / math.log(2)


def single(q, k, v, layout, scales, sm_scale, return_lse, **how):
    if how["position"] not in ("NONE", "ROPE_LLAMA", "ALIBI"):
        raise NotImplementedError(f"pos_encoding_mode={how['position']}")
    k, v = (states.transpose(0, 1) if layout == "HND" else states for states in (k, v))
    scale = (sm_scale if sm_scale is not None else q.shape[-1] ** -0.5) * (scales[0] or 1.0) * (scales[1] or 1.0)
    o, lse = attend(q, k, v, scale, how)
    o = (o * (scales[2] or 1.0)).to(q.dtype)
    return (o, lse.float()) if return_lse else o


def single_decode(
    q, k, v, kv_layout="NHD", pos_encoding_mode="NONE", use_tensor_cores=False, q_scale=None, k_scale=None,
    v_scale=None, window_left=-1, logits_soft_cap=None, sm_scale=None, rope_scale=None, rope_theta=None,
    return_lse=False,
):  # fmt: skip
    found = single(
        q[None], k, v, kv_layout, (q_scale, k_scale, v_scale), sm_scale, return_lse, position=pos_encoding_mode,
        rope_scale=rope_scale, rope_theta=rope_theta, logits_soft_cap=logits_soft_cap, window_left=window_left,
        causal=False, mask=None,
    )  # fmt: skip
    return tuple(part[0] for part in found) if return_lse else found[0]


def single_prefill(
    q, k, v, scale_q=None, scale_k=None, scale_v=None, o_dtype=None, custom_mask=None, packed_custom_mask=None,
    causal=False, kv_layout="NHD", pos_encoding_mode="NONE", use_fp16_qk_reduction=False, sm_scale=None,
    window_left=-1, logits_soft_cap=None, rope_scale=None, rope_theta=None, backend="auto", return_lse=False,
):  # fmt: skip
    if packed_custom_mask is not None:
        raise NotImplementedError("packed_custom_mask")
    return single(
        q, k, v, kv_layout, (scale_q, scale_k, scale_v), sm_scale, return_lse, position=pos_encoding_mode,
        rope_scale=rope_scale, rope_theta=rope_theta, logits_soft_cap=logits_soft_cap, window_left=window_left,
        causal=causal, mask=custom_mask,
    )  # fmt: skip


def nothing(*arguments, **named):
    return []


class Stub(types.ModuleType):
    """Has whatever is asked for: what builds FlashInfer's own kernels, and so has nothing to do."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return nothing


def stub(name):
    sys.modules[name] = Stub(name)
    return sys.modules[name]


def stand_in():
    """flashinfer by the façade, with what its tests take besides."""
    from flashjit import flashinfer

    top = flashinfer.install()
    for place in (top, top.decode):
        place.single_decode_with_kv_cache = single_decode
    for place in (top, top.prefill):
        place.single_prefill_with_kv_cache = single_prefill
    top.jit = stub("flashinfer.jit")
    top.utils = module(
        "flashinfer.utils", has_flashinfer_jit_cache=lambda: True, get_compute_capability=lambda device: (9, 0),
        is_sm90a_supported=lambda device: True, is_sm100a_supported=lambda device: False,
        is_sm110a_supported=lambda device: False,
    )  # fmt: skip
    for name in ("flashinfer.jit.attention", "flashinfer.jit.utils", "flashinfer.fp4_quantization", "jit_utils",
                 "tests.test_helpers.jit_utils", "tests.test_helpers.utils_fp4",
                 "tests.test_helpers.test_helpers"):  # fmt: skip
        stub(name)
    for package in ("tests", "tests.test_helpers"):
        module(package, __path__=[])
    parameters = {"param": lambda *values, **options: values, "raises": raises}
    module("pytest", mark=Marks(), fixture=fixture, skip=skip, xfail=skip, **parameters)
    return flashinfer.PLANS


# ------------------------------------------------------------------------------------------------------ cases


class Case:
    def __init__(self, file, function, values):
        self.file, self.function, self.values = file, function, values

    def __str__(self):
        return f"{self.file}::{self.function.__name__}({', '.join(f'{k}={v}' for k, v in self.values.items())})"

    @property
    def products(self):
        """Of elements of Q and K, about: as the names of the parameters tell."""
        get = self.values.get
        kv_lens = [n for name, n in self.values.items() if ("len" in name or name == "N") and type(n) is int]
        queries = get("qo_len") or get("q_len") or get("M") or (get("seq_len") if get("qo_len") is None else None) or 1
        heads = get("num_qo_heads") or get("num_heads") or (get("num_kv_heads") or 8) * (get("group_size") or 1)
        return (get("batch_size") or 4) * queries * max(kv_lens, default=1024) * heads * (get("head_dim") or 576)


def cases_of(path, simulated):
    """All of a file's cases, product by product."""
    text = path.read_text()
    if simulated:
        for there in ('"cuda:0"', '"cuda"'):
            text = text.replace(there, '"cpu"')
        text = text.replace(".to(0)", '.to("cpu")').replace("device=0", 'device="cpu"')
    space = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(text, str(path), "exec"), space)
    for name, function in space.items():
        if name.startswith("test_") and callable(function) and not LEFT_OUT.match(name):
            for rows in itertools.product(*getattr(function, "axes", [])):
                yield Case(path.stem, function, {key: value for row in rows for key, value in row.items()})


def draw(arguments):
    """As many of each file, as far as it has them."""
    chosen, counts = [], {}
    for stem in FILES:
        places = [Path(arguments.folder) / folder / f"{stem}.py" for folder in ("attention", "")]
        path = next((place for place in places if place.is_file()), None)
        if path is None or arguments.file not in stem:
            continue
        cases = list(cases_of(path, arguments.simulated))
        counts[stem] = len(cases)
        cases = [case for case in cases if case.products <= arguments.most]
        random.Random(f"{arguments.seed} {stem}").shuffle(cases)
        chosen.append(cases[: arguments.count])
    turns = itertools.zip_longest(*chosen)  # one of each file, again and again, so that time is shared
    shard, shards = map(int, arguments.shard.split("/"))
    return [case for turn in turns for case in turn if case][shard - 1 :: shards], counts


def outcome_of(case, plans):
    """(passed, skipped or failed; why)"""
    torch.manual_seed(0)
    before = plans.context.runs
    try:
        with contextlib.redirect_stdout(None):
            case.function(**case.values)
    except (Skipped, NotImplementedError) as reason:
        return "skipped", str(reason)
    except AttributeError as reason:
        return ("skipped" if reason.name in NOT_PROVIDED else "failed"), str(reason)
    except Exception as reason:  # the other cases are still worth seeing
        last = traceback.extract_tb(reason.__traceback__)[-1]
        return "failed", f"{type(reason).__name__}: {' '.join(str(reason).split())[:300]} ({last.name}:{last.lineno})"
    return ("passed", "") if plans.context.runs > before else ("skipped", "no launch of flashjit")


def run(cases, plans, seconds):
    found, why = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    begin, failures = time.monotonic(), []
    for number, case in enumerate(cases):
        if time.monotonic() - begin > seconds:
            print(f"# {number} of {len(cases)} cases: {seconds:.0f} s are over")
            break
        outcome, reason = outcome_of(case, plans)
        found[case.file][outcome] += 1
        if outcome == "skipped":
            why[outcome][reason[:110]] += 1
        elif outcome == "failed":
            failures.append(f"{str(case)[:500]}\n    {reason}")
    return found, why, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=300, help="cases of each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--file", default="", help="only files with this in their names")
    parser.add_argument("--shard", default="1/1", help="I/N: the I-th of N parts of the draw, for as many processes")
    parser.add_argument("--most", type=float, default=math.inf, help="only cases of at most so many products")
    parser.add_argument("--simulated", action="store_true")
    arguments = parser.parse_args()
    if arguments.simulated:
        arguments.most = min(arguments.most, SIMULATED_MOST)
        os.environ["FLASHJIT_DRIVER"] = "sim"
        torch.cuda.synchronize = nothing
    plans = stand_in()
    cases, counts = draw(arguments)
    found, why, failures = run(cases, plans, arguments.seconds)
    print(f"{'file':36} {'cases':>6} {'passed':>6} {'failed':>6} {'skipped':>7}")
    for stem, outcomes in found.items():
        print(f"{stem:36} {counts[stem]:6} {outcomes['passed']:6} {outcomes['failed']:6} {outcomes['skipped']:7}")
    for reason, count in why["skipped"].most_common():
        print(f"skipped {count:4}: {reason}")
    for failure in failures[:12]:
        print(f"failed: {failure}")
    total = sum(found.values(), collections.Counter())
    print(f"# {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped; seed {arguments.seed}")
    sys.exit(0 if total["passed"] and not total["failed"] else 1)


if __name__ == "__main__":
    main()
