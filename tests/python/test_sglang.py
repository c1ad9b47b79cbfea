"""SGLang's backend on the simulator, by slots and by pages, against attention in doubles.

SGLang itself is not there: what the backend imports of it is stood in for, with a pool and batches as SGLang has them.
"""

import sys
import types
import unittest
from unittest import mock

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

from support import simulated

HEADS, KV_HEADS, DIM, SLOTS, CONTEXT = 4, 2, 32, 160, 64
BACKENDS, CHOICES = {}, []


def stand_in(name, **members):
    sys.modules[name] = module = types.ModuleType(name)
    vars(module).update(members)
    return module


for package in ("sglang", "sglang.srt", "sglang.srt.layers", "sglang.srt.layers.attention"):
    stand_in(package, __path__=[])
stand_in("sglang.srt.layers.attention.base_attn_backend", AttentionBackend=object)
sys.modules["sglang.srt.layers.attention"].attention_registry = stand_in(
    "sglang.srt.layers.attention.attention_registry", ATTENTION_BACKENDS=BACKENDS,
    register_attention_backend=lambda name: lambda make: BACKENDS.setdefault(name, make),
)  # fmt: skip
stand_in("sglang.srt.server_args", add_attention_backend_choices=CHOICES.extend)

from flashjit import UnsupportedError, sglang  # noqa: E402
from test_flash_attn import attend  # noqa: E402

sglang.PLANS._context = simulated()


class Pool:
    """K and V of one layer: [slots][KV heads][dim]."""

    def __init__(self):
        self.k, self.v = (torch.full((SLOTS, KV_HEADS, DIM), float("nan")).bfloat16() for _ in "kv")

    def set_kv_buffer(self, layer, slots, k, v):
        self.k[slots], self.v[slots] = (states.view(-1, KV_HEADS, DIM) for states in (k, v))

    def get_key_buffer(self, layer_id):
        return self.k

    def get_value_buffer(self, layer_id):
        return self.v


class LatentPool:
    """Of one layer: [slots][1][latent and rotated dims]."""

    def __init__(self, dim):
        self.k = torch.full((SLOTS, 1, dim), float("nan")).bfloat16()

    def set_kv_buffer(self, layer, slots, k, v):
        self.k[slots] = k

    def set_mla_kv_buffer(self, layer, slots, latent, rotated):
        self.k[slots] = torch.cat([latent, rotated], -1)

    def get_key_buffer(self, layer_id):
        return self.k


def layer(**more):
    plain = {
        "layer_id": 0, "tp_q_head_num": HEADS, "tp_k_head_num": KV_HEADS, "qk_head_dim": DIM, "v_head_dim": DIM,
        "scaling": DIM**-0.5, "logit_cap": 0.0, "sliding_window_size": -1, "is_cross_attention": False,
        "attn_type": "decoder",
    }  # fmt: skip
    return types.SimpleNamespace(**{**plain, **more})


