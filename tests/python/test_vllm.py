"""vLLM's backend on the simulator, for the cache layouts of 0.24, 0.26 and 0.33, against attention in doubles.

What the backend imports of vLLM is stood in for, unless --installed says that vLLM is there (0.26 was tried); metadata
is made as vLLM makes it.
"""

import enum
import sys
import types
import unittest

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

from support import simulated

HEADS, KV_HEADS, DIM, PAGE, BLOCKS = 4, 2, 32, 16, 9
REGISTERED = {}


def stand_in(name, **members):
    sys.modules[name] = module = types.ModuleType(name)
    vars(module).update(members)


class Base:
    """vLLM's builder keeps what it is made of."""

    def __init__(self, kv_cache_spec, layer_names, vllm_config, device):
        self.kv_cache_spec, self.layer_names = kv_cache_spec, layer_names
        self.vllm_config, self.device = vllm_config, device


class MultipleOf:
    def __init__(self, base):
        self.base = base


def stand_in_for_all():
    for package in ("vllm", "vllm.v1", "vllm.v1.attention", "vllm.v1.attention.backends"):
        stand_in(package, __path__=[])
    stand_in(
        "vllm.v1.attention.backend", AttentionBackend=object, AttentionImpl=object, AttentionMetadataBuilder=Base,
        AttentionCGSupport=enum.Enum("AttentionCGSupport", "NEVER UNIFORM_BATCH ALWAYS"), MultipleOf=MultipleOf,
    )  # fmt: skip
    stand_in(
        "vllm.v1.attention.backends.registry", AttentionBackendEnum=enum.Enum("AttentionBackendEnum", "CUSTOM"),
        register_backend=lambda member, class_path: REGISTERED.update({member.name: class_path}),
    )  # fmt: skip


if "--installed" in sys.argv:
    sys.argv.remove("--installed")
    from vllm.v1.attention.backends.registry import AttentionBackendEnum
else:
    stand_in_for_all()

from flashjit import UnsupportedError, vllm  # noqa: E402
from test_flash_attn import attend  # noqa: E402

vllm.PLANS._context = simulated()


def caches():
    """Each layout's tensor, with K and V of it as [blocks][block size][KV heads][dim]."""
    whole = torch.full((BLOCKS, 2, PAGE, KV_HEADS, DIM), float("nan")).bfloat16()
    halves = torch.full((BLOCKS, KV_HEADS, PAGE, 2 * DIM), float("nan")).bfloat16()
    rows = halves.transpose(1, 2)
    return {
        "0.24": (whole, whole[:, 0], whole[:, 1]),
        "0.26 and 0.33": (halves, rows[..., :DIM], rows[..., DIM:]),
    }


def make(layers, dtype="auto", **features):
    """Layers of one kind, and the builder of their group."""
    impls = {f"layer {i}": vllm.Impl(HEADS, DIM, DIM**-0.5, KV_HEADS, kv_cache_dtype=dtype, **features)
             for i in range(layers)}  # fmt: skip
    config = types.SimpleNamespace(
        compilation_config=types.SimpleNamespace(
            static_forward_context={name: types.SimpleNamespace(impl=impl) for name, impl in impls.items()}
        ),
        scheduler_config=types.SimpleNamespace(max_num_seqs=4, max_num_batched_tokens=64),
        model_config=types.SimpleNamespace(dtype=torch.bfloat16, max_model_len=64),
    )
    spec = types.SimpleNamespace(block_size=PAGE)
    return list(impls.values()), vllm.Builder(spec, list(impls), config, "cpu")


