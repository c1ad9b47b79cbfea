"""flash_attn's two functions by flashjit, on the simulator, against attention in doubles."""

import importlib.util
import sys
import unittest
from unittest import mock

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

import flashjit
from flashjit import flash_attn
from support import simulated

flash_attn.PLANS._context = simulated()


def attend(q, k, v, causal=True, left=-1, softcap=0.0, sinks=None, slopes=None, scale=None):
    """[tokens][heads][dim] of one request: queries are the last of its KV."""
    group = q.shape[1] // k.shape[1]
    k, v = (states.double().repeat_interleave(group, 1) for states in (k, v))
    logits = torch.einsum("qhd,khd->hqk", q.double(), k) * (scale or q.shape[2] ** -0.5)
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    place = torch.arange(q.shape[0])[:, None] + k.shape[0] - q.shape[0]
    key = torch.arange(k.shape[0])[None]
    if slopes is not None:
        logits = logits + torch.tensor(slopes).double()[:, None, None] * (key - place)
    hidden = (key > place) & causal | (key < place - left) & (left >= 0)
    logits = logits.masked_fill(hidden, -torch.inf)
    if sinks is not None:
        column = sinks.double()[:, None, None].expand(-1, q.shape[0], 1)
        weights = torch.cat([logits, column], -1).softmax(-1)[..., :-1]
    else:
        weights = logits.softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v)


def indptr(lengths):
    return torch.tensor([0, *lengths]).cumsum(0).int()


