"""vLLM's backend for latent attention on the simulator, against attention in doubles.

vLLM itself is not there: what the backend imports of it is stood in for, and calls are made as vLLM 0.24 makes them.
"""

import enum
import os
import types
import unittest
from dataclasses import dataclass
from unittest import mock

import test_vllm
from test_vllm import REGISTERED, stand_in

import torch
from support import simulated

HEADS, LATENT, ROTATED, PAGE, BLOCKS = 4, 64, 32, 16, 9
DIM = LATENT + ROTATED


class CommonBuilder:
    def __init__(self, kv_cache_spec, layer_names, vllm_config, device, metadata_cls):
        self.num_heads = HEADS
        self.mla_dims = types.SimpleNamespace(kv_lora_rank=LATENT, qk_rope_head_dim=ROTATED)


class CommonImpl:
    def __init__(self, num_heads, head_size, scale, num_kv_heads, slopes, window, kv_cache_dtype, *others, **latents):
        self.scale, self.kv_cache_dtype, self.supports_quant_query_input = scale, kv_cache_dtype, True
        self.kv_lora_rank = latents["kv_lora_rank"]


@dataclass
class CommonDecodeMetadata:
    block_table: object
    seq_lens: object
    dcp_tot_seq_lens: object


for package in ("vllm.model_executor", "vllm.model_executor.layers", "vllm.model_executor.layers.attention"):
    stand_in(package, __path__=[])
stand_in(
    "vllm.model_executor.layers.attention.mla_attention", MLACommonBackend=object, MLACommonImpl=CommonImpl,
    MLACommonDecodeMetadata=CommonDecodeMetadata, MLACommonMetadata=object, MLACommonMetadataBuilder=CommonBuilder,
    QueryLenSupport=enum.Enum("QueryLenSupport", "SINGLE_ONLY UNIFORM VARLEN"),
)  # fmt: skip

from flashjit import UnsupportedError, vllm, vllm_mla  # noqa: E402
from test_flash_attn import attend  # noqa: E402


def new_impl(dtype="auto", **features):
    given = {"alibi_slopes": None, "sliding_window": None, "logits_soft_cap": None, "attn_type": "decoder", **features}
    return vllm_mla.Impl(HEADS, DIM, DIM**-0.5, 1, kv_cache_dtype=dtype, kv_sharing_target_layer_name=None,
                         kv_lora_rank=LATENT, **given)  # fmt: skip


def new_builder(impl):
    config = types.SimpleNamespace(
        compilation_config=types.SimpleNamespace(static_forward_context={"0": types.SimpleNamespace(impl=impl)}),
        scheduler_config=types.SimpleNamespace(max_num_seqs=4, max_num_batched_tokens=64),
        model_config=types.SimpleNamespace(dtype=torch.bfloat16, max_model_len=64),
    )
    return vllm_mla.Builder(types.SimpleNamespace(block_size=PAGE), ["0"], config, "cpu")


def build(builder, q_lens, kv_lens):
    """Of the decode part of a step, by names, as vLLM calls it."""
    ends = torch.tensor([0, *q_lens]).cumsum(0).int()
    decode = builder._build_decode(
        block_table_tensor=test_vllm.Step.TABLE[: len(q_lens)], seq_lens_device=torch.tensor(kv_lens).int(),
        max_seq_len=max(kv_lens), query_start_loc_cpu=ends, query_start_loc_device=ends,
        num_decode_tokens=sum(q_lens), dcp_tot_seq_lens_device=None,
    )  # fmt: skip
    return types.SimpleNamespace(decode=decode)