class Step:
    """A forward of some requests, in rows of the table that are not their own order."""

    ROWS = (3, 0, 2)

    def __init__(self, page_size, q_lens, kv_lens):
        draw = lambda *shape: torch.randn(shape).bfloat16()  # noqa: E731
        self.q_lens, self.pool = q_lens, Pool()
        self.k, self.v = ([draw(n, KV_HEADS, DIM) for n in kv_lens] for _ in "kv")
        self.q = draw(sum(q_lens), HEADS * DIM)
        table = torch.zeros(4, CONTEXT, dtype=torch.int32)
        pages = torch.randperm(SLOTS // page_size).tolist()
        new = []
        for r, (row, q, kv) in enumerate(zip(self.ROWS, q_lens, kv_lens)):
            for token in range(kv):
                page = pages.pop() if token % page_size == 0 else page
                table[row, token] = page * page_size + token % page_size
            slots = table[row, :kv].long()
            self.pool.k[slots[: kv - q]], self.pool.v[slots[: kv - q]] = self.k[r][: kv - q], self.v[r][: kv - q]
            new.append(slots[kv - q :])
        self.runner = types.SimpleNamespace(
            req_to_token_pool=types.SimpleNamespace(req_to_token=table), page_size=page_size,
            model_config=types.SimpleNamespace(context_len=CONTEXT),
        )  # fmt: skip
        is_decode = set(q_lens) == {1}
        self.batch = types.SimpleNamespace(
            forward_mode=types.SimpleNamespace(is_decode=lambda: is_decode), spec_info=None,
            req_pool_indices=torch.tensor(self.ROWS),
            seq_lens=torch.tensor(kv_lens), seq_lens_cpu=torch.tensor(kv_lens),
            extend_seq_lens=torch.tensor(q_lens, dtype=torch.int32), extend_seq_lens_cpu=list(q_lens),
            out_cache_loc=torch.cat(new), token_to_kv_pool=self.pool,
        )  # fmt: skip

    def new(self, states):
        return torch.cat([rows[len(rows) - q :] for rows, q in zip(states, self.q_lens)]).flatten(1)

    def right(self, **options):
        queries = self.q.view(-1, HEADS, DIM).split(self.q_lens)
        return torch.cat([attend(q, k, v, **options) for q, k, v in zip(queries, self.k, self.v)]).flatten(1)


class Forward(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def expect(self, step, layers, right, **more):
        """Each layer's output, of one plan a kind."""
        backend = sglang.Backend(step.runner)
        backend.init_forward_metadata(step.batch)
        call = backend.forward_decode if step.batch.forward_mode.is_decode() else backend.forward_extend
        before = simulated().runs
        for each in layers:
            found = call(step.q, step.new(step.k), step.new(step.v), each, step.batch, **more)
            self.assertLess(float((found.double() - right).abs().max()), 0.03)
        self.assertEqual(simulated().runs - before, len(layers))
        return backend

    def test_slots_and_pages(self):
        for page_size in (1, 16):
            for q_lens, kv_lens in (((1, 1, 1), (39, 33, 20)), ([1, 5, 20], (39, 33, 20))):
                with self.subTest(page_size=page_size, q_lens=q_lens):
                    step = Step(page_size, tuple(q_lens), kv_lens)
                    backend = self.expect(step, [layer(), layer()], step.right())
                    self.assertEqual(len(backend.step.plans), 1)

    def test_what_layers_have(self):
        sinks = torch.tensor([0.5, -1.0, 2.0, 0.0]).bfloat16()
        step = Step(1, (1, 5, 20), (39, 33, 20))
        self.expect(step, [layer(sliding_window_size=7)], step.right(left=7))
        self.expect(step, [layer(logit_cap=5.0)], step.right(softcap=5.0))
        self.expect(step, [layer()], step.right(sinks=sinks), sinks=sinks)

    def test_steps_after_each_other(self):
        """Of one backend: each has its own plan, whether it is announced or not."""
        first, second = (Step(1, (1, 1, 1), lengths) for lengths in ((39, 33, 20), (5, 40, 1)))
        backend = self.expect(first, [layer()], first.right())
        backend.slots = second.runner.req_to_token_pool.req_to_token
        found = backend.forward_decode(second.q, second.new(second.k), second.new(second.v), layer(), second.batch)
        self.assertLess(float((found.double() - second.right()).abs().max()), 0.03)

    def test_refusals(self):
        step = Step(1, (1, 1, 1), (39, 33, 20))
        backend = sglang.Backend(step.runner)
        for wrong, more, said in (
            (layer(is_cross_attention=True), {}, "cross attention"),
            (layer(attn_type="encoder_only"), {}, "encoder_only"),
            (layer(), {"cos_sin_cache": step.q}, "cos_sin_cache"),
        ):
            with self.assertRaisesRegex(UnsupportedError, said):
                backend.forward_decode(step.q, step.new(step.k), step.new(step.v), wrong, step.batch, **more)
        step.runner.is_hybrid_swa = True
        with self.assertRaisesRegex(UnsupportedError, "is_hybrid_swa"):
            sglang.Backend(step.runner)

    def test_latents(self):
        """A slot has a latent of 64 and 32 rotated dims; Q comes whole or in two, as does what is new."""
        latent, rotated = 64, 32
        kind = {"tp_k_head_num": 1, "qk_head_dim": latent + rotated, "v_head_dim": latent}
        for q_lens, kv_lens in (((1, 1, 1), (39, 33, 20)), ((1, 5, 20), (39, 33, 20))):
            for in_two in (False, True):
                with self.subTest(q_lens=q_lens, in_two=in_two):
                    step = Step(1, q_lens, kv_lens)
                    step.runner.use_mla_backend = True
                    pool = step.batch.token_to_kv_pool = LatentPool(latent + rotated)
                    keys = [torch.randn(n, 1, latent + rotated).bfloat16() for n in kv_lens]
                    for row, n, states in zip(Step.ROWS, kv_lens, keys):
                        pool.k[step.runner.req_to_token_pool.req_to_token[row, :n].long()] = states
                    new = torch.cat([states[n - q :] for states, n, q in zip(keys, kv_lens, q_lens)])
                    pool.k[step.batch.out_cache_loc] = float("nan")
                    q = torch.randn(sum(q_lens), HEADS, latent + rotated).bfloat16()
                    backend = sglang.Backend(step.runner)
                    call = backend.forward_decode if set(q_lens) == {1} else backend.forward_extend
                    given = (q.flatten(1), new, new[..., :latent])
                    more = {}
                    if in_two:
                        given = (q[..., :latent].flatten(1), new[..., :latent], new[..., :latent])
                        more = {"q_rope": q[..., latent:], "k_rope": new[..., latent:]}
                    found = call(*given, layer(**kind), step.batch, **more)
                    rows = zip(q.split(q_lens), keys)
                    right = torch.cat([attend(one, k, k[..., :latent], scale=DIM**-0.5) for one, k in rows])
                    self.assertLess(float((found.double() - right.flatten(1)).abs().max()), 0.05)

    def test_expanded_heads_of_prompts(self):
        kind = {"tp_k_head_num": HEADS, "qk_head_dim": 48, "v_head_dim": 32}
        step = Step(1, (3, 20), (3, 20))
        step.runner.use_mla_backend, step.batch.extend_prefix_lens_cpu = True, [0, 0]
        q, k, v = (torch.randn(23, HEADS, dim).bfloat16() for dim in (48, 48, 32))
        backend = sglang.Backend(step.runner)
        given = [states.flatten(1) for states in (q, k, v)]
        found = backend.forward_extend(*given, layer(**kind), step.batch, save_kv_cache=False)
        rows = zip(*(states.split((3, 20)) for states in (q, k, v)))
        right = torch.cat([attend(*row, scale=DIM**-0.5) for row in rows])
        self.assertLess(float((found.double() - right.flatten(1)).abs().max()), 0.05)
        step.batch.extend_prefix_lens_cpu = [0, 7]
        said = "layer 0 has 4 expanded KV heads of 48 dims on a cached prefix, of which the pool has 32 dims"
        with self.assertRaisesRegex(UnsupportedError, said):
            backend.forward_extend(*given, layer(**kind), step.batch, save_kv_cache=False)

    def test_one_expanded_head(self):
        """Of a rank of many: one head is no latent."""
        kind = {"tp_q_head_num": 1, "tp_k_head_num": 1, "qk_head_dim": 48, "v_head_dim": 32}
        step = Step(1, (3, 20), (3, 20))
        step.runner.use_mla_backend, step.batch.extend_prefix_lens_cpu = True, [0, 0]
        step.batch.token_to_kv_pool = LatentPool(96)
        q, k, v = (torch.randn(23, 1, dim).bfloat16() for dim in (48, 48, 32))
        given = [states.flatten(1) for states in (q, k, v)]
        found = sglang.Backend(step.runner).forward_extend(*given, layer(**kind), step.batch, save_kv_cache=False)
        rows = zip(*(states.split((3, 20)) for states in (q, k, v)))
        right = torch.cat([attend(*row, scale=DIM**-0.5) for row in rows])
        self.assertLess(float((found.double() - right.flatten(1)).abs().max()), 0.05)

    def test_a_replay_has_longer_prompts_than_its_capture(self):
        """The graph plans anew from the same arrays; what it was captured with bounds nothing."""
        kind = {"tp_k_head_num": HEADS, "qk_head_dim": 48, "v_head_dim": 32}
        step = Step(1, (4, 4, 4), (4, 4, 4))
        step.runner.use_mla_backend, step.batch.extend_prefix_lens_cpu = True, [0, 0, 0]
        q, k, v = (torch.randn(12, HEADS, dim).bfloat16() for dim in (48, 48, 32))
        given = [states.flatten(1) for states in (q, k, v)]
        backend = sglang.Backend(step.runner)
        with mock.patch.object(sglang, "is_capturing", lambda: True):
            backend.forward_extend(*given, layer(**kind), step.batch, save_kv_cache=False)
        (plan,) = backend.step.plans.values()
        plan.batch["q_indptr"].copy_(torch.tensor([0, 1, 11, 12]))
        plan.workspace.plan = None
        found = plan.run(q=q, k=k, v=v, softmax_scale=DIM**-0.5)
        rows = zip(*(states.split((1, 10, 1)) for states in (q, k, v)))
        right = torch.cat([attend(*row, scale=DIM**-0.5) for row in rows])
        self.assertLess(float((found.double() - right).abs().max()), 0.05)
        self.assertEqual(sglang.PLANS.faults(), [])

    def test_registration(self):
        sglang.register()
        sglang.register()
        self.assertEqual((CHOICES, BACKENDS), (["flashjit"], {"flashjit": sglang.Backend}))


if __name__ == "__main__":
    unittest.main()
