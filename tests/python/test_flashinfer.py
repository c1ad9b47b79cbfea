"""FlashInfer's interface by flashjit, on the simulator, against attention in doubles. Exits with 77 without torch."""

import contextlib
import functools
import importlib.util
import sys
import unittest
import weakref

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

import flashjit
from flashjit import flashinfer
from support import simulated

flashinfer.PLANS._context = simulated()
HEADS, KV_HEADS, DIM, PAGE = 4, 2, 32, 4


def attend(q, k, v, causal=True, left=-1, softcap=0.0, sinks=None, scale=DIM**-0.5):
    """[tokens][heads][dim] of one request and its LSE to base 2, in doubles."""
    k, v = (states.double().repeat_interleave(HEADS // KV_HEADS, 1) for states in (k, v))
    logits = torch.einsum("qhd,khd->hqk", q.double(), k) * scale
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    place = torch.arange(q.shape[0])[:, None] + k.shape[0] - q.shape[0]
    key = torch.arange(k.shape[0])[None]
    logits = logits.masked_fill((key > place) & causal | (key < place - left) & (left >= 0), -torch.inf)
    if sinks is not None:
        logits = torch.cat([logits, sinks.double()[:, None, None].expand(-1, q.shape[0], 1)], -1)
    weights = logits.softmax(-1)[..., : k.shape[0]]
    return torch.einsum("hqk,khd->qhd", weights, v), logits.logsumexp(-1).T / torch.tensor(2.0).log()


class Batch:
    """Requests with KV in pages of an order of their own; what is not KV is NaN."""

    def __init__(self, q_lens, kv_lens, layout="NHD"):
        torch.manual_seed(2)
        self.q_lens, self.kv_lens, self.layout = q_lens, kv_lens, layout
        self.q = torch.randn(sum(q_lens), HEADS, DIM).bfloat16()
        self.k, self.v = ([torch.randn(n, KV_HEADS, DIM).bfloat16() for n in kv_lens] for _ in range(2))
        pages = [-(-n // PAGE) for n in kv_lens]
        self.indptr = torch.tensor([0, *pages]).cumsum(0).int()
        self.indices = torch.randperm(sum(pages)).int()
        self.last = torch.tensor([n - (p - 1) * PAGE if p else 0 for n, p in zip(kv_lens, pages)]).int()
        self.q_indptr = torch.tensor([0, *q_lens]).cumsum(0).int()
        self.kv_indptr = torch.tensor([0, *kv_lens]).cumsum(0).int()
        self.cache = torch.full((sum(pages), 2, PAGE, KV_HEADS, DIM), float("nan")).bfloat16()
        for request, n in enumerate(kv_lens):
            for t in range(n):
                page = self.indices[self.indptr[request] + t // PAGE]
                self.cache[page, 0, t % PAGE], self.cache[page, 1, t % PAGE] = self.k[request][t], self.v[request][t]
        if layout == "HND":
            self.cache = self.cache.transpose(2, 3).contiguous()

    def pages(self):
        return self.indptr, self.indices, self.last

    def right(self, **options):
        rows = torch.split(self.q, self.q_lens)
        both = [attend(q, k, v, **options) for q, k, v in zip(rows, self.k, self.v)]
        return torch.cat([o for o, _ in both]), torch.cat([lse for _, lse in both])


SHAPE = (HEADS, KV_HEADS, DIM)
BFLOAT = {"q_data_type": torch.bfloat16}


class FlashInfer(unittest.TestCase):
    def setUp(self):
        self.before = simulated().runs
        self.buffer = torch.empty(1024, dtype=torch.uint8)

    def expect(self, found, right, runs=1):
        self.assertLess(float((found.double() - right).abs().max()), 0.03)
        self.assertEqual(simulated().runs - self.before, runs)

    def test_decode_in_both_layouts(self):
        for layout in ("NHD", "HND"):
            with self.subTest(layout):
                batch = Batch([1, 1], [9, 3], layout)
                wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer, layout)
                wrapper.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)
                self.before = simulated().runs
                found, lse = wrapper.run(batch.q, batch.cache, return_lse=True)
                self.expect(found, batch.right()[0])
                self.assertLess(float((lse - batch.right()[1]).abs().max()), 1e-2)
                again = wrapper.run(batch.q, (batch.cache[:, 0], batch.cache[:, 1]))
                self.assertTrue(torch.equal(again, found))

    def test_a_plan_that_engines_put_in_place_of_the_own(self):
        batch = Batch([1, 1], [9, 3])
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
        wrapper.plan = functools.partial(flashinfer.fast_decode_plan, wrapper)
        wrapper.plan(
            *batch.pages(), *SHAPE, PAGE, window_left=4, data_type=torch.bfloat16, q_len_per_req=1,
            global_override_indptr_cpu=batch.indptr,
        )  # fmt: skip
        self.expect(wrapper.run(batch.q, batch.cache), batch.right(left=4)[0])
        with self.assertRaisesRegex(flashjit.UnsupportedError, "decode with q_len_per_req=2"):
            wrapper.plan(*batch.pages(), *SHAPE, PAGE, q_len_per_req=2)

    def test_prefill_and_what_layers_have(self):
        batch = Batch([3, 1, 5], [9, 4, 5])
        sinks = torch.tensor([0.5, -1.0, 2.0, 0.0])
        for plan, run, right in (
            ({"causal": True}, {}, {}),
            ({"causal": False}, {}, {"causal": False}),
            ({"causal": True, "window_left": 2}, {}, {"left": 2}),
            ({"causal": True, "logits_soft_cap": 5.0}, {}, {"softcap": 5.0}),
            ({"causal": True}, {"sinks": sinks}, {"sinks": sinks}),
            ({"causal": True, "sm_scale": 0.3}, {"q_scale": 0.5, "k_scale": 2.0}, {"scale": 0.3}),
        ):
            with self.subTest(f"{plan} {run}"):
                wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
                wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, **BFLOAT, **plan)
                self.before = simulated().runs
                self.expect(wrapper.run(batch.q, batch.cache, **run), batch.right(**right)[0])

    def test_v_scale(self):
        batch = Batch([1], [6])
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
        wrapper.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)
        self.expect(wrapper.run(batch.q, batch.cache, v_scale=torch.tensor(0.25)), batch.right()[0] / 4)

    def test_ragged_prefill(self):
        batch = Batch([3, 5], [9, 5])
        wrapper = flashinfer.BatchPrefillWithRaggedKVCacheWrapper(self.buffer)
        wrapper.plan(batch.q_indptr, batch.kv_indptr, *SHAPE, causal=True, **BFLOAT)
        found, lse = wrapper.run_return_lse(batch.q, torch.cat(batch.k), torch.cat(batch.v))
        self.expect(found, batch.right()[0])
        self.assertLess(float((lse - batch.right()[1]).abs().max()), 1e-2)

    def test_two_wrappers_do_not_disturb_each_other(self):
        batches = [Batch([1, 1], lengths) for lengths in ([9, 3], [5, 12])]
        wrappers = [flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer) for _ in batches]
        for wrapper, batch in zip(wrappers, batches):
            wrapper.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)
        for round_ in range(2):
            for wrapper, batch in zip(wrappers, batches):
                self.before = simulated().runs
                self.expect(wrapper.run(batch.q, batch.cache), batch.right()[0])

    def test_states_merge_to_the_whole(self):
        batch = Batch([1], [8])
        whole, lse = batch.right()
        halves = [attend(batch.q, batch.k[0][h], batch.v[0][h]) for h in (slice(0, 4), slice(4, 8))]
        states = [part for o, s in halves for part in (o.bfloat16(), s.float())]
        found, merged = flashinfer.merge_state(*states)
        self.assertLess(float((found.double() - whole).abs().max()), 0.03)
        self.assertLess(float((merged - lse).abs().max()), 1e-2)

    def test_append_and_its_helpers(self):
        batch = Batch([2, 3], [9, 7])
        lengths = flashinfer.get_seq_lens(batch.indptr, batch.last, PAGE)
        self.assertEqual(lengths.tolist(), batch.kv_lens)
        requests, positions = flashinfer.get_batch_indices_positions(batch.q_indptr, lengths, 5)
        self.assertEqual((requests.tolist(), positions.tolist()), ([0, 0, 1, 1, 1], [7, 8, 4, 5, 6]))
        right, rows = batch.cache.clone(), list(zip(requests.tolist(), positions.tolist()))
        new = [torch.stack([states[r][p] for r, p in rows]) for states in (batch.k, batch.v)]
        for request, place in rows:
            batch.cache[batch.indices[batch.indptr[request] + place // PAGE], :, place % PAGE] = 0
        arguments = (batch.cache, batch.indices, batch.indptr, batch.last)
        flashinfer.append_paged_kv_cache(*new, requests, positions, *arguments)
        self.assertTrue(torch.equal(batch.cache.view(torch.int16), right.view(torch.int16)))

    def test_lengths_in_tokens(self):
        batch = Batch([3, 1, 5], [9, 4, 5])
        wrapper = flashinfer.BatchAttention(device="cpu")
        lengths = torch.tensor([9, 4, 5], dtype=torch.int32)
        wrapper.plan(batch.q_indptr, batch.indptr, batch.indices, lengths, *SHAPE, DIM, PAGE, causal=True)
        found, lse = wrapper.run(batch.q, batch.cache)
        self.expect(found, batch.right()[0])
        self.assertLess(float((lse - batch.right()[1]).abs().max()), 1e-2)

    def test_types_of_decode(self):
        """data_type is that of K and V where they have none; Q has one of its own."""
        batch = Batch([1, 1], [9, 3])
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
        wrapper.plan(*batch.pages(), *SHAPE, PAGE, data_type=torch.float8_e4m3fn, **BFLOAT)
        cache = batch.cache.to(torch.float8_e4m3fn)
        found = wrapper.run(batch.q, cache)
        wrapper.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)
        right = wrapper.run(batch.q, cache.bfloat16())
        self.assertLess(float((found.double() - right.double()).abs().max()), 0.02)

    def test_what_is_not_supported_is_told(self):
        batch = Batch([1], [6])
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
        with self.assertRaisesRegex(flashjit.UnsupportedError, "plan\\(\\) with pos_encoding_mode='ROPE_GPT'"):
            wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, pos_encoding_mode="ROPE_GPT", **BFLOAT)
        unplanned = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
        with self.assertRaisesRegex(flashjit.ArgumentError, "run\\(\\) before plan\\(\\)"):
            unplanned.run(batch.q, batch.cache)
        with self.assertRaisesRegex(flashjit.UnsupportedError, "prefill with jit_kwargs_of_mine=2"):
            wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, jit_kwargs_of_mine=2, **BFLOAT)
        with self.assertRaisesRegex(flashjit.ArgumentError, "the mask has 5 elements; query times KV tokens are 6"):
            wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, custom_mask=torch.ones(5), **BFLOAT)
        wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, seq_lens=batch.last, **BFLOAT)
        with self.assertRaisesRegex(flashjit.UnsupportedError, "window_left=-1 with window_left=3"):
            wrapper.run(batch.q, batch.cache, window_left=3)
        with self.assertRaisesRegex(flashjit.ArgumentError, "kv_layout is 'NDH'; allowed: NHD, HND"):
            flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer, "NDH")

    def test_of_a_refused_plan_nothing_stays(self):
        """Neither axes and numbers nor lengths, nor what is in the buffers of a graph."""
        batch, other = Batch([2, 1], [9, 3]), Batch([1, 2, 1], [4, 8, 5])
        buffers, *levels = ([torch.zeros(8, dtype=torch.int32) for _ in range(4)] for _ in range(3))
        prefill = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer, "NHD", True, *buffers)
        cascade = flashinfer.MultiLevelCascadeAttentionWrapper(2, self.buffer, "NHD", True, *map(list, zip(*levels)))
        buffers += levels[0] + levels[1]
        level, shape = (batch.q_indptr, *batch.pages()), (*SHAPE, PAGE)
        others = (other.q_indptr, *other.pages())
        wrong = {"causal": True, "window_left": 2, "logits_soft_cap": 5.0, "custom_mask": torch.ones(25)}
        for wrapper, good, refused in (
            (prefill, level, (other.q_indptr, *batch.pages())),
            (cascade, [[part, part] for part in level], [list(pair) for pair in zip(others, level)]),  # of the second
        ):
            wrapper.plan(*good, *shape, causal=True, **BFLOAT)
            right, kept = wrapper.run(batch.q, batch.cache), [buffer.clone() for buffer in buffers]
            with self.assertRaisesRegex(flashjit.ArgumentError, "the mask has 25 elements"):
                wrapper.plan(*refused, *shape, **wrong, **BFLOAT)
            self.assertTrue(torch.equal(wrapper.run(batch.q, batch.cache), right))
            self.assertTrue(all(torch.equal(*pair) for pair in zip(buffers, kept)))
        self.assertEqual(prefill._logits_soft_cap, 0)
        unplanned = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
        with self.assertRaises(flashjit.ArgumentError):
            unplanned.plan(*level, *shape, **wrong, **BFLOAT)
        with self.assertRaisesRegex(flashjit.ArgumentError, "run\\(\\) before plan\\(\\)"):
            unplanned.run(batch.q, batch.cache)

    def test_what_a_buffer_cannot_hold_is_refused(self):
        """Before any of the buffers is written."""
        batch, longer = Batch([1, 1], [9, 3]), Batch([1, 1], [33, 20])
        buffers = [torch.zeros(n, dtype=torch.int32) for n in (3, 5, 2)]
        wrapper = flashinfer.CUDAGraphBatchDecodeWithPagedKVCacheWrapper(self.buffer, *buffers)
        wrapper.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)
        right, kept = wrapper.run(batch.q, batch.cache), [buffer.clone() for buffer in buffers]
        indptr, indices, last = longer.indptr, batch.indices, longer.last
        types_ = "torch.int32, torch.int64"
        for pages, said in (
            (longer.pages(), "indices has 14 elements; allowed: up to the 5 of its buffer"),
            ((indptr, indices, torch.ones(3).int()), "last_page_len has 3 elements; allowed: up to the 2 of its"),
            ((torch.arange(4), indices, last), "indptr has 4 elements; allowed: up to the 3 of its buffer"),
            ((indptr, indices, last.float()), f"last_page_len has type torch.float32; allowed: {types_}"),
            ((indptr, indices, last[None]), "last_page_len has 2 dimensions; allowed: 1"),
        ):
            with self.subTest(said), self.assertRaisesRegex(flashjit.ArgumentError, said):
                wrapper.plan(*pages, *SHAPE, PAGE, **BFLOAT)
            self.assertTrue(all(torch.equal(*pair) for pair in zip(buffers, kept)))
            self.assertTrue(torch.equal(wrapper.run(batch.q, batch.cache), right))
        wide = flashinfer.CUDAGraphBatchDecodeWithPagedKVCacheWrapper(self.buffer, buffers[0].long(), *buffers[1:])
        with self.assertRaisesRegex(flashjit.ArgumentError, "buffer of indptr has type torch.int64; allowed: .*int32"):
            wide.plan(*batch.pages(), *SHAPE, PAGE, **BFLOAT)

    def test_arrays_that_are_in_buffers_are_not_kept(self):
        """Neither by a plan() nor by one that is refused."""
        batch = Batch([2, 1], [9, 3])
        for mask in (None, torch.ones(5)):
            buffers = [torch.zeros(8, dtype=torch.int32) for _ in range(4)]
            wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer, "NHD", True, *buffers)
            given = [array.clone() for array in (batch.q_indptr, *batch.pages())]
            kept = [weakref.ref(array) for array in given]
            with self.assertRaises(flashjit.ArgumentError) if mask is not None else contextlib.nullcontext():
                wrapper.plan(*given, *SHAPE, PAGE, custom_mask=mask, **BFLOAT)
            del given
            self.assertEqual([reference() for reference in kept], [None] * 4)

    def test_install(self):
        flashinfer.install()
        import flashinfer as installed
        from flashinfer.decode import BatchDecodeWithPagedKVCacheWrapper

        self.assertTrue(installed.is_flashjit)
        for name in ("flashinfer", "flashinfer.decode"):
            self.assertIsNotNone(importlib.util.find_spec(name))
        self.assertIs(BatchDecodeWithPagedKVCacheWrapper, flashinfer.BatchDecodeWithPagedKVCacheWrapper)
        sys.modules["flashinfer"] = torch
        with self.assertRaisesRegex(ImportError, "imported already"):
            flashinfer.install()
        del sys.modules["flashinfer"]

    def test_states_are_merged_in_place_where_the_mask_says(self):
        v, other = (torch.randn(3, HEADS, DIM).bfloat16() for _ in range(2))
        s, s_other = (torch.randn(3, HEADS) for _ in range(2))
        right, right_lse = flashinfer.merge_state(v, s, other, s_other)
        mask = torch.tensor([True, False, True])
        kept, kept_lse = v[1].clone(), s[1].clone()
        flashinfer.merge_state_in_place(v, s, other, s_other, mask)
        self.assertTrue(torch.equal(v[mask], right[mask]) and torch.equal(s[mask], right_lse[mask]))
        self.assertTrue(torch.equal(v[1], kept) and torch.equal(s[1], kept_lse))


if __name__ == "__main__":
    unittest.main()
