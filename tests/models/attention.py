#!/usr/bin/env python3
"""Models of transformers with their attention replaced by flashjit, through the Python package.

For each model, logits of a prompt and of tokens decoded after it are held against those of float32 with eager
attention: the error with flashjit may be at most 1.5 times that of the library's own bf16 attention. Weights are
random.

    python3 tests/models/attention.py --library build/release/libflashjit.so [--quick]

It needs torch, transformers 4.56 or later and a GPU; with --simulated no GPU: then the models are tiny.
"""

import argparse
import os
import sys
import time
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tools/python"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
sys.dont_write_bytecode = True  # no files among the sources
warnings.simplefilter("ignore", FutureWarning)  # of names that later versions of transformers have

try:
    import torch
    import transformers
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

import models

MOST_RATIO = 1.5
FEATURES = {"window": "window_left", "chunk": "chunk", "softcap": "softcap", "sinks": "sinks"}
NAME = "jit"  # with "flash" in it some models would take another


class Variant:
    """How a batch comes: pieces of its prompts, the cache, and what pads them."""

    def __init__(self, name, pieces=1, cache=None, padding=None, is_packed=False):
        self.name = name
        self.pieces = pieces
        self.cache = cache
        self.padding = padding
        self.is_packed = is_packed


VARIANTS = [
    Variant("whole cache, 2 pieces", pieces=2, cache="whole"),
    Variant("own cache, left padding", cache="own", padding="left"),
    Variant("whole cache, left padding, ragged", cache="whole", padding="left", is_packed=True),
    Variant("no cache, right padding, ragged", padding="right", is_packed=True),
]


# ------------------------------------------------------------------------------------------------------ one batch