class Step:
    """Requests of some new tokens on KV that is there before; one more token pads the batch, as a graph's does."""

    TABLE = torch.tensor([[6, 0, 3], [5, 2, 7], [8, 1, 4]], dtype=torch.int32)

    def __init__(self, q_lens=(1, 5, 20), kv_lens=(39, 33, 20)):
        self.q_lens, self.kv_lens = q_lens, kv_lens
        self.tokens = sum(q_lens)
        draw = lambda *shape: torch.randn(shape).bfloat16()  # noqa: E731
        self.q = draw(self.tokens + 1, HEADS, DIM)
        self.k, self.v = ([draw(n, KV_HEADS, DIM) for n in kv_lens] for _ in "kv")
        slots = [self.TABLE[r, t // PAGE] * PAGE + t % PAGE for r, q, kv in self.requests() for t in range(kv - q, kv)]
        self.common = types.SimpleNamespace(
            query_start_loc=torch.tensor([0, *q_lens]).cumsum(0).int(),
            seq_lens=torch.tensor(kv_lens, dtype=torch.int32),
            num_reqs=len(q_lens),
            num_actual_tokens=self.tokens,
            max_query_len=max(q_lens),
            max_seq_len=max(kv_lens),
            block_table_tensor=self.TABLE,
            slot_mapping=torch.tensor([*slots, -1], dtype=torch.int64),
            causal=True,
        )

    def requests(self):
        return [(r, q, kv) for r, (q, kv) in enumerate(zip(self.q_lens, self.kv_lens))]

    def fill(self, k, v):
        """What steps before have written."""
        for r, q, kv in self.requests():
            for token in range(kv - q):
                block, place = int(self.TABLE[r, token // PAGE]), token % PAGE
                k[block, place], v[block, place] = self.k[r][token], self.v[r][token]

    def new(self, states):
        rows = [states[r][kv - q :] for r, q, kv in self.requests()]
        return torch.cat([*rows, rows[0][:1]])

    def right(self, **options):
        """attend's left is of tokens beside the query token's own."""
        begins = self.common.query_start_loc.tolist()
        queries = [self.q[begin:end] for begin, end in zip(begins, begins[1:])]
        return torch.cat([attend(q, k, v, **options) for q, k, v in zip(queries, self.k, self.v)])


class Forward(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def run_layers(self, impls, builder, step, cache, layer=None, **more):
        """The last layer's output."""
        metadata = builder.build(0, step.common)
        for impl in impls:
            output = torch.full((step.tokens + 1, HEADS * DIM), float("nan")).bfloat16()
            given = impl.forward(
                layer, step.q.flatten(1), step.new(step.k), step.new(step.v), cache, metadata, output, **more
            )
            self.assertIs(given, output)
        return output[: step.tokens].view(-1, HEADS, DIM)

    def expect(self, found, right, most=0.03):
        self.assertLess(float((found.double() - right).abs().max()), most)

    def test_cache_layouts(self):
        for version, (cache, k, v) in caches().items():
            with self.subTest(version):
                step, before = Step(), simulated().runs
                step.fill(k, v)
                impls, builder = make(2)
                found = self.run_layers(impls, builder, step, cache)
                self.expect(found, step.right())
                self.assertEqual(simulated().runs - before, 4, "an append and attention of two layers")
                self.assertEqual(len(builder.workspaces.made), 1)
                for states, new in ((k, step.k), (v, step.v)):
                    self.assertTrue(torch.equal(states[6, :7], new[0][:7]), "what was there")
                    self.assertTrue(torch.equal(states[3, 6], new[0][38]), "what is new")

    def test_what_layers_have(self):
        sinks = torch.tensor([0.5, -1.0, 2.0, 0.0]).bfloat16()
        for features, options in (
            ({"sliding_window": 8}, {"left": 7}),
            ({"logits_soft_cap": 5.0}, {"softcap": 5.0}),
            ({"sinks": sinks}, {"sinks": sinks}),
            ({"alibi_slopes": [0.5, 0.25, 0.125, 0.0625]}, {"slopes": [0.5, 0.25, 0.125, 0.0625]}),
        ):
            with self.subTest(features):
                step, (cache, k, v) = Step(), caches()["0.24"]
                step.fill(k, v)
                self.expect(self.run_layers(*make(1, **features), step, cache), step.right(**options))

    def test_caches_of_8_bits(self):
        layer = types.SimpleNamespace(_k_scale_float=0.5, _v_scale_float=0.25)
        step = Step((3, 30, 9), (3, 30, 9))
        cache = torch.zeros(BLOCKS, 2, PAGE, KV_HEADS, DIM, dtype=torch.uint8)
        self.expect(self.run_layers(*make(1, "fp8_e4m3"), step, cache, layer), step.right(), 0.25)
        self.assertGreater(len(cache.unique()), 100)

    def test_caches_of_16_bits_have_their_own_type(self):
        """Whatever the model's is, which is bf16 here; they have no scales."""
        for name, dtype in (("auto", torch.bfloat16), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
            with self.subTest(name):
                step = Step((3, 30, 9), (3, 30, 9))
                cache = torch.zeros(BLOCKS, 2, PAGE, KV_HEADS, DIM, dtype=dtype)
                self.expect(self.run_layers(*make(1, name), step, cache), step.right())
                self.assertTrue(torch.equal(cache[6, 0, :3], step.k[0].to(dtype)))

    def test_decode_steps_keep_their_place(self):
        """Of a graph: the same kernel and memory for each batch of single tokens."""
        impls, builder = make(1)
        cache, k, v = caches()["0.26 and 0.33"]
        places = set()
        for kv_lens in ((39, 33, 20), (1, 2, 40)):
            step = Step((1, 1, 1), kv_lens)
            step.fill(k, v)
            self.expect(self.run_layers(impls, builder, step, cache), step.right())
            places |= {workspace.struct.memory for workspace in builder.workspaces.made.values()}
        self.assertEqual(len(places), 1)

    def test_shared_kv_is_not_written(self):
        step, (cache, k, v) = Step(), caches()["0.24"]
        impls, builder = make(1, kv_sharing_target_layer_name="layer 0")
        before, runs = cache.clone(), simulated().runs
        self.run_layers(impls, builder, step, cache)
        self.assertTrue(torch.equal(cache.view(torch.int16), before.view(torch.int16)))
        self.assertEqual(simulated().runs - runs, 1)

    def test_profiling_gives_zeros(self):
        output = torch.ones(3, HEADS * DIM)
        self.assertEqual(float(make(1)[0][0].forward(None, None, None, None, None, None, output).abs().max()), 0)


class Asked(unittest.TestCase):
    def test_registration(self):
        vllm.register()
        vllm.register()
        found = REGISTERED or {"CUSTOM": AttentionBackendEnum.CUSTOM.get_path()}
        self.assertEqual(found, {"CUSTOM": "flashjit.vllm.Backend"})
        self.assertIs(vllm.Backend.get_impl_cls(), vllm.Impl)
        self.assertIs(vllm.Backend.get_builder_cls(), vllm.Builder)
        self.assertEqual(vllm.Backend.get_kv_cache_shape(3, 16, 2, 64), (3, 2, 16, 2, 64))
        self.assertEqual([vllm.Backend.supports_head_size(n) for n in (24, 64, 100, 256)], [False, True, False, True])

    def test_refusals(self):
        with self.assertRaisesRegex(UnsupportedError, "attn_type is 'encoder'; allowed: 'decoder'"):
            make(1, attn_type="encoder")
        impls, builder = make(1)
        step = Step()
        step.common.causal = torch.tensor([True])
        with self.assertRaisesRegex(UnsupportedError, "requests differ"):
            builder.build(0, step.common)
        with self.assertRaisesRegex(UnsupportedError, r"the cache has shape \[2, 3\]"):
            impls[0]._split(torch.zeros(2, 3))
        with self.assertRaisesRegex(UnsupportedError, "quantised"):
            impls[0].forward(None, None, None, None, None, None, None, output_scale=torch.ones(1))


if __name__ == "__main__":
    unittest.main()
