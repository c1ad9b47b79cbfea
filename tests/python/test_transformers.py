"""transformers on flashjit: tiny random models on the simulator. Exits with 77 where there is none."""

import logging
import os
import sys
import unittest
from unittest import mock

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
try:
    import torch
    import transformers
except ImportError as reason:
    print(f"skipped: {reason}")
    sys.exit(77)

import flashjit
import flashjit.transformers as integration
from support import simulated

logging.disable(logging.ERROR)
LAYERS, TOKENS = 2, 4
SIZES = {
    "hidden_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "vocab_size": 64, "intermediate_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}


def model_of(config, implementation="eager"):
    torch.manual_seed(0)
    arguments = {"dtype": torch.bfloat16, "attn_implementation": implementation}
    return transformers.AutoModelForCausalLM.from_config(config, **arguments).eval()


class Models(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.attention = integration.register(simulated())
        cls.model = model_of(transformers.Qwen3Config(**SIZES))
        cls.ids = torch.randint(3, 64, (2, 9), generator=torch.Generator().manual_seed(1))
        cls.mask = torch.ones_like(cls.ids)
        cls.mask[1, :3] = 0  # left padding

    def generate(self, model, name, requests=2, **options):
        """Logits of the new tokens and the number of launches."""
        model.set_attn_implementation(name)
        self.assertEqual(model.config._attn_implementation, name)
        before = simulated().runs
        arguments = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": -1, "disable_compile": True}
        rows = {"inputs": self.ids[:requests], "attention_mask": self.mask[:requests]}
        with torch.no_grad():
            found = model.generate(
                **rows, **arguments, return_dict_in_generate=True, output_logits=True, **options
            )
        return torch.stack(found.logits), simulated().runs - before

    def expect_equal(self, model, name, **options):
        right, none = self.generate(model, "eager", **options)
        found, runs = self.generate(model, name, **options)
        self.assertEqual((none, runs), (0, LAYERS * TOKENS))
        for request in range(found.shape[1]):
            self.expect_equal_tokens(found[:, request], right[:, request])

    def expect_equal_tokens(self, found, right):
        """Of one request; from a token on for which two have all but the same logit, the texts may differ."""
        for one, other in zip(found.float(), right.float()):
            error = float((one - other).abs().max())
            self.assertLess(float((one - other).norm() / other.norm()), 0.02)
            if one.argmax() != other.argmax():
                best = other.topk(2).values
                self.assertLessEqual(float(best[0] - best[1]), 4 * error)
                return
        self.assertEqual(self.attention.plans.faults(), [])

    def test_generate(self):
        for name in ("flashjit", "jit"):
            with self.subTest(name):
                self.expect_equal(self.model, name)

    def test_generate_of_one_request(self):
        """The strides of its K are not in the order of its extents."""
        self.expect_equal(self.model, "flashjit", requests=1)

    def test_a_static_cache_has_more_keys_than_tokens(self):
        self.expect_equal(self.model, "flashjit", cache_implementation="static")

    def test_a_mask_that_is_made_is_kept(self):
        """Of a static cache generate makes it, and Llama hands it on to be made."""
        first = integration.make_forward(2, 1, 64, q_offset=9)
        self.assertIs(integration.make_forward(2, 1, 64, q_offset=9, attention_mask=first), first)
        self.expect_equal(model_of(transformers.LlamaConfig(**SIZES)), "flashjit", cache_implementation="static")

    def test_windows_and_sinks_by_the_name_without_flash(self):
        config = transformers.GptOssConfig(num_local_experts=2, num_experts_per_tok=2, **SIZES, **SLIDING)
        model = model_of(config)
        with torch.no_grad():
            for layer in model.model.layers:
                layer.self_attn.sinks.copy_(torch.tensor([1.0, 3.0, -1.0, 0.0]))
        self.expect_equal(model, "jit")

    def test_tokens_after_right_padding(self):
        """What the cache holds of a request then has a hole."""
        mask = torch.ones(2, 9, dtype=torch.long)
        mask[1, 5:8] = 0
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = {}
        for name in ("eager", "flashjit"):
            self.model.set_attn_implementation(name)
            cache, rows = transformers.DynamicCache(), []
            for begin, end in ((0, 8), (8, 9)):
                piece = {"input_ids": self.ids[:, begin:end], "attention_mask": mask[:, :end]}
                with torch.no_grad():
                    found = self.model(**piece, position_ids=positions[:, begin:end], past_key_values=cache).logits
                rows.append(found[mask[:, begin:end].bool()])
            logits[name] = torch.cat(rows)
        error = (logits["flashjit"] - logits["eager"]).norm() / logits["eager"].norm()
        self.assertLess(float(error), 0.02)

    def test_continuous_batching(self):
        try:
            import psutil  # noqa: F401, without which transformers sees no memory on a CPU
        except ImportError:
            self.skipTest("there is no psutil")
        prompts = [self.ids[0].tolist(), self.ids[1, 3:].tolist()]
        options = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": -1, "pad_token_id": 0}
        generation = transformers.GenerationConfig(**options)
        sizes = {"num_blocks": 16, "max_batch_tokens": 64, "block_size": 4}
        tokens = {}
        for name in ("paged|sdpa", "paged|flashjit", "paged|jit"):
            self.model.set_attn_implementation(name)
            before = simulated().runs
            found = self.model.generate_batch(
                inputs=prompts,
                generation_config=generation,
                continuous_batching_config=transformers.ContinuousBatchingConfig(**sizes),
                progress_bar=False,
            )
            tokens[name] = [result.generated_tokens for result in found.values()]
            self.assertEqual(simulated().runs - before, 0 if name == "paged|sdpa" else LAYERS * TOKENS)
            self.assertEqual(tokens[name], tokens["paged|sdpa"])
        self.assertEqual(self.attention.plans.faults(), [])

    def test_a_graph_has_its_own_plans(self):
        """Continuous batching runs a step before its capture, with the same arguments."""
        attention = integration.Attention(simulated())
        states = [torch.zeros(1, heads, 2, 32, dtype=torch.bfloat16) for heads in (4, 2)]
        others = {"write_index": [], "cu_seq_lens_q": torch.tensor([0, 2]), "max_seqlen_q": 2, "max_seqlen_k": 2}
        arguments = ({"index": "csr"}, {"kv_indptr": torch.tensor([0, 2])}, None, others)
        plans = []
        for capture in (0, 0, 7, 7, 8):
            with mock.patch.object(integration, "capture_of", lambda context, capture=capture: capture):
                plans.append(attention._paged_plan(states[0], states[1], states[1], *arguments))
        self.assertEqual([plans.index(plan) for plan in plans], [0, 0, 2, 2, 4])

    def test_nothing_falls_back_in_silence(self):
        self.model.set_attn_implementation("flashjit")
        packed = torch.tensor([[0, 1, 2, 0, 1, 2, 3, 4, 5]])
        with self.assertRaisesRegex(flashjit.UnsupportedError, "packed_sequence"), torch.no_grad():
            self.model(self.ids[:1], position_ids=packed, use_cache=False)
        with self.assertRaisesRegex(flashjit.UnsupportedError, "a Tensor as mask"), torch.no_grad():
            self.model(self.ids, attention_mask=torch.ones(2, 1, 9, 9, dtype=torch.bool).tril())
        self.model.train()
        self.model.config.attention_dropout = 0.5
        for layer in self.model.model.layers:
            layer.self_attn.attention_dropout = 0.5
        with self.assertRaisesRegex(flashjit.UnsupportedError, "dropout is 0.5"):
            self.model(self.ids)
        self.model.eval()


if __name__ == "__main__":
    unittest.main()