def draw_batch(variant, prompt, decode, device, seed):
    """Token ids, and which of them are no padding or None. The second request is a third shorter than the first."""
    generator = torch.Generator().manual_seed(seed)
    tokens = prompt + (decode if variant.cache else 0)
    ids = torch.randint(3, models.COMMON["vocab_size"], (2, tokens), generator=generator)
    if not variant.padding:
        return ids.to(device), None
    valid = torch.ones_like(ids, dtype=torch.bool)
    if variant.padding == "left":
        valid[1, : prompt // 3] = False
    else:
        valid[1, prompt - prompt // 3 :] = False
    return ids.to(device), valid.to(device)


def ranges_of(variant, prompt, decode):
    """Which tokens each forward takes."""
    ends = [prompt * (i + 1) // variant.pieces for i in range(variant.pieces)]
    if variant.cache:
        ends += [prompt + 1 + i for i in range(decode)]
    return list(zip([0, *ends], ends))


def new_cache(variant, config):
    if variant.cache == "own":
        return transformers.DynamicCache(config=config)
    return transformers.DynamicCache() if variant.cache == "whole" else None


def logits_of(model, variant, ids, valid, ranges):
    """[the prompt's, those of decoded tokens]: logits of all tokens that are no padding, in float64."""
    cache = new_cache(variant, model.config)
    found = {"prefill": [], "decode": []}
    for begin, end in ranges:
        arguments = {"input_ids": ids[:, begin:end], "past_key_values": cache, "use_cache": cache is not None}
        rows = torch.ones_like(ids[:, begin:end], dtype=torch.bool)
        if valid is not None:
            positions = (valid[:, :end].cumsum(dim=1) - 1).clamp(min=0)
            arguments.update(attention_mask=valid[:, :end].long(), position_ids=positions[:, begin:])
            rows = valid[:, begin:end]
        logits = model(**arguments).logits
        is_decode = variant.cache and end - begin == 1
        found["decode" if is_decode else "prefill"].append(logits[rows].double())
    return {phase: torch.cat(parts) for phase, parts in found.items() if parts}


def error_of(logits, exact):
    return float((logits - exact).norm() / exact.norm())


# ------------------------------------------------------------------------------------------------------- one model


class Comparison:
    def __init__(self, attention, device, size, seed):
        self.attention = attention
        self.device = device
        self.size = size
        self.seed = seed

    def build(self, model):
        self.model = model
        self.exact, self.rounded = models.build(model, self.size, self.device, self.seed)
        self.default = self.rounded.config._attn_implementation

    def _logits(self, model, implementation, batch):
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            return logits_of(model, *batch)

    def _replaced(self, batch):
        """What no launch of flashjit has made, or one with a fault, is an error."""
        context = self.attention.plans.context
        before = context.runs
        logits = self._logits(self.rounded, NAME, batch)
        layers, forwards = self.rounded.config.num_hidden_layers, len(batch[-1])
        if context.runs - before != layers * forwards:
            raise RuntimeError(f"{context.runs - before} launches for {layers} layers and {forwards} forwards")
        if self.attention.plans.faults():
            raise RuntimeError(f"plans have faults: {self.attention.plans.faults()}")
        return logits

    def run(self, variant):
        """Rows of (phase, tokens, own error, flashjit's error)."""
        prompt, decode = self.model.prompt_of(self.size), models.SIZES[self.size]["decode"]
        batch = (
            variant,
            *draw_batch(variant, prompt, decode, self.device, self.seed),
            ranges_of(variant, prompt, decode),
        )
        self.attention.packed = variant.is_packed
        replaced = self._replaced(batch)
        exact = self._logits(self.exact, "eager", batch)
        # The library's default, or eager where that is closer: its sdpa path leaves out Gemma 2's softcap.
        own = [self._logits(self.rounded, name, batch) for name in {"eager", self.default}]
        for phase, logits in exact.items():
            own_error = min(error_of(mine[phase], logits) for mine in own)
            yield phase, len(logits), own_error, error_of(replaced[phase], logits)


# --------------------------------------------------------------------------------------------------------- the table


class Table:
    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        print(f"{'model':16} {'batch':34} {'phase':8} {'tokens':>6} {'own bf16':>9} {'flashjit':>9} {'ratio':>6}")

    def _line(self, model, variant, text, result):
        self.counts[result] += 1
        print(f"{model.name:16} {variant.name:34} {text} {result}", flush=True)

    def compared(self, model, variant, row):
        phase, tokens, own, error = row
        ratio = error / own if own > 0 else float("inf")
        numbers = f"{phase:8} {tokens:6} {own:9.2e} {error:9.2e} {ratio:6.2f}"
        self._line(model, variant, numbers, "passed" if ratio <= MOST_RATIO else "failed")

    def skipped(self, model, variant, reason):
        self._line(model, variant, f"{reason}:", "skipped")

    def broken(self, model, variant, reason):
        self._line(model, variant, f"{reason}:", "failed")

    def close(self, seconds, is_strict):
        text = ", ".join(f"{count} {result}" for result, count in self.counts.items())
        print(f"# {seconds:.0f} s", f"{text}", sep="\n")
        return self.counts["failed"] == 0 and self.counts["passed"] > 0 and not (is_strict and self.counts["skipped"])


def compare_model(comparison, model, variants, table):
    comparison.build(model)
    for variant in variants:
        try:
            for row in comparison.run(variant):
                table.compared(model, variant, row)
        except flashjit().UnsupportedError as reason:
            table.skipped(model, variant, reason)
        except Exception as reason:  # the other models are still worth seeing
            table.broken(model, variant, f"{type(reason).__name__}: {reason}")


# ---------------------------------------------------------------------------------------------------------- command


def flashjit():
    """The package, once the command has said which library it takes."""
    import flashjit

    return flashjit


def register(without):
    import flashjit.transformers as integration

    class Without(integration.Needs):
        """Without a feature: the comparison must notice."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            for feature in without:
                self.axes.pop(FEATURES[feature], None)
                self.numbers.pop(feature, None)

    integration.Needs = Without
    return integration.register()


def arguments_of_command():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True, help="path of libflashjit.so")
    parser.add_argument("--quick", action="store_true", help="a model of each family, windows and chunks of 256")
    parser.add_argument("--simulated", action="store_true", help="on the simulator beside the library; tiny models")
    parser.add_argument("--model", default="", help="only models with this in their names")
    parser.add_argument("--batch", default="", help="only batches with this in their names")
    without = {"action": "append", "default": [], "choices": list(FEATURES)}
    parser.add_argument("--without", **without, help="leave out: it must fail then")
    parser.add_argument("--strict", action="store_true", help="what is skipped counts as failed")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def chosen(arguments):
    is_small = arguments.quick or arguments.simulated
    every = [model for model in models.MODELS if not is_small or model.name in models.QUICK]
    return (
        [model for model in every if arguments.model.lower() in model.name.lower()],
        [variant for variant in VARIANTS if arguments.batch in variant.name],
    )


def set_up(arguments, without=()):
    """The attention, registered; the device and the sizes that the command's arguments choose."""
    if not arguments.simulated and not torch.cuda.is_available():
        sys.exit("there is no GPU: --simulated runs tiny models on the simulator")
    os.environ["FLASHJIT_LIBRARY"] = os.path.abspath(arguments.library)
    if arguments.simulated:
        os.environ["FLASHJIT_DRIVER"] = "sim"
    place = "simulated" if arguments.simulated else torch.cuda.get_device_name()
    size = "tiny" if arguments.simulated else "quick" if arguments.quick else "full"
    torch.set_float32_matmul_precision("highest")
    print(f"# {place}, torch {torch.__version__}, transformers {transformers.__version__}, {size} sizes")
    return register(without), "cpu" if arguments.simulated else "cuda", size


def main():
    arguments = arguments_of_command()
    attention, device, size = set_up(arguments, arguments.without)
    begin = time.monotonic()
    comparison = Comparison(attention, device, size, arguments.seed)
    table = Table()
    chosen_models, variants = chosen(arguments)
    for model in chosen_models:
        compare_model(comparison, model, variants, table)
    sys.exit(0 if table.close(time.monotonic() - begin, arguments.strict) else 1)


if __name__ == "__main__":
    main()
