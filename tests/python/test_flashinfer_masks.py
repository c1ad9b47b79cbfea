"""FlashInfer's wrappers of latents, blocks, masks, positions, fixed pieces and cascades by flashjit, on the simulator,
against attention in doubles. Exits with 77 without torch."""

import math
import sys
import unittest
import warnings

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

import flashjit
from flashjit import flashinfer
from support import simulated
from test_flashinfer import BFLOAT, DIM, HEADS, KV_HEADS, PAGE, SHAPE, Batch

flashinfer.PLANS._context = simulated()


def attend(q, k, v, seen, scale=None, bias=0.0):
    """[tokens][heads][dim] of one request, which sees what [tokens][KV tokens] says, in doubles; LSE to base 2."""
    k, v = (states.double().repeat_interleave(q.shape[1] // k.shape[1], 1) for states in (k, v))
    logits = torch.einsum("qhd,khd->hqk", q.double(), k) * (scale or q.shape[-1] ** -0.5) + bias
    logits = logits.masked_fill(~seen, -torch.inf)
    weights = logits.softmax(-1).nan_to_num(0.0)  # of rows that see nothing
    return torch.einsum("hqk,khd->qhd", weights, v), logits.logsumexp(-1).T / math.log(2)


def causal(queries, keys):
    return torch.arange(keys)[None] <= torch.arange(queries)[:, None] + keys - queries


def packed(masks):
    """As FlashInfer packs bits: those of each request from a byte on."""
    rows = [torch.nn.functional.pad(mask.flatten().int(), (0, -mask.numel() % 8)).view(-1, 8) for mask in masks]
    return (torch.cat(rows) << torch.arange(8)).sum(-1).to(torch.uint8)


class Case(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.buffer = torch.empty(1024, dtype=torch.uint8)

    def close(self, found, right, most=0.03):
        self.assertEqual(found.shape, right.shape)
        self.assertLess(float((found.double() - right).nan_to_num(neginf=0.0).abs().max()), most)


class Latents(Case):
    HEADS, LATENT, ROTATED = 4, 64, 32
    Q_LENS, KV_LENS = (3, 1), (9, 4)

    def batch(self, dtype=torch.bfloat16):
        self.q = torch.randn(4, self.HEADS, self.LATENT + self.ROTATED).bfloat16()
        self.cache = torch.full((6, PAGE, self.LATENT + self.ROTATED), float("nan"))
        self.pages = torch.tensor([4, 1, 5, 2], dtype=torch.int32)
        self.indptr = torch.tensor([0, 3, 4], dtype=torch.int32)
        self.k = [torch.randn(n, 1, self.LATENT + self.ROTATED).to(dtype).float() for n in self.KV_LENS]
        for request, rows in enumerate(self.k):
            for token, row in enumerate(rows):
                self.cache[self.pages[self.indptr[request] + token // PAGE], token % PAGE] = row[0]
        self.cache = self.cache.to(dtype)

    def wrapper(self, is_causal=True, dtype=torch.bfloat16, rotated=ROTATED):
        wrapper = flashinfer.BatchMLAPagedAttentionWrapper(self.buffer)
        lengths = torch.tensor(self.KV_LENS, dtype=torch.int32)
        wrapper.plan(torch.tensor([0, 3, 4]), self.indptr, self.pages, lengths, self.HEADS, self.LATENT, rotated, PAGE,
                     is_causal, 0.1, torch.bfloat16, dtype)  # fmt: skip
        return wrapper

    def halves(self, states):
        return states[..., : self.LATENT], states[..., self.LATENT :]

    def right(self, scale=1.0, is_causal=True, rotated_scale=None):
        found = []
        scales = torch.cat([torch.full((self.LATENT,), scale), torch.full((self.ROTATED,), rotated_scale or scale)])
        for q, k in zip(self.q.split(self.Q_LENS), self.k):
            seen = causal(len(q), len(k)) if is_causal else torch.ones(len(q), len(k), dtype=torch.bool)
            found.append(attend(q, k * scales, (k * scales)[..., : self.LATENT], seen, 0.1))
        return [torch.cat(parts) for parts in zip(*found)]

    def test_slices_of_one_cache_are_read_in_place(self):
        self.batch()
        for is_causal in (True, False):
            with self.subTest(is_causal), warnings.catch_warnings():
                warnings.simplefilter("error")
                right, right_lse = self.right(is_causal=is_causal)
                wrapper, before = self.wrapper(is_causal), simulated().runs
                found, lse = wrapper.run(*self.halves(self.q), *self.halves(self.cache), return_lse=True)
                self.close(found, right)
                self.close(lse, right_lse, 1e-2)
                _, natural = wrapper.run(*self.halves(self.q), *self.halves(self.cache), return_lse=True,
                                         return_lse_base_on_e=True)  # fmt: skip
                self.close(natural, right_lse * math.log(2), 1e-2)
                self.assertEqual(simulated().runs - before, 2)

    def test_two_tensors_are_copied_which_is_told(self):
        self.batch()
        out = torch.empty(4, self.HEADS, self.LATENT).bfloat16()
        both = [part.clone() for part in self.halves(self.cache)]
        with self.assertWarnsRegex(RuntimeWarning, "no slices of one tensor; each run copies them"):
            found = self.wrapper().run(*(part.clone() for part in self.halves(self.q)), *both, out=out)
        self.assertIs(found, out)
        self.close(out, self.right()[0])

    def test_without_rotated_dims(self):
        self.batch()
        self.q, self.k = self.q[..., : self.LATENT], [k[..., : self.LATENT] for k in self.k]
        nothing = torch.empty(6, PAGE, 0).bfloat16()
        found = self.wrapper(rotated=0).run(self.q, self.q[..., :0], self.cache[..., : self.LATENT].clone(), nothing)
        rows = [attend(q, k, k, causal(len(q), len(k)), 0.1)[0] for q, k in zip(self.q.split(self.Q_LENS), self.k)]
        self.close(found, torch.cat(rows))

    def test_requests_without_kv(self):
        """In buffers of a graph, or not; kv_indptr may be longer."""
        zeros, lse = torch.zeros(5, dtype=torch.int32), torch.full((2, self.HEADS), 7.0)
        for buffers in ((), (True, *(torch.empty(8, dtype=torch.int32) for _ in range(4)))):
            wrapper = flashinfer.BatchMLAPagedAttentionWrapper(self.buffer, *buffers)
            wrapper.plan(torch.tensor([0, 1, 2]), zeros, zeros[:0], zeros[:2], self.HEADS, 64, 32, PAGE, False, 0.1,
                         torch.bfloat16, torch.bfloat16)  # fmt: skip
            cache = torch.randn(1, PAGE, 96).bfloat16()
            found = wrapper.run(*self.halves(torch.randn(2, self.HEADS, 96).bfloat16()), *self.halves(cache), lse=lse)
            self.assertEqual(float(found.abs().max()), 0)
            self.assertTrue(bool((lse == -torch.inf).all()), "an LSE that is given is written")

    def test_caches_of_8_bits(self):
        self.batch(torch.float8_e4m3fn)
        wrapper = self.wrapper(dtype=torch.float8_e4m3fn)
        for rotated in (0.5, 2.0):
            scales = {"ckv_scale": 0.5, "kpe_scale": rotated}
            found = wrapper.run(*self.halves(self.q), *self.halves(self.cache), **scales)
            self.close(found, self.right(0.5, rotated_scale=rotated)[0], 0.05)
        with self.assertRaisesRegex(flashjit.ArgumentError, "kpe_scale is None; a cache of torch.float8_e4m3fn needs"):
            wrapper.run(*self.halves(self.q), *self.halves(self.cache), ckv_scale=0.5)
        with self.assertRaisesRegex(flashjit.ArgumentError, "ckv_scale is 0.5; a cache of torch.bfloat16 has none"):
            wrapper.run(*self.halves(self.q), *self.halves(self.cache.bfloat16()), ckv_scale=0.5)

    def test_refusals(self):
        with self.assertRaisesRegex(flashjit.UnsupportedError, "MLA with backend='cutlass'"):
            flashinfer.BatchMLAPagedAttentionWrapper(self.buffer, backend="cutlass")
        self.batch()
        with self.assertRaisesRegex(flashjit.UnsupportedError, "ckv_scale_arr"):
            self.wrapper().run(*self.halves(self.q), *self.halves(self.cache), ckv_scale_arr=torch.ones(6, PAGE, 4))


class Blocks(Case):
    def test_blocks_in_rows(self):
        """The last row of blocks is shorter, and one sees nothing."""
        m, n, r, c = 10, 12, 4, 3
        sizes = ((m, HEADS), (n, KV_HEADS), (n, KV_HEADS))
        q, k, v = (torch.randn(size, heads, DIM).bfloat16() for size, heads in sizes)
        indptr, indices = torch.tensor([0, 3, 3, 5]), torch.tensor([2, 0, 3, 1, 2])
        inner = torch.rand(5, r, c) > 0.4
        for mask in (None, inner):
            dense = torch.zeros(12, n, dtype=torch.bool)
            for row in range(3):
                for block in range(indptr[row], indptr[row + 1]):
                    at = slice(row * r, row * r + r), slice(indices[block] * c, indices[block] * c + c)
                    dense[at] = True if mask is None else mask[block]
            right, right_lse = attend(q, k, v, dense[:m])
            rows = [inner[a:b].transpose(0, 1) for a, b in zip(indptr, indptr[1:])]
            for given in [{}] if mask is None else [{"mask": mask}, {"packed_mask": packed(rows)}]:
                with self.subTest(given):
                    wrapper = flashinfer.BlockSparseAttentionWrapper(self.buffer)
                    wrapper.plan(indptr, indices, m, n, r, c, *SHAPE, **given, q_data_type=torch.bfloat16)
                    before = simulated().runs
                    found, lse = wrapper.run(q, k, v, return_lse=True)
                    self.close(found, right)
                    self.close(lse, right_lse, 1e-2)
                    self.assertEqual(simulated().runs - before, 1)

    def test_masks_in_blocks_of_long_rows(self):
        """Of 66 and 9 tokens, which are 3 words and 1."""
        m, n, r, c = 6, 66, 3, 3
        sizes = ((m, HEADS), (n, KV_HEADS), (n, KV_HEADS))
        q, k, v = (torch.randn(size, heads, DIM).bfloat16() for size, heads in sizes)
        indptr, indices = torch.tensor([0, 22, 25]), torch.cat([torch.randperm(22), torch.tensor([5, 21, 0])])
        inner, dense = torch.rand(25, r, c) > 0.4, torch.zeros(m, n, dtype=torch.bool)
        for block, (column, mask) in enumerate(zip(indices.tolist(), inner)):
            row = block // 22
            dense[row * r : row * r + r, column * c : column * c + c] = mask
        rows = [part.transpose(0, 1) for part in inner.split((22, 3))]
        for given in ({"mask": inner}, {"packed_mask": packed(rows)}):
            with self.subTest(list(given)):
                wrapper = flashinfer.BlockSparseAttentionWrapper(self.buffer)
                wrapper.plan(indptr, indices, m, n, r, c, *SHAPE, **given, q_data_type=torch.bfloat16)
                self.close(wrapper.run(q, k, v), attend(q, k, v, dense)[0])

    def test_blocks_of_any_sizes(self):
        rows, columns = torch.tensor([[2, 5, 1], [4, 1, 3]]), torch.tensor([[3, 1, 6], [2, 2, 6]])
        seen = torch.tensor([[[1, 0, 1], [0, 0, 0], [1, 1, 1]], [[0, 1, 0], [1, 0, 1], [0, 0, 1]]]).bool()
        sizes = ((8, HEADS), (10, KV_HEADS), (10, KV_HEADS))
        q, k, v = (torch.randn(heads, size, DIM).bfloat16() for size, heads in sizes)
        wrapper = flashinfer.VariableBlockSparseAttentionWrapper(self.buffer)
        wrapper.plan(seen, rows, columns, *SHAPE, q_data_type=torch.bfloat16)
        found, lse = wrapper.run(q, k, v, return_lse=True)
        for head in range(KV_HEADS):
            dense = seen[head].repeat_interleave(rows[head], 0).repeat_interleave(columns[head], 1)
            own = slice(head * 2, head * 2 + 2)
            right, right_lse = attend(q[own].transpose(0, 1), *(s[head, :, None] for s in (k, v)), dense)
            self.close(found[own], right.transpose(0, 1))
            self.close(lse[own], right_lse.T, 1e-2)

    def test_bad_shapes(self):
        wrapper = flashinfer.BlockSparseAttentionWrapper(self.buffer)
        indptr, indices = torch.tensor([0, 1]), torch.tensor([0])
        with self.assertRaisesRegex(flashjit.ArgumentError, "N is 10; it must be a multiple of C, 3"):
            wrapper.plan(indptr, indices, 4, 10, 4, 3, *SHAPE)
        with self.assertRaisesRegex(flashjit.ArgumentError, "indptr has 2 elements; with M 9 and R 4 it must have 4"):
            wrapper.plan(indptr, indices, 9, 9, 4, 3, *SHAPE)
        with self.assertRaisesRegex(flashjit.UnsupportedError, "block-sparse attention with causal=True"):
            wrapper.plan(indptr, indices, 4, 9, 4, 3, *SHAPE, causal=True)


class Masks(Case):
    def test_masks_of_the_callers(self):
        for q_lens, kv_lens in (([3, 1, 5], [9, 40, 5]), ([2], [65]), ([3], [100]), ([1, 2], [257, 3])):
            with self.subTest(kv_lens=kv_lens):
                self.expect_masks(Batch(q_lens, kv_lens))

    def expect_masks(self, batch):
        masks = [torch.rand(q, kv) > 0.5 for q, kv in zip(batch.q_lens, batch.kv_lens)]
        rows = zip(batch.q.split(batch.q_lens), batch.k, batch.v, masks)
        right = torch.cat([attend(*row)[0] for row in rows])
        whole = torch.cat([mask.flatten() for mask in masks])
        for given in ({"custom_mask": whole}, {"packed_custom_mask": packed(masks)}):
            with self.subTest(list(given)):
                paged = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
                paged.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, causal=True, **given, **BFLOAT)
                self.close(paged.run(batch.q, batch.cache), right)
                ragged = flashinfer.BatchPrefillWithRaggedKVCacheWrapper(self.buffer)
                ragged.plan(batch.q_indptr, batch.kv_indptr, *SHAPE, **given, **BFLOAT)
                self.close(ragged.run(batch.q, torch.cat(batch.k), torch.cat(batch.v)), right)

    def test_slopes(self):
        batch = Batch([3, 1], [9, 4])
        slopes = torch.tensor([2.0 ** (-2 * (i + 1)) for i in range(HEADS)])
        found = []
        for q, k, v in zip(batch.q.split(batch.q_lens), batch.k, batch.v):
            distance = torch.arange(len(k))[None] - torch.arange(len(q))[:, None] - len(k) + len(q)
            found.append(attend(q, k, v, causal(len(q), len(k)), bias=slopes[:, None, None] * distance)[0])
        wrapper = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
        wrapper.plan(batch.q_indptr, *batch.pages(), *SHAPE, PAGE, causal=True, pos_encoding_mode="ALIBI", **BFLOAT)
        self.close(wrapper.run(batch.q, batch.cache), torch.cat(found))

    def test_slopes_of_capped_scores_are_refused(self):
        batch = Batch([1], [9])
        decode = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
        prefill = flashinfer.BatchPrefillWithPagedKVCacheWrapper(self.buffer)
        ragged = flashinfer.BatchPrefillWithRaggedKVCacheWrapper(self.buffer)
        slopes = {"pos_encoding_mode": "ALIBI", **BFLOAT}
        for wrapper, given in (
            (decode, (*batch.pages(), *SHAPE, PAGE)),
            (prefill, (batch.q_indptr, *batch.pages(), *SHAPE, PAGE)),
            (ragged, (batch.q_indptr, batch.kv_indptr, *SHAPE)),
        ):
            wrapper.plan(*given, logits_soft_cap=0.0, **slopes)
            said = "pos_encoding_mode='ALIBI' with logits_soft_cap=5.0 is not supported"
            with self.assertRaisesRegex(flashjit.UnsupportedError, said):
                wrapper.plan(*given, logits_soft_cap=5.0, **slopes)

    def test_rotation_in_the_kernel(self):
        batch = Batch([1, 1], [9, 3])

        def rotated(rows, first):
            angles = (torch.arange(len(rows)) + first)[:, None] / 2 * 1e4 ** (-torch.arange(0, DIM, 2) / DIM)
            cos, sin = angles.double().cos()[:, None], angles.double().sin()[:, None]
            low, high = rows.double().chunk(2, -1)
            return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

        found = [
            attend(rotated(q, len(k) - 1), rotated(k, 0), v, causal(1, len(k)))[0]
            for q, k, v in zip(batch.q.split([1, 1]), batch.k, batch.v)
        ]
        wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
        wrapper.plan(*batch.pages(), *SHAPE, PAGE, pos_encoding_mode="ROPE_LLAMA", rope_scale=2.0, **BFLOAT)
        self.close(wrapper.run(batch.q, batch.cache), torch.cat(found))

    def test_fixed_pieces_do_not_depend_on_the_batch(self):
        batch = Batch([1, 1, 1], [300, 700, 9])
        for pieces in ({"fixed_split_size": 64}, {"disable_split_kv": True}):
            with self.subTest(pieces):
                wrapper = flashinfer.BatchDecodeWithPagedKVCacheWrapper(self.buffer)
                wrapper.plan(*batch.pages(), *SHAPE, PAGE, **pieces, **BFLOAT)
                found = wrapper.run(batch.q, batch.cache)
                self.close(found, batch.right()[0])
                wrapper.plan(batch.indptr[:3], batch.indices, batch.last[:2], *SHAPE, PAGE, **pieces, **BFLOAT)
                self.assertTrue(torch.equal(wrapper.run(batch.q[:2], batch.cache), found[:2]))

    def test_levels_of_shared_kv(self):
        """Of two requests that see the first one's pages before their own."""
        batch = Batch([2, 2], [8, 6])
        seen = [torch.arange(0, 2), torch.arange(2, 4)]
        shared = (torch.tensor([0, 4]), batch.indptr[[0, 1]], batch.indices[:2], torch.tensor([PAGE]))
        own = (batch.q_indptr, torch.tensor([0, 0, 2]), batch.indices[2:], torch.tensor([0, 2]))
        wrapper = flashinfer.MultiLevelCascadeAttentionWrapper(2, self.buffer)
        wrapper.plan(*zip(shared, own), *SHAPE, PAGE, causal=True, **BFLOAT)
        found = wrapper.run(batch.q, batch.cache)
        keys = [batch.k[0], torch.cat([batch.k[0], batch.k[1]])]
        values = [batch.v[0], torch.cat([batch.v[0], batch.v[1]])]
        whole = torch.ones(2, 8, dtype=torch.bool)
        masks = [whole, torch.cat([whole, causal(2, 6)], 1)]
        right = torch.cat([attend(batch.q[at], k, v, mask)[0] for at, k, v, mask in zip(seen, keys, values, masks)])
        self.close(found, right)
        arrays = [*zip(shared, own)]
        with self.assertRaisesRegex(flashjit.ArgumentError, "paged_kv_indices_arr is of 1 levels; the cascade has 2"):
            wrapper.plan(*arrays[:2], arrays[2][:1], arrays[3], *SHAPE, PAGE, causal=True, **BFLOAT)
        with self.assertRaisesRegex(flashjit.ArgumentError, "qo_indptr_buf_arr is of 1 levels; the cascade has 2"):
            flashinfer.MultiLevelCascadeAttentionWrapper(2, self.buffer, "NHD", True, arrays[0][:1])
        with self.assertRaisesRegex(flashjit.ArgumentError, "paged_kv_indptr_arr is None; it must be a list of 2"):
            wrapper.plan(arrays[0], None, *arrays[2:], *SHAPE, PAGE, causal=True, **BFLOAT)
        with self.assertRaisesRegex(flashjit.ArgumentError, r"paged_kv_last_page_len_arr\[1\] is None; each level"):
            wrapper.plan(*arrays[:3], [arrays[3][0], None], *SHAPE, PAGE, causal=True, **BFLOAT)
        for levels in (0, -1, None, 1.5, True):
            with self.assertRaisesRegex(flashjit.ArgumentError, f"num_levels is {levels}; it must be a whole number"):
                flashinfer.MultiLevelCascadeAttentionWrapper(levels, self.buffer)

    def test_a_prefix_that_all_requests_share(self):
        """In two wrappers of their own, which FlashInfer has kept."""
        prefix = [torch.randn(5, KV_HEADS, DIM).bfloat16() for _ in "kv"]
        for q_lens, kind in (([2, 3], "Prefill"), ([1, 1], "Decode")):
            with self.subTest(kind):
                batch = Batch(q_lens, [8, 6])
                wrapper = getattr(flashinfer, f"Batch{kind}WithSharedPrefixPagedKVCacheWrapper")(self.buffer)
                queries = (batch.q_indptr,) if kind == "Prefill" else ()
                wrapper.begin_forward(*queries, *batch.pages(), *SHAPE, PAGE)
                found = wrapper.forward(batch.q, *prefix, batch.cache)
                rows = zip(batch.q.split(q_lens), batch.k, batch.v)
                both = [(q, *(torch.cat([p, own]) for p, own in zip(prefix, (k, v)))) for q, k, v in rows]
                everything = [torch.ones(q.shape[0], k.shape[0], dtype=torch.bool) for q, k, _ in both]
                self.close(found, torch.cat([attend(*row, seen)[0] for row, seen in zip(both, everything)]))


if __name__ == "__main__":
    unittest.main()
