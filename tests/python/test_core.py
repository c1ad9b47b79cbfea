"""The Python package without torch, on the simulator."""

import math
import threading
import unittest
from array import array
from unittest import mock

import flashjit
from flashjit import _declarations as c
from flashjit import _library
from flashjit.errors import BY_STATUS
from support import Decode, Host, attend, simulated


class Specs(unittest.TestCase):
    def test_text_and_axes_mean_the_same(self):
        spec = flashjit.Spec("attention hd=64 group=4", page_size=16, kv_dtype="e4m3")
        self.assertEqual(str(spec), "attention hd=64 group=4 kv=e4m3 page=16")
        self.assertEqual(str(flashjit.Spec(str(spec))), str(spec))
        self.assertEqual(spec.page_size, 16)
        spec.check("sm_90a")
        self.assertTrue("kPageSize = 16;" in spec.source(), "the source has no page size")

    def test_what_is_not_allowed_is_named(self):
        for text, call in {
            "mask is 'foo'; allowed: causal none": lambda: flashjit.Spec(mask="foo"),
            "group is '4'; allowed: a number from 1 to 128": lambda: flashjit.Spec(group="4"),
            "group is -1; allowed: 1 to 128": lambda: flashjit.Spec(group=-1),
            "head_dim is 64.5; allowed: a number from": lambda: flashjit.Spec(head_dim=64.5),
            "kv_dtype is None; allowed: f16": lambda: flashjit.Spec(kv_dtype=None),
            "group is 129": lambda: flashjit.Spec(group=129).check(),
            "kv_scale": lambda: flashjit.Spec(kv_scale="tensor").check(),
            "no axis 'heads'": lambda: flashjit.Spec(heads=3),
        }.items():
            with self.assertRaises((flashjit.Error, TypeError)) as caught:
                call()
            self.assertIn(text, str(caught.exception))

    def test_every_supported_merge_is_listed(self):
        found = [str(spec) for spec in flashjit.specs("merge")]
        self.assertGreater(len(found), 10)
        self.assertEqual(len(set(found)), len(found))

    def test_every_status_has_its_exception(self):
        statuses = {n for name, n in vars(c).items() if name.startswith("FI_ERROR_")}
        self.assertEqual(set(BY_STATUS), statuses)


