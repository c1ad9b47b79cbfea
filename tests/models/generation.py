#!/usr/bin/env python3
"""Models of transformers that generate with flashjit: generate, a decode step in a CUDA graph, continuous batching.

Weights are random. Every token is held against float32 with eager attention on the same text: it must be the likeliest
one wherever the likeliest is ahead of the next by more than four times the error that bf16 with the library's own
attention has there. Launches are counted: nothing may fall back in silence.

    python3 tests/models/generation.py --library build/release/libflashjit.so [--quick]

It needs torch, transformers 5.17 or later and a GPU; with --simulated no GPU: then the models are tiny, and no graphs.
"""

import argparse
import sys
import time
import traceback

import attention as common
import models
import torch
import transformers

MARGIN = 4.0
LEAST_TOLD = 0.3  # of the tokens, by margin: else the check says nothing
SIZES = {
    "full": {"prompt": 200, "tokens": 32, "requests": 16},
    "quick": {"prompt": 64, "tokens": 16, "requests": 16},
    "tiny": {"prompt": 9, "tokens": 4, "requests": 3},
}
HOST_WAITS = ("gpt-oss",)  # whose own layers wait for the host, so that no step of theirs can be captured
NAMES = ("Qwen3-8B", "llama-3-8B", "gpt-oss", "gemma-2-9b", "gemma-3-12b")
LLAMA = models.Model("llama-3-8B", "LlamaConfig", **models.heads(32, 8, 128))


class Texts:
    """Prompts and the tokens after them, held against float32."""

    def __init__(self, exact, rounded, default):
        self.exact, self.rounded, self.default = exact, rounded, default
        self.tokens = self.told = self.wrong = 0

    def _logits(self, model, implementation, ids):
        model.set_attn_implementation(implementation)
        return model(input_ids=ids, use_cache=False).logits[0].double()

    def add(self, prompt, generated):
        """prompt and generated: lists of ids."""
        ids = torch.tensor([[*prompt, *generated]], device=self.exact.device)
        rows = slice(len(prompt) - 1, len(prompt) + len(generated) - 1)
        right = self._logits(self.exact, "eager", ids)[rows]
        own = [self._logits(self.rounded, name, ids)[rows] for name in {"eager", self.default}]
        error = torch.stack([(mine - right).square().mean(dim=1).sqrt() for mine in own]).amin(dim=0)
        best = right.topk(2, dim=1)
        is_told = best.values[:, 0] - best.values[:, 1] > MARGIN * error
        is_wrong = is_told & (best.indices[:, 0] != ids[0, len(prompt) :])
        self.tokens += len(generated)
        self.told += int(is_told.sum())
        self.wrong += int(is_wrong.sum())

    def verdict(self):
        """(the numbers, whether they are right)"""
        text = f"{self.tokens:6} {self.told:6} {self.wrong:6}"
        return text, self.wrong == 0 and self.told >= LEAST_TOLD * self.tokens


# --------------------------------------------------------------------------------------------- ways to generate