class Latents(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def fill(self, kv_lens, dtype=torch.bfloat16):
        """A cache, NaN but for the tokens of the requests, and these tokens in 16 bits."""
        cache = torch.full((BLOCKS, PAGE, DIM), float("nan")).to(dtype)
        rows = [torch.randn(n, DIM).to(dtype) for n in kv_lens]
        for r, tokens in enumerate(rows):
            for t, token in enumerate(tokens):
                cache[int(test_vllm.Step.TABLE[r, t // PAGE]), t % PAGE] = token
        return cache, [tokens.bfloat16() for tokens in rows]

    def right(self, q, rows, q_lens, scale=1.0):
        """Of keys and values that are stored divided by a scale."""
        found = [attend(part, row[:, None], row[:, None, :LATENT], scale=scale * DIM**-0.5)
                 for part, row in zip(q.split(q_lens), rows)]  # fmt: skip
        return scale * torch.cat(found)

    def test_decode_of_all_lengths(self):
        for q_lens, kv_lens in (([1, 1, 1], [39, 33, 20]), ([1, 5, 2], [39, 33, 20])):
            with self.subTest(q_lens=q_lens):
                impl, (cache, rows) = new_impl(), self.fill(kv_lens)
                step, before = build(new_builder(impl), q_lens, kv_lens), simulated().runs
                q = torch.randn(sum(q_lens), HEADS, DIM).bfloat16()
                found, lse = impl.forward_mqa((q[..., :LATENT], q[..., LATENT:]), cache, step, None)
                whole, _ = impl.forward_mqa(q, cache, step, None)
                self.assertIsNone(lse)
                self.assertLess(float((found.double() - self.right(q, rows, q_lens)).abs().max()), 0.03)
                self.assertTrue(torch.equal(found, whole))
                self.assertEqual(simulated().runs - before, 2)

    def test_cache_of_e4m3(self):
        impl, (cache, rows) = new_impl("fp8"), self.fill([39, 33], torch.float8_e4m3fn)
        step, q = build(new_builder(impl), [1, 1], [39, 33]), torch.randn(2, HEADS, DIM).bfloat16()
        layer = types.SimpleNamespace(_k_scale_float=0.5)
        found, _ = impl.forward_mqa(q, cache.view(torch.uint8), step, layer)
        self.assertLess(float((found.double() - self.right(q, rows, [1, 1], 0.5)).abs().max()), 0.03)
        self.assertFalse(impl.supports_quant_query_input)

    def test_caches_of_16_bits_have_their_own_type(self):
        """Whatever the model's is, which is bf16 here; they have no scales."""
        for name, dtype in (("auto", torch.bfloat16), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
            with self.subTest(name):
                impl, (cache, rows) = new_impl(name), self.fill([39, 33], dtype)
                q = torch.randn(2, HEADS, DIM).bfloat16()
                found, _ = impl.forward_mqa(q, cache, build(new_builder(impl), [1, 1], [39, 33]), None)
                self.assertLess(float((found.double() - self.right(q, rows, [1, 1])).abs().max()), 0.03)

    def test_decode_steps_keep_their_place(self):
        impl, places = new_impl(), set()
        builder = new_builder(impl)
        for kv_lens in ([39, 33, 20], [1, 2, 40]):
            decode = build(builder, [1, 1, 1], kv_lens).decode
            places.add((decode.kernel, decode.workspace.struct.memory))
        self.assertEqual(len(places), 1)

    def test_refusals(self):
        for name, value in (("sliding_window", 9), ("logits_soft_cap", 5.0), ("alibi_slopes", [1.0])):
            with self.assertRaisesRegex(UnsupportedError, f"{name} is .*; it is not supported"):
                new_impl(**{name: value})
        with self.assertRaisesRegex(UnsupportedError, "attn_type is 'encoder'; allowed: 'decoder'"):
            new_impl(attn_type="encoder")

    def test_registration(self):
        """CUSTOM is the one or the other."""
        for plugins, path in (("", "Backend"), ("flashjit", "Backend"), ("flashjit_mla", "Mla")):
            REGISTERED.clear()
            with mock.patch.dict(os.environ, {"VLLM_PLUGINS": plugins}):
                if plugins != "flashjit_mla":
                    vllm.register()
                vllm.register_mla()
            right = "flashjit.vllm_mla.Backend" if path == "Mla" else "flashjit.vllm.Backend"
            self.assertEqual(REGISTERED, {"CUSTOM": right})
        self.assertIs(vllm_mla.Backend.get_impl_cls(), vllm_mla.Impl)
        self.assertIs(vllm_mla.Backend.get_builder_cls(), vllm_mla.Builder)


if __name__ == "__main__":
    unittest.main()
