#!/usr/bin/env python3
"""nano-vLLM on the flash_attn façade, or on another flash_attn in the same slot, with a small Qwen3 of random weights.

    python3 tests/models/nano_vllm.py --attention flashjit|fa3|torch [--out tokens.json] [--against tokens.json]

The engine is imported as it is (PyPI: nano-vllm-fork); FLASHJIT_FA3 names vLLM's _vllm_fa3_C.abi3.so. Tokens of greedy
requests are held against float32 with eager attention by the margin rule of generation.py; then a larger batch is
timed.
It needs torch, transformers and a GPU.
"""

import argparse
import contextlib
import fcntl
import json
import os
import statistics
import sys
import tempfile
import time
import types
from importlib.machinery import ModuleSpec

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools/python"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

SIZES = {
    "hidden_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 32768, "intermediate_size": 3072, "max_position_embeddings": 4096, "tie_word_embeddings": False,
}  # fmt: skip
EOS = 2
CHECKED = {"requests": 16, "prompt": (30, 400), "tokens": 32}
TIMED = {"requests": 256, "prompt": (100, 1024), "tokens": (100, 256)}
ROUNDS = 4


# ------------------------------------------------------------------------------------------- what is in the slot


def install_flashjit():
    from flashjit import flash_attn

    flash_attn.install()
    return lambda: flash_attn.PLANS.context.runs


def provide(varlen, with_kvcache):
    """A module flash_attn of two functions; the result counts their calls."""
    calls = [0]

    def counted(function):
        def call(*args, **kwargs):
            calls[0] += 1
            return function(*args, **kwargs)

        return call

    module = types.ModuleType("flash_attn")
    module.__spec__ = ModuleSpec("flash_attn", None)
    module.flash_attn_varlen_func, module.flash_attn_with_kvcache = counted(varlen), counted(with_kvcache)
    sys.modules["flash_attn"] = module
    return lambda: calls[0]


def install_fa3():
    torch.ops.load_library(os.environ["FLASHJIT_FA3"])
    forward = torch.ops._vllm_fa3_C.fwd

    def attend(q, k, v, q_indptr, kv_indptr, lengths, most_q, most_kv, table, scale):
        # q, k, v, k_new, v_new, q_v, out, cu_seqlens_q, _k, _k_new, seqused_q, _k, max_seqlen_q, _k, page_table,
        # kv_batch_idx, leftpad_k, rotary_cos, _sin, seqlens_rotary, q_, k_, v_descale, softmax_scale, is_causal,
        # window_left, _right, softcap, is_rotary_interleaved, scheduler_metadata, num_splits, pack_gqa, sm_margin, ...
        return forward(
            q, k, v, None, None, None, None, q_indptr, kv_indptr, None, None, lengths, most_q, most_kv, table, None,
            None, None, None, None, None, None, None, scale, True, -1, -1, 0.0, True, None, 0, None, 0, None, 1, 0,
            None,
        )[0]  # fmt: skip

    def varlen(q, k, v, max_seqlen_q, cu_seqlens_q, max_seqlen_k, cu_seqlens_k, softmax_scale, causal, block_table):
        if block_table is None:
            return attend(
                q, k, v, cu_seqlens_q, cu_seqlens_k, None, max_seqlen_q, max_seqlen_k, None, softmax_scale
            )
        lengths = cu_seqlens_k[1:] - cu_seqlens_k[:-1]
        return attend(q, k, v, cu_seqlens_q, None, lengths, max_seqlen_q, max_seqlen_k, block_table, softmax_scale)

    def with_kvcache(q, k_cache, v_cache, cache_seqlens, block_table, softmax_scale, causal):
        indptr = torch.arange(q.shape[0] + 1, dtype=torch.int32, device=q.device)
        most = block_table.shape[1] * k_cache.shape[1]
        found = attend(q[:, 0], k_cache, v_cache, indptr, None, cache_seqlens, 1, most, block_table, softmax_scale)
        return found[:, None]

    return provide(varlen, with_kvcache)


