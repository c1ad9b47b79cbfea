"""The Python package on torch's tensors: README's program and the protocols. Exits with 77 where there is none."""

import os
import re
import sys
import unittest

try:
    import torch
except ImportError:
    print("skipped: there is no torch")
    sys.exit(77)

import flashjit
from flashjit.arrays import view
from support import simulated

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")


def attend(q, k, v, lengths, pages):
    """[requests][heads][dim] in doubles: decode over a paged cache."""
    rows = []
    group = q.shape[1] // k.shape[2]
    for request, length in enumerate(lengths.tolist()):
        keys, values = (
            cache[pages[request].long()].flatten(0, 1)[:length].double().repeat_interleave(group, 1) for cache in (k, v)
        )
        logits = torch.einsum("hd,thd->ht", q[request].double(), keys) * q.shape[2] ** -0.5
        rows.append(torch.einsum("ht,thd->hd", logits.softmax(-1), values))
    return torch.stack(rows)


class Torch(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)

    def test_the_program_of_the_readme(self):
        with open(README, encoding="utf-8") as file:
            program = re.search(r"```python\n(.*?)```", file.read(), re.S).group(1)
        self.assertLessEqual(len(program.splitlines()), 12)
        os.environ["FLASHJIT_DRIVER"] = "sim"
        names = {}
        exec(program, names)
        right = attend(*(names[name] for name in ("q", "k", "v", "lengths", "pages")))
        self.assertLess(float((names["o"].double() - right).abs().max()), 0.01)

    def test_views_give_the_same_bits(self):
        """HND and interleaved pools are views of other strides; DLPack tells the same as torch."""
        kernel = simulated().kernel(head_dim=64, group=2, page_size=4)
        q = torch.randn(2, 4, 64).bfloat16()
        k, v = (torch.randn(6, 4, 2, 64).bfloat16() for _ in range(2))
        lengths = torch.tensor([9, 3], dtype=torch.int32)
        pages = torch.tensor([[5, 1, 4], [2, 0, 0]], dtype=torch.int32)
        workspace = kernel.workspace(max_requests=2, max_kv_len=12, kv_heads=2)
        kernel.plan(workspace, kv_len=lengths, page_table=pages)
        packed = kernel.run(workspace, q=q, k=k, v=v)
        self.assertLess(float((packed.double() - attend(q, k, v, lengths, pages)).abs().max()), 0.02)
        hnd = [cache.transpose(1, 2).contiguous().transpose(1, 2) for cache in (k, v)]
        pool = torch.stack([k, v], dim=1)
        for keys, values in (hnd, (pool[:, 0], pool[:, 1])):
            self.assertFalse(keys.is_contiguous())
            self.assertTrue(torch.equal(kernel.run(workspace, q=q, k=keys, v=values), packed))

    def test_dlpack_tells_what_torch_tells(self):
        class Capsule:
            def __init__(self, tensor):
                self.tensor = tensor

            def __dlpack__(self):
                return self.tensor.__dlpack__()

        tensors = [torch.zeros(4, 6, dtype=dtype)[1:, ::2] for dtype in (torch.bfloat16, torch.float32, torch.int64)]
        for tensor in [*tensors, torch.zeros(3, dtype=torch.bool), torch.zeros(2, 1, dtype=torch.uint8)]:
            self.assertEqual(view(Capsule(tensor))[:5], view(tensor)[:5])

    def test_what_is_wrong_with_a_tensor_is_told(self):
        kernel = simulated().kernel(head_dim=64)
        for sentence, q in {
            "q has type f32; allowed: bf16": torch.zeros(1, 1, 64),
            "q has strides [128, 128, 2]; the last one must be 1": torch.zeros(1, 1, 128).bfloat16()[..., ::2],
            "strides are [0, 64, 1]": torch.zeros(1, 1, 64).bfloat16().expand(2, 1, 64),
            "torch.complex64": torch.zeros(1, 1, 64, dtype=torch.complex64),
        }.items():
            with self.subTest(sentence), self.assertRaises(flashjit.ArgumentError) as caught:
                kernel.bind(q=q)
            self.assertIn(sentence, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