class Launches(unittest.TestCase):
    def test_decode_is_right_and_counted(self):
        case, ctx = Decode(), simulated()
        kernel = ctx.kernel(**case.AXES)
        workspace = case.workspace(kernel)
        case.plan(kernel, workspace)
        before = ctx.runs
        self.assertIs(kernel.run(workspace, **case.tensors()), case.o)
        self.assertLess(case.error(), 0.02)
        self.assertEqual(ctx.runs, before + 1)
        self.assertIsNone(workspace.fault())
        self.assertIs(ctx.kernel(str(kernel.spec)), kernel)
        self.assertEqual(kernel.facts()["spill_bytes"], 0)

    def test_caches_without_tokens(self):
        for rows in (0, 128):
            with self.subTest(rows=rows):
                case, ctx = Decode(), simulated()
                case.k, case.v = (Host((0, case.PAGE, case.KV_HEADS, case.DIM)) for _ in "kv")
                case.kv_len = array("i", (0, 0))
                kernel = ctx.kernel(**case.AXES, rows=rows)
                workspace = case.workspace(kernel)
                case.plan(kernel, workspace)
                kernel.run(workspace, **case.tensors())
                self.assertEqual(set(case.o.bits), {0})

    def test_a_prepared_launch_reads_what_arrays_hold_now(self):
        case = Decode()
        kernel = simulated().kernel(**case.AXES)
        workspace = case.workspace(kernel)
        case.plan(kernel, workspace)
        launch = kernel.bind(workspace, **case.tensors())
        launch()
        case.q.bits[:] = Host(case.q.shape, 9).bits
        launch()
        self.assertLess(case.error(), 0.02)
        other = Host(case.o.shape)
        launch.set(o=other)
        launch()
        self.assertEqual(other.bits, case.o.bits)

    def test_prefixes_that_are_told(self):
        """Of requests that share less than counts: results are right, and what is told wrongly is a fault."""
        case, ctx = Decode(), simulated()
        kernel = ctx.kernel(**case.AXES, prefixes=2)
        workspace = case.workspace(kernel)
        for entries, fault in (
            ([1, 0, 0, 0], None),
            ([0, 0, 0, 0], ("order", 1, 0)),
            ([0, 9, 1, 99], ("shared", 1, 99)),
        ):
            shared = memoryview(array("i", entries)).cast("B").cast("i", (2, 2))
            kernel.plan(workspace, kv_len=case.kv_len, page_table=case.page_table, shared=shared)
            kernel.run(workspace, **case.tensors())
            self.assertLess(case.error(), 0.02)
            self.assertEqual(workspace.fault(), fault)

    def test_device_arrays_give_the_same_bits(self):
        case, ctx = Decode(), simulated()
        kernel = ctx.kernel(**case.AXES)
        workspace = case.workspace(kernel)
        case.plan(kernel, workspace)
        kernel.run(workspace, **case.tensors())
        device = {name: ctx.array(a.shape, "bf16").write(a) for name, a in case.tensors().items() if name != "o"}
        o = ctx.array(case.o.shape, "bf16")
        kernel.run(workspace, **device, o=o)
        self.assertEqual(o.tobytes(), case.o.bits.tobytes())

    def test_append_writes_both_halves_of_one_array(self):
        """K and V of a pool lie in one memory, so their copies must be one, too."""
        ctx = simulated()
        append = ctx.kernel(op="append", head_dim=32, page_size=4, slots="int64")
        pool = Host((3, 2, 4, 2, 32), seed=4)
        before = pool.bits[:]
        half = 4 * 2 * 32
        view = {"dtype": "u16", "shape": (3, 4, 2, 32), "strides": (2 * half, 64, 32, 1)}
        base = pool.bits.buffer_info()[0]
        k, v = (flashjit.arrays.View(base + 2 * half * i, **view, on_host=True, owner=pool) for i in range(2))
        new = [Host((2, 2, 32), seed=seed) for seed in (5, 6)]
        append.run(k=k, v=v, k_new=new[0], v_new=new[1], slots=array("q", [6, -1]))
        for i in range(2):  # slot 6 is token 2 of page 1
            begin = 2 * half + i * half + 2 * 64
            self.assertEqual(pool.bits[begin : begin + 64], new[i].bits[:64])
            before[begin : begin + 64] = new[i].bits[:64]
        self.assertEqual(pool.bits, before)

    def test_merge_takes_its_counts_from_shapes(self):
        merge = simulated().kernel(op="merge", head_dim=32, lse=1)
        parts = Host((2, 1, 3, 32), seed=3)
        lse = memoryview(array("f", [0.0] * 6)).cast("B").cast("f", (2, 1, 3))
        o, merged = Host((1, 3, 32)), array("f", [0.0] * 3)
        merge.run(parts_o=parts, parts_lse=lse, o=o, lse=merged)
        self.assertAlmostEqual(merged[0], 0.6931, 3)
        for d in range(32):
            self.assertAlmostEqual(o.at(0, 2, d), (parts.at(0, 0, 2, d) + parts.at(1, 0, 2, d)) / 2, 1)

    def test_what_an_indexer_lists_is_seen(self):
        case, ctx = Decode(), simulated()
        bounds = {"max_requests": 2, "max_kv_len": 12, "kv_heads": 1, "max_selected": 4}
        index = ctx.kernel("indexer hd=32 group=4 page=4")
        attention = ctx.kernel("attention hd=32 group=4 page=4 select=1")
        keys, k, v = (Host((6, 4, 1, 32), seed) for seed in (5, 6, 7))
        weights = memoryview(array("f", [1, 0.5, 2, 1] * 2)).cast("B").cast("f", (2, 4))
        lists = memoryview(array("i", [7] * 8)).cast("B").cast("i", (2, 4))
        spaces = {kernel: kernel.workspace(**bounds) for kernel in (index, attention)}
        for kernel, workspace in spaces.items():
            case.plan(kernel, workspace)
        self.assertIs(index.run(spaces[index], q=case.q, k=keys, weights=weights, lists=lists), lists)
        attention.run(spaces[attention], q=case.q, k=k, v=v, o=case.o, selected=lists)

        def row(cache, request, token):
            return [cache.at(case.TABLE[request][token // 4], token % 4, 0, d) for d in range(32)]

        for request, length in enumerate(case.LENGTHS):
            queries = [[case.q.at(request, head, d) for d in range(32)] for head in range(4)]
            scores = [
                sum(
                    w * max(0, sum(a * b for a, b in zip(q, row(keys, request, t))))
                    for w, q in zip((1, 0.5, 2, 1), queries)
                )
                for t in range(length)
            ]
            best = sorted(sorted(range(length), key=lambda t: -scores[t])[:4])
            self.assertEqual([lists[request, i] for i in range(4)], best + [-1] * (4 - len(best)))
            for head, query in enumerate(queries):
                right = attend(query, [row(k, request, t) for t in best], [row(v, request, t) for t in best])
                self.assertLess(max(abs(case.o.at(request, head, d) - right[d]) for d in range(32)), 0.02)

    def test_a_window_and_what_an_indexer_lists_of_a_second_cache_are_seen(self):
        case, ctx = Decode(), simulated()
        lengths, table = array("i", [7, 2]), ((3, 0, 6, 1), (5, 9, 9, 9))
        pages = memoryview(array("i", sum(table, ()))).cast("B").cast("i", (2, 4))
        index = ctx.kernel("indexer hd=32 group=4 page=2 scores=heads")
        attention = ctx.kernel("attention hd=32 group=4 page=4 left=3 select=1 second=2")
        keys, k, v = (Host((7, 2, 1, 32), seed) for seed in (5, 6, 7))
        first_k, first_v = (Host((6, 4, 1, 32), seed) for seed in (8, 9))
        lists = memoryview(array("i", [7] * 32)).cast("B").cast("i", (2, 4, 4))
        one = memoryview(array("i", [7] * 8)).cast("B").cast("i", (2, 4))
        bounds = {"max_requests": 2, "max_kv_len": 12, "kv_heads": 1, "max_selected": 4}
        space, other = index.workspace(**bounds), attention.workspace(**bounds)
        index.plan(space, kv_len=lengths, page_table=pages)
        index.run(space, q=case.q, k=keys, lists=lists)
        for request in range(2):
            for i in range(4):
                one[request, i] = lists[request, 0, i]
        paged = {"kv_len": case.kv_len, "page_table": case.page_table}
        attention.plan(other, **paged, second_kv_len=lengths, second_page_table=pages)
        tensors = {"q": case.q, "k": first_k, "v": first_v, "o": case.o, "selected": one}
        attention.run(other, **tensors, second_k=k, second_v=v)
        for request, length in enumerate(case.LENGTHS):
            window = range(max(0, length - 3), length)
            listed = [one[request, i] for i in range(4) if one[request, i] >= 0]
            self.assertEqual(len(listed), min(4, lengths[request]))
            for head in range(4):
                query = [case.q.at(request, head, d) for d in range(32)]
                rows = [
                    [[near.at(case.TABLE[request][t // 4], t % 4, 0, d) for d in range(32)] for t in window]
                    + [[far.at(table[request][t // 2], t % 2, 0, d) for d in range(32)] for t in listed]
                    for near, far in ((first_k, k), (first_v, v))
                ]
                right = attend(query, *rows)
                self.assertLess(max(abs(case.o.at(request, head, d) - right[d]) for d in range(32)), 0.02)
        with self.assertRaises(flashjit.ArgumentError) as caught:
            attention.run(other, **tensors, second_k=first_k, second_v=v)
        self.assertIn("second_k has pages of 4 tokens; the spec says 2", str(caught.exception))
        two = Host((7, 2, 2, 32), 10)
        for name in ("v", "second_k", "second_v"):
            with self.assertRaises(flashjit.ArgumentError) as caught:
                wide = Host((6, 4, 2, 32), 11) if name == "v" else two
                attention.run(other, **{**tensors, "second_k": k, "second_v": v, name: wide})
            self.assertIn(f"{name} has 2 KV heads and k 1; they must be equal", str(caught.exception))

    def test_lists_and_weights_may_be_views(self):
        """Rows of a larger array have the same entries as packed ones, and what is between them stays."""
        case, ctx = Decode(), simulated()
        bounds = {"max_requests": 2, "max_kv_len": 12, "kv_heads": 1, "max_selected": 4}
        keys = Host((6, 4, 1, 32), 5)
        index = ctx.kernel("indexer hd=32 group=4 page=4")
        attention = ctx.kernel("attention hd=32 group=4 page=4 select=1")
        found = []
        for width in (4, 6):
            weights = memoryview(array("f", ([1, 0.5, 2, 1] + [7] * (width - 4)) * 2)).cast("B").cast("f", (2, width))
            lists = array("i", [7] * 2 * width)
            views = {
                name: flashjit.arrays.View(base, dtype, (2, 4), (width, 1), on_host=True, owner=owner)
                for name, base, dtype, owner in (
                    ("lists", lists.buffer_info()[0], "i32", lists),
                    ("weights", flashjit.arrays.view(weights).address, "f32", weights),
                )
            }
            space, other = index.workspace(**bounds), attention.workspace(**bounds)
            case.plan(index, space)
            case.plan(attention, other)
            index.run(space, q=case.q, k=keys, **views)
            self.assertEqual(lists[4:width].tolist() + lists[width + 4 :].tolist(), [7] * 2 * (width - 4))
            attention.run(other, q=case.q, k=keys, v=keys, o=case.o, selected=views["lists"])
            found.append((lists[:4] + lists[width : width + 4], case.o.bits[:]))
        self.assertEqual(found[0], found[1])

    def test_scratch_is_shared(self):
        case = Decode()
        kernel = simulated().kernel(**case.AXES)
        first = case.workspace(kernel)
        second = kernel.workspace(max_requests=1, max_kv_len=8, kv_heads=2, scratch=first)
        self.assertEqual(second.struct.scratch, first.struct.scratch)
        self.assertNotEqual(second.struct.memory, first.struct.memory)

    def test_a_fault_is_told(self):
        case = Decode()
        kernel = simulated().kernel(**case.AXES)
        workspace = case.workspace(kernel)
        case.kv_len = array("i", [9, 99])
        case.plan(kernel, workspace)
        self.assertEqual(workspace.fault(), flashjit.Fault("kv_len", 1, 99))

    def test_no_fault_is_told_of_what_no_plan_has_written(self):
        """A graph's memory is that of others between its replays."""
        case, others = Decode(), array("i", [1050885855] * 8)
        kernel = simulated().kernel(**case.AXES)
        with mock.patch("flashjit.kernel.is_capturing", lambda: True):
            of_graph = case.workspace(kernel)
        of_graph.memory.copy_in(others.buffer_info()[0], 32)
        self.assertIsNone(of_graph.fault())
        self.assertIsNone(case.workspace(kernel).fault())

    def test_no_fault_is_told_of_memory_that_replays_wrote_over(self):
        """The pool of a graph gives memory to others, too, than what is captured."""
        case, others = Decode(), array("i", [-1098000000] * 8)
        workspace = case.workspace(simulated().kernel(**case.AXES))
        workspace.memory.copy_in(others.buffer_info()[0], 32)
        self.assertIsNone(workspace.fault())

    def test_other_threads_have_a_cuda_context_too(self):
        case, failures = Decode(), []
        kernel = simulated().kernel(**case.AXES)

        def work():
            try:
                workspace = case.workspace(kernel)
                case.plan(kernel, workspace)
                kernel.run(workspace, **case.tensors())
            except Exception as reason:
                failures.append(reason)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(failures, [])
        self.assertLess(case.error(), 0.02)


class BadInput(unittest.TestCase):
    def setUp(self):
        self.case = Decode()
        self.kernel = simulated().kernel(**self.case.AXES)
        self.workspace = self.case.workspace(self.kernel)
        self.case.plan(self.kernel, self.workspace)

    def expect(self, sentence, call, kind=flashjit.ArgumentError):
        with self.assertRaises(kind) as caught:
            call()
        self.assertIn(sentence, str(caught.exception))

    def test_tensors(self):
        tensors = self.case.tensors()
        wide = array("f", [0.0] * 256)
        for sentence, changed in {
            "q has type f32; allowed: bf16": {"q": memoryview(wide).cast("B").cast("f", (2, 4, 32))},
            "q has shape [2, 4, 64]; its last extent must be head_dim, 32": {"q": Host((2, 4, 64))},
            "q has shape [8, 32]; it must be [tokens][query heads][head_dim]": {"q": Host((8, 32))},
            "k has pages of 8 tokens; the spec says 4": {"k": Host((3, 8, 2, 32))},
            "q has 4 heads and k 1; the group of the spec is 2": {"k": Host((6, 4, 1, 32))},
            "q has shape [2, 4, 32] and o [1, 4, 32]": {"o": Host((1, 4, 32))},
            "softmax_scale": {"softmax_scale": -1.0},
            "a str is no array": {"q": "query"},
            "tensors.v.data is NULL": {"v": None},
        }.items():
            with self.subTest(sentence):
                self.expect(sentence, lambda: self.kernel.run(self.workspace, **{**tensors, **changed}))

    def test_fewer_tokens_than_are_planned(self):
        one = {**self.case.tensors(), "q": Host((1, 4, 32)), "o": Host((1, 4, 32))}
        self.kernel.plan(self.workspace, kv_len=self.case.kv_len, page_table=self.case.page_table)
        sentence = "q has shape [1, 4, 32]; the plan is of 2 requests, each with a token"
        self.expect(sentence, lambda: self.kernel.run(self.workspace, **one))

    def test_tensors_of_an_indexer(self):
        index = simulated().kernel("indexer hd=32 group=2 page=4")
        workspace = index.workspace(max_requests=2, max_kv_len=12, kv_heads=2, max_selected=4)
        self.case.plan(index, workspace)

        def ints(*shape):
            return memoryview(array("i", [0] * 32)).cast("B")[: 4 * math.prod(shape)].cast("i", shape)

        def floats(*shape):
            return memoryview(array("f", [0.0] * 32)).cast("B")[: 4 * math.prod(shape)].cast("f", shape)

        good = {"q": self.case.q, "k": self.case.k, "weights": floats(2, 4), "lists": ints(2, 2, 4)}
        index.run(workspace, **good)
        for sentence, changed in {
            "lists has shape [1, 2, 4]; it must have the 2 tokens of q at least": {"lists": ints(1, 2, 4)},
            "lists has shape [16]; it must be [tokens][entries] or [tokens][heads][entries]": {"lists": ints(16)},
            "lists has shape [2, 1, 2, 4]; it must be": {"lists": ints(2, 1, 2, 4)},
            "weights has shape [2, 2]; it must be [tokens][query heads], [2, 4]": {"weights": floats(2, 2)},
            "weights has shape [1, 4]; it must be": {"weights": floats(1, 4)},
            "weights has shape [8]; it must be": {"weights": floats(8)},
        }.items():
            with self.subTest(sentence):
                self.expect(sentence, lambda: index.run(workspace, **{**good, **changed}))

    def test_lists_of_fewer_tokens(self):
        kernel = simulated().kernel(**self.case.AXES, select=1)
        workspace = kernel.workspace(max_requests=2, max_kv_len=12, kv_heads=2, max_selected=4)
        self.case.plan(kernel, workspace)
        lists = memoryview(array("i", [0] * 4)).cast("B").cast("i", (1, 4))
        tensors = {**self.case.tensors(), "selected": lists}
        self.expect("selected has shape [1, 4]; it must have the 2 tokens", lambda: kernel.run(workspace, **tensors))

    def test_unknown_names(self):
        self.expect("fi_tensors has no field 'query'", lambda: self.kernel.bind(query=1), TypeError)
        self.expect("fi_batch has no field 'lengths'", lambda: self.kernel.plan(self.workspace, lengths=1), TypeError)

    def test_batches(self):
        plan = self.kernel.plan
        lengths, table = self.case.kv_len, self.case.page_table
        wide = array("q", lengths)
        self.expect("kv_len has type i64; allowed: i32", lambda: plan(self.workspace, kv_len=wide, page_table=table))
        self.expect("a batch needs one of kv_len", lambda: plan(self.workspace, page_table=table))
        flat = array("i", [0] * 6)
        self.expect("page_table has shape [6]", lambda: plan(self.workspace, kv_len=lengths, page_table=flat))
        indptr = array("i", [0, 1, 2, 3])
        batch = {"kv_len": lengths, "page_table": table}
        self.expect("kv_len of 2, q_indptr of 3", lambda: plan(self.workspace, **batch, q_indptr=indptr))
        three = {"kv_len": array("i", [1] * 3), "page_table": table}
        self.expect("requests", lambda: plan(self.workspace, **three))
        self.expect("workspace is None; it must be what", lambda: plan(None, **batch))
        self.expect("workspace is 3; it must be what", lambda: self.kernel.bind(3, **self.case.tensors()))
        told = array("i", [0, 0, 1, 4])
        self.expect("shared has shape [4]", lambda: plan(self.workspace, **batch, shared=told))

    def test_bounds(self):
        workspace = self.kernel.workspace
        self.expect("max_kv_len is -1", lambda: workspace(max_requests=1, max_kv_len=-1, kv_heads=1))
        self.expect("kv_heads", lambda: workspace(max_requests=1, max_kv_len=8, kv_heads=0))

    def test_modes_and_contexts(self):
        self.expect("mode is 'off'; allowed: on", lambda: flashjit.Context(mode="off"), ValueError)
        nowhere = flashjit.Context(driver="/nowhere/libcuda.so", cache_dir="")
        self.expect("/nowhere/libcuda.so", lambda: nowhere.kernel(), flashjit.NoDriverError)
        empty = flashjit.Context(driver="sim", cache_dir="", mode="load_only")
        self.expect("attention", lambda: empty.kernel(), flashjit.NotCachedError)


class Events(unittest.TestCase):
    def test_loads_are_told(self):
        events = []
        with flashjit.Context(driver="sim", on_event=events.append) as ctx:
            ctx.kernels(["attention hd=32 group=2 rows=16 page=4", "merge hd=32 lse=1"])
            self.assertEqual(ctx.counters()["kernels"], 3)  # the plan kernel, too
        loaded = {event.spec for event in events if event.kind == c.FI_EVENT_LOADED}
        self.assertEqual(loaded, {"attention hd=32 group=2 rows=16 page=4", "merge hd=32 lse=1", "plan"})


class Arrays(unittest.TestCase):
    def test_cuda_array_interface(self):
        class Device:
            __cuda_array_interface__ = {
                "data": (4096, False), "shape": (2, 3, 32), "strides": (192, 64, 2), "typestr": "<f2", "version": 3,
            }  # fmt: skip

        found = flashjit.arrays.view(Device())
        self.assertEqual(found[:5], (4096, "f16", (2, 3, 32), (96, 32, 1), False))

    def test_streams(self):
        class Stream:
            def __cuda_stream__(self):
                return 0, 77

        self.assertEqual(flashjit.arrays.stream_of(Stream()), 77)
        self.assertEqual(flashjit.arrays.stream_of(5), 5)
        with self.assertRaises(flashjit.ArgumentError):
            flashjit.arrays.stream_of("default")

    def test_rope_table(self):
        table, magnitude = flashjit.rope_table(8, "yarn", theta=10000.0, factor=4.0, context=4096.0)
        self.assertEqual(len(table), 4)
        self.assertAlmostEqual(table[0] / 2**64 * 6.283185307, 1.0, 6)
        self.assertGreater(magnitude, 1)
        with self.assertRaisesRegex(flashjit.ArgumentError, "scaling is 'twice'; allowed: none, linear"):
            flashjit.rope_table(8, "twice")


class Compiler(unittest.TestCase):
    def test_it_is_found_in_the_environment(self):
        import os
        import sys
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            for place in reversed(_library.NVRTC_PLACES):
                os.makedirs(os.path.dirname(os.path.join(folder, place)), exist_ok=True)
                open(os.path.join(folder, place), "w").close()
            sys.path.insert(0, folder)
            try:
                found = _library.nvrtc_paths()
            finally:
                sys.path.remove(folder)
        places = [os.path.relpath(path, folder) for path in found if path.startswith(folder)]
        self.assertEqual(places, list(_library.NVRTC_PLACES))


if __name__ == "__main__":
    unittest.main()
