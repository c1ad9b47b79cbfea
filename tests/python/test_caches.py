"""Caches of types and layouts of their own, on the simulator and without torch: whole latent tokens, 8 and 4 bits."""

import struct
import unittest
from array import array

import flashjit
from support import bf16, number, simulated

PAGE, PAGES, TOKEN = 4, 3, 6  # the token's place in the KV of its request
TABLE = [2, 1]
SLOT = TABLE[TOKEN // PAGE] * PAGE + TOKEN % PAGE


def filled(code, count, shape, value=0):
    """An array of the host's memory, as a memoryview of that shape."""
    return memoryview(array(code, [value] * count)).cast("B").cast(code, shape)


def rows(numbers):
    """bf16 as [1][1][dim]."""
    return memoryview(array("H", map(bf16, numbers))).cast("B").cast("H", (1, 1, len(numbers)))


def bits(view):
    return [number(code) for code in view.cast("B").cast("H")]


def batch():
    pages = memoryview(array("i", TABLE)).cast("B").cast("i", (1, 2))
    return {"kv_len": array("i", [TOKEN + 1]), "page_table": pages}


class Latents(unittest.TestCase):
    CODES = {"groups": 512, "e8m0": 448}
    AXES = {"v_dim": 512, "v_source": "keys", "kv_dtype": "e4m3", "page_size": PAGE}

    def specs(self, scale):
        return {**self.AXES, "head_dim": self.CODES[scale] + 64, "kv_scale": scale}

    def append(self, scale, cache):
        """A row with 3, 448 and -56 at its beginning, 448 in all other groups, and 0.5 to 32 in the wide dims."""
        codes = self.CODES[scale]
        row = [0.0] * codes
        row[:: 128 if scale == "groups" else 64] = [448.0] * len(row[:: 128 if scale == "groups" else 64])
        row[:3] = 3, 448, -56
        wide = [0.5 + i / 2 for i in range(64)]
        kernel = simulated().kernel(op="append", slots="int32", **self.specs(scale))
        found = flashjit.latent_tokens(kernel.spec, cache)
        kernel.run(k_new=rows(row), v_new=rows(wide), slots=array("i", [SLOT]), **found)
        return row, wide

    def attend(self, scale, cache):
        """O of a query token that sees its own token alone."""
        kernel = simulated().kernel(window_left=1, **self.specs(scale))
        workspace = kernel.workspace(max_requests=1, max_kv_len=8, kv_heads=1)
        kernel.plan(workspace, **batch())
        o = rows([0.0] * 512)
        q = rows([0.0] * (self.CODES[scale] + 64))
        kernel.run(workspace, q=q, o=o, **flashjit.latent_tokens(kernel.spec, cache))
        return bits(o)

    def test_tokens_of_656_bytes(self):
        cache = filled("B", PAGES * PAGE * 656, (PAGES, PAGE, 656), 0xA5)
        row, wide = self.append("groups", cache)
        token = bytes(cache)[SLOT * 656 : (SLOT + 1) * 656]
        self.assertEqual(token[:4], bytes([0x44, 0x7E, 0xE6, 0]), "3, 448 and -56 as e4m3")
        self.assertEqual(token[512:528], struct.pack("<4f", 1, 1, 1, 1))
        self.assertEqual(token[528:], bytes(array("H", map(bf16, wide))))
        self.assertEqual(bytes(cache).count(0xA5), (PAGES * PAGE - 1) * 656, "nothing else is written")
        self.assertEqual(self.attend("groups", cache), row)

    def test_tokens_of_584_bytes(self):
        for shape in ((PAGES, PAGE, 584), (PAGES, 576 * 5)):  # packed, and filled up to a multiple of 576
            with self.subTest(shape):
                page = shape[1] * shape[2] if len(shape) == 3 else shape[1]
                cache = filled("B", PAGES * page, shape, 0xA5)
                row, wide = self.append("e8m0", cache)
                begin = SLOT // PAGE * page
                text = bytes(cache)[begin : begin + page]
                token = text[SLOT % PAGE * 576 :][:576]
                self.assertEqual(token[:4], bytes([0x44, 0x7E, 0xE6, 0]))
                self.assertEqual(token[448:], bytes(array("H", map(bf16, wide))))
                self.assertEqual(text[PAGE * 576 + SLOT % PAGE * 8 :][:8], bytes([127] * 7 + [0xA5]))
                self.assertEqual(self.attend("e8m0", cache), row + wide)

    def test_a_second_kv_of_such_tokens(self):
        """The window sees a token, and the list one of the second cache: with Q 0, O is their mean."""
        caches = [filled("B", PAGES * PAGE * 584, (PAGES, PAGE, 584)) for _ in range(2)]
        row, wide = self.append("e8m0", caches[0])  # the second cache's tokens are zeros
        kernel = simulated().kernel(window_left=1, select=1, second_page=PAGE, **self.specs("e8m0"))
        workspace = kernel.workspace(max_requests=1, max_kv_len=8, kv_heads=1, max_selected=1)
        second = {f"second_{name}": array for name, array in batch().items()}
        kernel.plan(workspace, **batch(), **second)
        o, listed = rows([0.0] * 512), filled("i", 1, (1, 1))
        kernel.run(
            workspace, q=rows([0.0] * 512), o=o, selected=listed, **flashjit.latent_tokens(kernel.spec, caches[0]),
            **flashjit.latent_tokens(kernel.spec, caches[1], second=True),
        )  # fmt: skip
        self.assertEqual(bits(o), [value / 2 for value in row + wide])
        plain = simulated().kernel(window_left=1, **self.specs("e8m0"))
        with self.assertRaisesRegex(flashjit.ArgumentError, "has no tokens with wide_dims in second pages"):
            flashjit.latent_tokens(plain.spec, caches[1], second=True)

    def test_what_is_no_such_cache_is_told(self):
        kernel = simulated().kernel(op="append", slots="int32", **self.specs("groups"))
        for cache in (filled("B", 655 * PAGE, (1, PAGE, 655)), filled("H", 656 * PAGE, (1, PAGE, 656))):
            with self.assertRaisesRegex(flashjit.ArgumentError, r"it must be bytes, \[pages\]\[4\]\[656\] or"):
                flashjit.latent_tokens(kernel.spec, cache)
        with self.assertRaisesRegex(flashjit.ArgumentError, "has no tokens with wide_dims in pages"):
            flashjit.latent_tokens(flashjit.Spec("attention page=4"), filled("B", 4, (4,)))
        good = flashjit.latent_tokens(kernel.spec, filled("B", 656 * PAGE, (1, PAGE, 656)))
        plain = {"k_new": rows([0.0] * 512), "v_new": rows([0.0] * 64), "slots": array("i", [0]), **good}
        for sentence, changed in {
            "k_new has shape [1, 1, 576]; its last extent must be head_dim - wide_dims, 512": {
                "k_new": rows([0.0] * 576)
            },
            "v_new has shape [1, 1, 512]; its last extent must be wide_dims, 64": {"v_new": rows([0.0] * 512)},
            "k_scales has shape [1, 4, 1, 2]; its last extent must be groups of a row, 4": {
                "k_scales": filled("f", 8, (1, PAGE, 1, 2))
            },
            "tensors.k.data is ": {"v": good["v"]._replace(address=good["k"].address)},
        }.items():
            with self.subTest(sentence), self.assertRaises(flashjit.ArgumentError) as caught:
                kernel.run(**{**plain, **changed})
            self.assertIn(sentence, str(caught.exception))


class Quantised(unittest.TestCase):
    """A row that is appended, and what is worth of it in attention."""

    ROW = [1.0, -8.0, 7.0, 0.0, 4.0, 2.0, -1.0, -6.0] + [0.0] * 24

    def round_trip(self, axes, k, scales):
        spec = {"head_dim": 32, "page_size": PAGE, **axes}
        append = simulated().kernel(op="append", slots="int32", **spec)
        attention = simulated().kernel(window_left=1, **spec)
        both = {"k": k(), "v": k(), "k_scales": scales(), "v_scales": scales()}
        new = {"k_new": rows(self.ROW), "v_new": rows(self.ROW)}
        append.run(slots=array("i", [SLOT]), **new, **both)
        workspace = attention.workspace(max_requests=1, max_kv_len=8, kv_heads=1)
        attention.plan(workspace, **batch())
        o = rows([0.0] * 32)
        attention.run(workspace, q=rows([0.0] * 32), o=o, **both)
        return both, bits(o)

    def test_int8_with_scales_of_tokens(self):
        shape = (PAGES, PAGE, 1)
        both, found = self.round_trip(
            {"kv_dtype": "int8", "kv_scale": "token"},
            lambda: filled("b", PAGES * PAGE * 32, (*shape, 32)), lambda: filled("f", PAGES * PAGE, shape),
        )  # fmt: skip
        self.assertEqual(both["k"].cast("B").cast("b")[SLOT * 32 + 1], -127)
        self.assertAlmostEqual(both["v_scales"].cast("B").cast("f")[SLOT], 8 / 127, 3)
        self.assertLess(max(abs(a - b) for a, b in zip(found, self.ROW)), 0.05)

    def test_int4(self):
        both, found = self.round_trip(
            {"kv_dtype": "int4", "scale_group": 16},
            lambda: filled("B", PAGES * PAGE * 16, (PAGES, PAGE, 1, 16)),
            lambda: filled("H", 2 * PAGES * PAGE, (PAGES, PAGE, 1, 2)),
        )  # fmt: skip
        self.assertEqual(list(bytes(both["k"])[SLOT * 16 : SLOT * 16 + 4]), [0x81, 0x07, 0x24, 0xAF])
        self.assertEqual(found, self.ROW)


if __name__ == "__main__":
    unittest.main()