def install_torch():
    """Request by request, without graphs: slow, and plain."""

    def attend(q, k, v, scale):
        ahead = k.shape[0] - q.shape[0]
        seen = torch.ones(q.shape[0], k.shape[0], dtype=torch.bool, device=q.device).tril(ahead)
        q, k, v = (states.transpose(0, 1)[None] for states in (q, k, v))
        found = torch.nn.functional.scaled_dot_product_attention(q, k, v, seen, scale=scale, enable_gqa=True)
        return found[0].transpose(0, 1)

    def varlen(q, k, v, max_seqlen_q, cu_seqlens_q, max_seqlen_k, cu_seqlens_k, softmax_scale, causal, block_table):
        ends, found = [indptr.tolist() for indptr in (cu_seqlens_q, cu_seqlens_k)], []
        for r in range(len(ends[0]) - 1):
            queries = q[ends[0][r] : ends[0][r + 1]]
            count = ends[1][r + 1] - ends[1][r]
            if block_table is None:
                keys, values = (states[ends[1][r] : ends[1][r + 1]] for states in (k, v))
            else:
                pages = block_table[r, : -(-count // k.shape[1])].long()
                keys, values = (cache[pages].flatten(0, 1)[:count] for cache in (k, v))
            found.append(attend(queries, keys, values, softmax_scale))
        return torch.cat(found)

    def with_kvcache(q, k_cache, v_cache, cache_seqlens, block_table, softmax_scale, causal):
        found = []
        for r, count in enumerate(cache_seqlens.tolist()):
            pages = block_table[r, : -(-count // k_cache.shape[1])].long()
            keys, values = (cache[pages].flatten(0, 1)[:count] for cache in (k_cache, v_cache))
            found.append(attend(q[r], keys, values, softmax_scale))
        return torch.stack(found)

    return provide(varlen, with_kvcache)


SLOTS = {"flashjit": install_flashjit, "fa3": install_fa3, "torch": install_torch}


# ----------------------------------------------------------------------------------------------------- the model


def random_model(folder):
    """The model, of bfloat16, which the folder gets with its config.json."""
    config = transformers.Qwen3Config(**SIZES, dtype="bfloat16", eos_token_id=EOS)
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                gain = 3.0 if "v_proj" in name else 1.0
                weight.data.normal_(0, gain if "embed" in name else gain * weight.shape[1] ** -0.5)
            elif "q_norm" in name or "k_norm" in name:
                weight.data.fill_(1.4)  # logits of attention of deviation 2
    model.save_pretrained(folder)
    return model


class Tokenizer:
    eos_token_id = EOS

    def decode(self, ids):
        return " ".join(map(str, ids))


def read_config(folder):
    """transformers 5 has the numbers of RoPE elsewhere than the engine looks for them."""
    config = transformers.Qwen3Config.from_pretrained(folder)
    fields = {**config.to_dict(), "rope_scaling": None, "rope_theta": config.rope_parameters["rope_theta"]}
    return types.SimpleNamespace(**{**fields, "dtype": torch.bfloat16})


def engine_of(folder, is_eager):
    import nanovllm.config
    from nanovllm import LLM

    if not hasattr(transformers.Qwen3Config(), "rope_theta"):
        nanovllm.config.AutoConfig = types.SimpleNamespace(from_pretrained=read_config)
    return LLM(folder, enforce_eager=is_eager, max_model_len=2048, max_num_seqs=256, gpu_memory_utilization=0.4,
               tokenizer=Tokenizer())  # fmt: skip


# --------------------------------------------------------------------------------------------------------- runs


def prompts_of(sizes, draw):
    lengths = torch.randint(*sizes["prompt"], (sizes["requests"],), generator=draw).tolist()
    return [torch.randint(3, SIZES["vocab_size"], (n,), generator=draw).tolist() for n in lengths]


def generate(engine, prompts, tokens):
    from nanovllm import SamplingParams

    each = [SamplingParams(temperature=1e-5, ignore_eos=True, max_tokens=n) for n in tokens]
    return [found["token_ids"] for found in engine.generate(prompts, each, use_tqdm=False)]


def check(engine, model, draw):
    """(a line, whether the tokens are right)"""
    from generation import Texts

    prompts = prompts_of(CHECKED, draw)
    rows = generate(engine, prompts, [CHECKED["tokens"]] * len(prompts))
    exact = transformers.AutoModelForCausalLM.from_config(model.config, dtype=torch.float32).cuda().eval()
    exact.load_state_dict(model.state_dict())
    texts = Texts(exact, model, "sdpa")
    with torch.no_grad():
        for prompt, row in zip(prompts, rows):
            texts.add(prompt, row)
    return (*texts.verdict(), rows)


@contextlib.contextmanager
def turn(path):
    """Alone among those with the same file; then the next one's turn."""
    with open(path or os.devnull, "w") as lock:
        if path:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    time.sleep(0.2 if path else 0)


def speed(engine, draw, lock):
    """Tokens/s, and seconds of each round, whose prompts are new: the engine keeps the KV of those it has seen."""
    seconds, rates = [], []
    for requests in (16, *[TIMED["requests"]] * ROUNDS):  # the first compiles
        prompts = prompts_of({**TIMED, "requests": requests}, draw)
        tokens = torch.randint(*TIMED["tokens"], (requests,), generator=draw).tolist()
        with turn(lock):
            torch.cuda.synchronize()
            begin = time.perf_counter()
            generate(engine, prompts, tokens)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
        rates.append(sum(tokens) / seconds[-1])
    return statistics.median(rates[1:]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attention", choices=SLOTS, required=True)
    parser.add_argument("--out", help="a file for the tokens")
    parser.add_argument("--against", help="tokens of another run: how many requests are equal")
    parser.add_argument("--untimed", action="store_true")
    parser.add_argument("--unchecked", action="store_true")
    parser.add_argument("--lock", help="a file that those hold who are timed, in turn, a round each")
    arguments = parser.parse_args()
    calls = SLOTS[arguments.attention]()
    begin, draw = time.monotonic(), torch.Generator().manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        model = random_model(folder)
        engine = engine_of(folder, arguments.attention == "torch")
    print(f"# ready after {time.monotonic() - begin:.1f} s", flush=True)
    is_right, rows = True, []
    if not arguments.unchecked:
        line, is_right, rows = check(engine, model, draw)
        spent = time.monotonic() - begin
        print(f"{arguments.attention}: tokens, told, wrong: {line}, {calls()} calls, {spent:.1f} s", flush=True)
    if arguments.out:
        with open(arguments.out, "w") as file:
            json.dump(rows, file)
    if arguments.against:
        with open(arguments.against) as file:
            other = json.load(file)
        print(f"{sum(a == b for a, b in zip(rows, other))} of {len(rows)} requests as in {arguments.against}")
    if not calls() or calls() % SIZES["num_hidden_layers"]:
        is_right = False
        print(f"{calls()} calls for {SIZES['num_hidden_layers']} layers")
    if not arguments.untimed:
        rate, seconds = speed(engine, draw, arguments.lock)
        print(f"{arguments.attention}: {rate:.0f} tokens/s ({', '.join(f'{s:.2f}' for s in seconds)} s)", flush=True)
    sys.stdout.flush()
    os._exit(0 if is_right else 1)  # the engine's own end waits for a process group


if __name__ == "__main__":
    main()