class FlashAttn(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.q_lens, self.kv_lens = [3, 1], [9, 5]
        self.q = torch.randn(4, 4, 32).bfloat16()
        self.k, self.v = (torch.randn(14, 2, 32).bfloat16() for _ in range(2))
        self.before = simulated().runs

    def expect(self, found, runs=1, **options):
        begins = zip(indptr(self.q_lens).tolist(), indptr(self.kv_lens).tolist(), self.q_lens, self.kv_lens)
        right = [
            attend(self.q[b : b + n], self.k[c : c + m], self.v[c : c + m], **options) for b, c, n, m in begins
        ]
        self.assertLess(float((found.double() - torch.cat(right)).abs().max()), 0.03)
        self.assertEqual(simulated().runs - self.before, runs)

    def varlen(self, **options):
        lengths = {"cu_seqlens_q": indptr(self.q_lens), "cu_seqlens_k": indptr(self.kv_lens)}
        most = {"max_seqlen_q": max(self.q_lens), "max_seqlen_k": max(self.kv_lens)}
        arguments = {"q": self.q, "k": self.k, "v": self.v, "causal": True, **lengths, **most, **options}
        return flash_attn.flash_attn_varlen_func(**arguments)

    def paged(self):
        """The same KV in pages of 4, in an order of its own."""
        table = torch.tensor([[6, 0, 3], [5, 2, -1]], dtype=torch.int32)
        caches = [torch.full((7, 4, 2, 32), float("nan")).bfloat16() for _ in range(2)]
        for states, cache in zip((self.k, self.v), caches):
            for request, begin in enumerate(indptr(self.kv_lens).tolist()[:-1]):
                for token in range(self.kv_lens[request]):
                    cache[table[request, token // 4], token % 4] = states[begin + token]
        return table, caches

    def test_ragged(self):
        self.expect(self.varlen())

    def test_what_layers_have(self):
        sinks = torch.tensor([0.5, -1.0, 2.0, 0.0]).bfloat16()
        self.expect(self.varlen(window_size=(2, 0)), left=2)
        self.expect(self.varlen(softcap=5.0), runs=2, softcap=5.0)
        self.expect(self.varlen(s_aux=sinks), runs=3, sinks=sinks)
        self.expect(self.varlen(causal=False), runs=4, causal=False)

    def test_paged(self):
        table, (k, v) = self.paged()
        self.expect(self.varlen(k=k, v=v, block_table=table))

    def test_decode(self):
        self.q_lens, self.q = [1, 1], self.q[:2]
        table, (k, v) = self.paged()
        lengths = torch.tensor(self.kv_lens, dtype=torch.int32)
        arguments = {"cache_seqlens": lengths, "block_table": table, "causal": True}
        found = flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, **arguments)
        self.assertEqual(found.shape, (2, 1, 4, 32))
        self.expect(found.squeeze(1))

    def test_inference_tensors_that_do_not_tell_when_they_are_written_to(self):
        """A step ends where a layer's cache is seen again."""
        self.q_lens, self.q = [1, 1], self.q[:2]
        plans = []
        with torch.inference_mode():
            table, (k, v) = self.paged()
            lengths = torch.tensor(self.kv_lens, dtype=torch.int32)
            arguments = {"cache_seqlens": lengths, "block_table": table, "causal": True}
            for cache in (k, k.clone(), k):
                found = flash_attn.flash_attn_with_kvcache(self.q[:, None], cache, v, **arguments).squeeze(1)
                plans.append(flash_attn._last.plan)
                if cache is not k:
                    self.expect(found, runs=2)
                    lengths -= 1
        self.assertIs(plans[0], plans[1])
        self.assertIsNot(plans[1], plans[2])
        right = attend(self.q[:1], self.k[:8], self.v[:8])
        self.assertLess(float((found[:1].double() - right).abs().max()), 0.03)

    def test_a_tensor_beside_inference_tensors_that_tells(self):
        """Lengths that were written to end a step, whatever the pages are."""
        self.q_lens, self.q = [1, 1], self.q[:2]
        lengths = torch.tensor(self.kv_lens, dtype=torch.int32)
        with torch.inference_mode():
            table, (k, v) = self.paged()
        arguments = {"cache_seqlens": lengths, "block_table": table, "causal": True}
        flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, **arguments)
        lengths -= 1
        found = flash_attn.flash_attn_with_kvcache(self.q[:, None], k.clone(), v, **arguments).squeeze(1)
        right = attend(self.q[:1], self.k[:8], self.v[:8])
        self.assertLess(float((found[:1].double() - right).abs().max()), 0.03)

    def test_a_capture_has_its_own_plan(self):
        self.q_lens, self.q = [1, 1], self.q[:2]
        table, (k, v) = self.paged()
        arguments = {"cache_seqlens": torch.tensor(self.kv_lens, dtype=torch.int32), "block_table": table}
        plans = []
        for capture in (0, 7, 7, 8):
            with mock.patch.object(flash_attn, "capture_of", lambda context, capture=capture: capture):
                flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, causal=True, **arguments)
            plans.append(flash_attn._last.plan)
        self.assertEqual([plans.index(plan) for plan in plans], [0, 1, 1, 3])

    def test_a_plan_serves_the_layers_of_a_step_and_no_other(self):
        self.q_lens, self.q = [1, 1], self.q[:2]
        table, (k, v) = self.paged()
        lengths = torch.tensor(self.kv_lens, dtype=torch.int32)
        arguments = {"cache_seqlens": lengths, "block_table": table, "causal": True}
        for _ in range(2):
            flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, **arguments)
        plan = flash_attn._last.plan
        self.expect(flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, **arguments).squeeze(1), runs=3)
        self.assertIs(flash_attn._last.plan, plan)
        lengths -= 1  # in place: the same tensor, of other numbers
        found = flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, **arguments).squeeze(1)
        self.assertIsNot(flash_attn._last.plan, plan)
        right = attend(self.q[:1], self.k[:8], self.v[:8])
        self.assertLess(float((found[:1].double() - right).abs().max()), 0.03)

    def test_new_keys_are_written(self):
        self.q_lens, self.q = [1, 1], self.q[:2]
        table, (k, v) = self.paged()
        right = [cache.clone() for cache in (k, v)]
        last = [(3, 0, 8), (2, 0, 13)]  # page, place and row of each request's last token
        for page, place, _ in last:
            k[page, place] = v[page, place] = float("nan")
        new = [torch.stack([states[row] for _, _, row in last])[:, None] for states in (self.k, self.v)]
        lengths = torch.tensor(self.kv_lens, dtype=torch.int32) - 1
        arguments = {"cache_seqlens": lengths, "block_table": table, "causal": True}
        found = flash_attn.flash_attn_with_kvcache(self.q[:, None], k, v, *new, **arguments)
        self.expect(found.squeeze(1), runs=2)
        for page, place, _ in last:
            self.assertTrue(torch.equal(k[page, place], right[0][page, place]))

    def test_what_is_not_supported_is_told(self):
        with self.assertRaisesRegex(flashjit.UnsupportedError, "dropout_p is 0.5"):
            self.varlen(dropout_p=0.5)

    def test_install_refuses_to_hide_another(self):
        sys.modules.pop("flash_attn", None)
        module = flash_attn.install()
        self.assertIs(sys.modules["flash_attn"], module)
        self.assertIsNotNone(importlib.util.find_spec("flash_attn"))
        self.assertIs(flash_attn.install().flash_attn_varlen_func, flash_attn.flash_attn_varlen_func)
        sys.modules["flash_attn"] = torch
        with self.assertRaisesRegex(ImportError, "imported already"):
            flash_attn.install()
        del sys.modules["flash_attn"]


if __name__ == "__main__":
    unittest.main()