class Subject:
    """A model, and counts of launches."""

    def __init__(self, model, size, device, attention):
        self.attention, self.device, self.sizes = attention, device, SIZES[size]
        self.exact, self.rounded = models.build(model, size, device, 1)
        self.default = self.rounded.config._attn_implementation
        self.layers = self.rounded.config.num_hidden_layers

    @property
    def runs(self):
        return self.attention.plans.context.runs

    def prompts(self, count):
        """Of different lengths."""
        draw = torch.Generator().manual_seed(1)
        most = self.sizes["prompt"]
        lengths = [most - i * most // (2 * count) for i in range(count)]
        return [torch.randint(3, models.COMMON["vocab_size"], (n,), generator=draw).tolist() for n in lengths]

    def texts(self):
        return Texts(self.exact, self.rounded, self.default)


def padded(prompts, device):
    """Ids and mask, padded on the left."""
    most = max(map(len, prompts))
    ids = torch.tensor([[0] * (most - len(p)) + p for p in prompts], device=device)
    mask = torch.tensor([[0] * (most - len(p)) + [1] * len(p) for p in prompts], device=device)
    return ids, mask


def expect_runs(found, allowed, what):
    if found not in allowed:
        raise RuntimeError(f"{found} launches for {what}")


def forward(subject, what, call):
    """What a forward gives, in which every layer launches once."""
    before = subject.runs
    found = call()
    expect_runs(subject.runs - before, [subject.layers], f"{what} of {subject.layers} layers")
    return found


def generate(subject, **options):
    prompts, tokens = subject.prompts(2), subject.sizes["tokens"]
    ids, mask = padded(prompts, subject.device)
    subject.rounded.set_attn_implementation(common.NAME)
    before = subject.runs
    greedy = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": -1, "disable_compile": True}
    found = subject.rounded.generate(ids, attention_mask=mask, **greedy, **options)
    expect_runs(subject.runs - before, [subject.layers * tokens], f"{subject.layers} layers and {tokens} forwards")
    texts = subject.texts()
    for prompt, row in zip(prompts, found[:, ids.shape[1] :].tolist()):
        texts.add(prompt, row)
    return texts


def generate_static(subject):
    return generate(subject, cache_implementation="static")


class Step:
    """A forward of one token over a static cache, in buffers that a graph can keep."""

    def __init__(self, model, cache, first, begin):
        self.model, self.cache = model, cache
        self.ids = first.clone()
        self.positions = torch.full_like(first, begin)

    def __call__(self):
        """The next token goes to ids, and positions advance."""
        logits = self.model(
            input_ids=self.ids, position_ids=self.positions, past_key_values=self.cache, use_cache=True
        ).logits
        self.ids.copy_(logits[:, -1:].argmax(dim=-1))
        self.positions.add_(1)


def graph(subject):
    """A captured decode step, replayed for all tokens but the first ones: lengths grow between replays."""
    tokens = subject.sizes["tokens"]
    prompts = [subject.prompts(2)[0]] * 2
    prompts[1] = prompts[1][::-1]
    ids, _ = padded(prompts, subject.device)
    subject.rounded.set_attn_implementation(common.NAME)
    cache = transformers.StaticCache(config=subject.rounded.config, max_cache_len=ids.shape[1] + tokens + 1)
    prefill = forward(
        subject, "a prefill", lambda: subject.rounded(input_ids=ids, past_key_values=cache, use_cache=True)
    )
    first = prefill.logits[:, -1:].argmax(dim=-1)
    step, found = Step(subject.rounded, cache, first, ids.shape[1]), [first]

    def replay():
        forward(subject, "a step", step)

    for _ in range(2):  # what is made at first use
        replay()
        found.append(step.ids.clone())
    if subject.device == "cuda":
        torch.cuda.synchronize()
        captured = torch.cuda.CUDAGraph()
        with torch.cuda.graph(captured):
            forward(subject, "a capture", step)
        replay = captured.replay
    while len(found) < tokens:
        replay()
        found.append(step.ids.clone())
    texts = subject.texts()
    for prompt, row in zip(prompts, torch.cat(found, dim=1).tolist()):
        texts.add(prompt, row)
    return texts


def batched(subject, graphs):
    """Continuous batching, of requests of mixed lengths."""
    prompts, tokens = subject.prompts(subject.sizes["requests"]), subject.sizes["tokens"]
    options = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": -1, "pad_token_id": 0}
    sizes = {"num_blocks": 64, "max_batch_tokens": 512, "block_size": 32, "use_cuda_graph": graphs}
    subject.rounded.set_attn_implementation(f"paged|{common.NAME}")
    before = subject.runs
    found = subject.rounded.generate_batch(
        inputs=prompts,
        generation_config=transformers.GenerationConfig(**options),
        continuous_batching_config=transformers.ContinuousBatchingConfig(**sizes),
        progress_bar=False,
    )
    runs = subject.runs - before
    least = subject.layers * (1 if graphs else tokens)  # a replay is counted by nobody
    if runs < least or runs % subject.layers:
        raise RuntimeError(f"{runs} launches for {subject.layers} layers, {tokens} tokens, graphs {graphs}")
    rows = [result.generated_tokens for result in found.values()]
    if [len(row) for row in rows] != [tokens] * len(prompts):
        raise RuntimeError(f"generate_batch gave {[len(row) for row in rows]} tokens of {tokens} each")
    texts = subject.texts()
    for result in found.values():
        texts.add(list(result.prompt_ids), result.generated_tokens)
    return texts


WAYS = {
    "generate": generate,
    "generate, static cache": generate_static,
    "step in a graph": graph,
    "generate_batch": lambda subject: batched(subject, False),
    "generate_batch in graphs": lambda subject: batched(subject, True),
}
ON_GPU_ALONE = ("generate_batch in graphs",)
CAPTURES = ("step in a graph", "generate_batch in graphs")


# ---------------------------------------------------------------------------------------------------- command


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="path of libflashjit.so")
    parser.add_argument("--quick", action="store_true", help="shorter prompts, windows of 256")
    parser.add_argument("--simulated", action="store_true", help="on the simulator beside the library; tiny models")
    parser.add_argument("--model", default="", help="only models with this in their names")
    parser.add_argument("--way", default="", help="only ways with this in their names")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no model later than that")
    return parser.parse_args()


def try_way(subject, name, way):
    """A line of the table; whether it is right."""
    begin = time.monotonic()
    try:
        with torch.no_grad():
            numbers, is_right = way(subject).verdict()
        faults = subject.attention.plans.faults()
        if faults:
            numbers, is_right = f"plans have faults: {faults}", False
    except Exception as error:  # the other ways are still worth seeing
        traceback.print_exc(limit=-6)
        numbers, is_right = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", False
    spent = time.monotonic() - begin
    print(f"{name:26} {numbers} {'right' if is_right else 'WRONG'} ({spent:.1f} s)", flush=True)
    return is_right


def main():
    arguments = parse()
    attention, device, size = common.set_up(arguments)
    ways = {name: way for name, way in WAYS.items() if arguments.way in name}
    begin, results = time.monotonic(), []
    print(f"# margin {MARGIN}: tokens, those told by margin, wrong ones of these")
    for model in [*models.MODELS, LLAMA]:
        if model.name not in NAMES or arguments.model.lower() not in model.name.lower():
            continue
        if time.monotonic() - begin > arguments.seconds:
            print(f"{model.name}: not started, {arguments.seconds:.0f} s are over")
            continue
        subject = Subject(model, size, device, attention)
        for name, way in ways.items():
            if device == "cuda" and name in CAPTURES and model.name in HOST_WAITS:
                print(f"{model.name:12} {name}: left out, its experts wait for the host")
            elif device == "cuda" or name not in ON_GPU_ALONE:
                results.append(try_way(subject, f"{model.name:12} {name}", way))
    print(f"# {results.count(True)} right, {results.count(False)} wrong, {time.monotonic() - begin:.0f} s")
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
