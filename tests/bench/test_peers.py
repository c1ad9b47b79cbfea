"""The driver of peers: what it does with a fake device, whose times are set, and with fake peers. Needs no torch."""

import contextlib
import io
import os
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest import mock

PEERS = Path(__file__).resolve().parents[2] / "tools" / "bench" / "peers"
PLUGINS = Path(__file__).resolve().parent / "plugins"
sys.path.insert(0, str(PEERS))

import built  # noqa: E402
import drive  # noqa: E402
import host  # noqa: E402
import plugin  # noqa: E402
from case import Absent, read_case  # noqa: E402
from host import HostDevice  # noqa: E402

AXES = {
    "op": "attention", "family": "auto", "head_dim": 32, "v_dim": 32, "group": 2, "rows": 16, "q_dtype": "bf16",
    "kv_dtype": "bf16", "v_dtype": "bf16", "o_dtype": "bf16", "page_size": 4, "index": "dense", "mask": "causal",
    "window_left": 0, "softcap": 0, "sinks": 0, "rope": "none", "bias": "none", "kv_scale": "none", "chunk": 0,
    "v_source": "own", "rope_keys": "rotated", "rope_dim": 32,
}  # fmt: skip


def member(**axes):
    return {
        "text": "a case", "spec": "attention", "heads": 2, "requests": [[1, 9], [1, 3]], "borrowed": [[0, 0], [0, 0]],
        "shares": False, "axes": {**AXES, **axes},
    }  # fmt: skip


class Device:
    """Notes the order of replays; a graph takes as long as its state says, and each replay a little more."""

    simulated = False

    def __init__(self, fails=""):
        self.replays, self.released, self.fails = [], 0, fails

    def tensors(self, case, seed):
        if self.fails == "tensors" and case.heads > 2:
            raise MemoryError("no room")
        return [SimpleNamespace(set=i) for i in range(3)]

    def error(self, case, tensors, o):
        return o, 0.01

    def capture(self, launches):
        for launch in launches:
            launch()
        return SimpleNamespace(name=Peer.last, launches=len(launches))

    def time(self, graph):
        self.replays.append(graph.name)
        if graph.name == "untimed" and len(self.replays) > 2:
            raise RuntimeError("a launch failed")
        return 10.0 + len(self.replays)

    def products(self):
        if self.fails == "products":
            raise RuntimeError("no room")
        return 700.0

    def synchronize(self):
        pass

    def release(self):
        self.released += 1
        if self.fails == "release":
            raise RuntimeError("an illegal address")


class Peer(ModuleType):
    """A plug-in that notes its launches."""

    last = None

    def __init__(self, name, error=0.001, refuses="", fails=""):
        super().__init__(name)
        self.error, self.refuses, self.fails, self.launched = error, refuses, fails, []

    def available(self):
        return "1"

    def supports(self, case):
        return self.refuses

    def prepare(self, case, tensors):
        if self.fails == "prepare":
            raise RuntimeError("no\nroom")
        return SimpleNamespace(o=self.error, set=tensors.set)

    def run(self, state):
        Peer.last = self.__name__
        if self.fails == "run":
            raise RuntimeError("launch")
        self.launched.append(state.set)


def run(*peers, replays=3, **axes):
    device = Device()
    modules = {peer.__name__: (peer, "1") for peer in peers}
    rows = drive.run_case(read_case(member(**axes)), modules, device, replays, 1)
    return device, {row["provider"]: row for row in rows}


class Cases(unittest.TestCase):
    def test_providers_take_turns_on_all_sets(self):
        own, other = Peer("flashjit"), Peer("other")
        device, rows = run(own, other)
        self.assertEqual(device.replays, ["flashjit", "other"] * 3)
        self.assertEqual(rows["flashjit"]["samples"], [11.0, 13.0, 15.0])
        self.assertEqual(rows["other"]["samples"], [12.0, 14.0, 16.0])
        self.assertEqual(own.launched, [0, 0, 1, 2])
        self.assertEqual({row["status"] for row in rows.values()}, {"ok"})

    def test_what_goes_wrong_costs_one_row(self):
        peers = [
            Peer("flashjit"), Peer("wrong", error=0.02), Peer("nan", error=float("nan")),
            Peer("infinite", error=float("inf")), Peer("refuses", refuses="no windows"),
            Peer("unprepared", fails="prepare"), Peer("unlaunched", fails="run"),
        ]  # fmt: skip
        device, rows = run(*peers)
        found = {name: (row["status"], row.get("reason")) for name, row in rows.items()}
        self.assertEqual(found["flashjit"], ("ok", None))
        self.assertEqual([found[name] for name in ("wrong", "nan", "infinite")], [("wrong", None)] * 3)
        self.assertEqual(found["refuses"], ("skipped", "no windows"))
        self.assertEqual(found["unprepared"], ("failed", "RuntimeError: no room"))
        self.assertEqual(found["unlaunched"], ("failed", "RuntimeError: launch"))
        self.assertEqual(set(device.replays), {"flashjit"})
        self.assertIsNone(rows["nan"]["error"])
        self.assertNotIn("samples", rows["wrong"])

    def test_what_cannot_be_timed_costs_one_row(self):
        device, rows = run(Peer("flashjit"), Peer("untimed"), Peer("other"))
        self.assertEqual(rows["untimed"]["status"], "failed")
        self.assertEqual(rows["untimed"]["reason"], "RuntimeError: a launch failed")
        for name in ("flashjit", "other"):
            self.assertEqual((rows[name]["status"], len(rows[name]["samples"])), ("ok", 3))

    def test_plans_are_timed_apart(self):
        own = Peer("flashjit")
        own.plan = lambda state: None
        _, rows = run(own, Peer("other"))
        self.assertEqual(len(rows["flashjit"]["plan_samples"]), 3)
        self.assertNotIn("plan_samples", rows["other"])

    def test_ragged_tokens_are_given(self):
        _, rows = run(Peer("flashjit"), page_size=0, index="csr")
        self.assertEqual(rows["flashjit"]["status"], "ok")

    def test_cases_without_inputs_are_skipped_by_all(self):
        for axes in (
            {"kv_dtype": "int8"}, {"kv_dtype": "e4m3"}, {"rope": "interleaved"}, {"rope": "half", "rope_dim": 16},
            {"bias": "slopes"}, {"chunk": 64}, {"page_size": 0},
            {"index": "csr"}, {"lse": 1}, {"o_dtype": "f32"}, {"kv_start": 1}, {"op": "indexer"},
        ):  # fmt: skip
            _, rows = run(Peer("flashjit"), **axes)
            self.assertEqual(rows["flashjit"]["status"], "skipped", axes)
            self.assertIn("there are no inputs", rows["flashjit"]["reason"])
        for axes in ({"rope": "half"}, {"kv_dtype": "e4m3", "v_dtype": "e4m3"}):
            self.assertEqual(read_case(member(**axes)).lacks(), "")
        contiguous = {**member(page_size=0, index="csr"), "shares": True}
        self.assertEqual(read_case(contiguous).lacks(), "requests share KV without pages")


class Runs(unittest.TestCase):
    """Of three cases, the second larger."""

    def drive(self, fails=""):
        device, emitted = Device(fails), []
        load = plugin.load
        plugin.load = lambda name, extra: Peer(name)
        cases = [member(), {**member(), "heads": 64}, member()]
        request = {"peers": ["other"], "from": None, "cases": cases, "replays": 3, "seed": 1}
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                drive.drive(request, request["peers"], device, emitted.append)
        except RuntimeError as error:
            emitted.append(str(error))
        finally:
            plugin.load = load
        return device, emitted

    def test_all_rows_are_told(self):
        device, emitted = self.drive()
        self.assertEqual(emitted[0], {"products_tflop_s": 700.0})
        self.assertEqual([(row["case"], row["provider"]) for row in emitted[1:]],
                         [(case, name) for case in range(3) for name in ("flashjit", "other")])  # fmt: skip
        self.assertEqual({row["status"] for row in emitted[1:]}, {"ok"})
        self.assertEqual(device.released, 3)

    def test_a_case_without_room_costs_its_rows(self):
        _, emitted = self.drive("tensors")
        self.assertEqual([row["status"] for row in emitted[1:]], ["ok", "ok", "failed", "failed", "ok", "ok"])
        self.assertEqual(emitted[3]["reason"], "MemoryError: no room")

    def test_an_unknown_ceiling_costs_nothing(self):
        _, emitted = self.drive("products")
        self.assertEqual([row["status"] for row in emitted], ["ok"] * 6)

    def test_rows_are_told_before_a_broken_device_ends_it(self):
        _, emitted = self.drive("release")
        self.assertEqual([row["status"] for row in emitted[1:3]], ["ok"] * 2)
        self.assertEqual(emitted[3:], ["an illegal address"])


class Plugins(unittest.TestCase):
    def test_all_have_what_a_plug_in_has(self):
        names = plugin.names()
        self.assertEqual(len(names), 10)
        for name in names:
            text = (plugin.HERE / f"{name}.py").read_text()
            compile(text, name, "exec")
            try:
                module = plugin.load(name)
            except Absent as reason:
                self.assertTrue(str(reason))
                continue
            self.assertTrue(all(callable(getattr(module, function)) for function in plugin.FUNCTIONS))

    def test_an_unknown_one_is_named(self):
        with self.assertRaisesRegex(ValueError, "there is no peer 'fa9'; there are fa3, "):
            plugin.load("fa9")

    def test_absent_ones_are_told(self):
        told = []
        own, load = Peer("flashjit"), plugin.load

        def fake(name, extra):
            if name == "gone":
                raise Absent("it is gone")
            if name == "broken":
                raise AttributeError("no such thing")
            return own

        plugin.load = fake
        try:
            modules = drive.load_all(["gone", "broken", "other"], None, False, told.append)
        finally:
            plugin.load = load
        broken = {"absent": "broken", "reason": "AttributeError: no such thing"}
        self.assertEqual(told, [{"absent": "gone", "reason": "it is gone"}, broken])
        self.assertEqual(list(modules), ["flashjit", "other"])


    def test_those_of_a_gpu_are_absent_on_the_simulator(self):
        told = []
        with mock.patch.object(plugin, "load", lambda name, extra: Peer(name)):
            modules = drive.load_all(["sdpa", "fake"], str(PLUGINS), True, told.append)
        self.assertEqual(told, [{"absent": "sdpa", "reason": "it runs on a GPU, and the device is simulated"}])
        self.assertEqual(list(modules), ["flashjit", "fake"])


class Lacks(unittest.TestCase):
    """What all peers need and is not here makes each of them absent, with its reason; unknown names are refused."""

    def serve(self, peers, opened):
        told = []
        request = {"peers": peers, "from": None, "simulated": False, "cases": [], "replays": 1, "seed": 1}
        with mock.patch.object(drive, "open_device", side_effect=opened):
            code = drive.serve(request, told.append)
        return code, told

    def test_each_is_told(self):
        code, told = self.serve(["fa3", "flex"], Absent("torch finds no GPU"))
        self.assertEqual(code, 0)
        self.assertEqual(told, [{"absent": name, "reason": "torch finds no GPU"} for name in ("fa3", "flex")])

    def test_this_librarys_package(self):
        def load(name, extra):
            raise Absent("flashjit: no such file")

        with mock.patch.object(plugin, "load", load):
            code, told = self.serve(["sdpa"], [Device()])
        self.assertEqual((code, told), (0, [{"absent": "sdpa", "reason": "flashjit: no such file"}]))

    def test_no_such_peer(self):
        code, told = self.serve(["sdpa", "fa9"], Absent("torch finds no GPU"))
        self.assertEqual((code, list(told[0])), (1, ["problem"]))


class Rotated(unittest.TestCase):
    """What a peer must do with Q and K, and which do."""

    def test_flashinfer_rotates_both_or_none(self):
        modules = {name: ModuleType(name) for name in ("torch", "flashinfer")}
        with mock.patch.dict(sys.modules, modules):
            peer = plugin.load("flashinfer")
        both, one = ({"rope": "half", "rope_keys": keys} for keys in ("unrotated", "rotated"))
        self.assertEqual([peer.supports(read_case(member(**axes))) for axes in ({}, both)], ["", ""])
        self.assertEqual(peer.supports(read_case(member(**one))), "it rotates K together with Q")
        backends = [peer.backend_of(read_case({**member(**axes), "requests": [[5, 9], [1, 3]]}))
                    for axes in ({}, both, {"kv_dtype": "e4m3", "v_dtype": "e4m3"})]  # fmt: skip
        self.assertEqual(backends, ["fa3", "fa2", "fa2"])
        peer.whole = list
        given = {"requests": [[1, length] for length in (1, 4, 5, 8, 11)], "borrowed": [[0, 0]] * 5}
        self.assertEqual(peer.last_page_len(read_case({**member(), **given})), [1, 4, 1, 4, 3])

    def test_a_cascade_needs_one_prefix(self):
        modules = {name: ModuleType(name) for name in ("torch", "flashinfer")}
        with mock.patch.dict(sys.modules, modules):
            peer = plugin.load("flashinfer_cascade")
        for borrowed, shares in (([0, 8], True), ([0, 4], False), ([0, 0], False), ([1, 8], False)):
            given = {"requests": [[1, 14], [1, 9], [1, 11]], "borrowed": [[0, 0], [0, 8], borrowed], "shares": True}
            self.assertEqual(peer.supports(read_case({**member(), **given})) == "", shares, borrowed)
        given = {"requests": [[1, 14], [1, 8]], "borrowed": [[0, 0], [0, 8]], "shares": True}
        self.assertIn("KV of their own", peer.supports(read_case({**member(), **given})))

    def test_a_turn_by_a_quarter(self):
        angle = host.math.pi / 2
        with mock.patch.object(host, "THETA", 1.0):
            turned = host.rotate([1.0, 0.0, 0.0, 2.0], angle)
        for got, right in zip(turned, [0.0, -2.0, 1.0, 0.0]):
            self.assertAlmostEqual(got, right)

    def test_numbers_of_8_bits(self):
        for bits, number in ((0x38, 1.0), (0x01, 2**-9), (0x08, 2**-6), (0x7E, 448.0), (0xBC, -1.5)):
            self.assertEqual((host.number_of("e4m3", bits), host.bits_of("e4m3", number)), (number, bits))
        self.assertEqual([host.bits_of("e4m3", x) for x in (1.06, 1.07, 500.0)], [0x38, 0x39, 0x7E])
        halves = {1.0625: 0x38, 1.1875: 0x3A, -1.0625: 0xB8, 2**-10: 0x00, 3 * 2**-10: 0x02, 432.0: 0x7E}
        self.assertEqual([host.bits_of("e4m3", x) for x in halves], list(halves.values()))


class SharedPages(unittest.TestCase):
    """Two parts of requests that have their first pages in common."""

    def test_pages_are_the_same_and_no_others(self):
        requests = [[1, 14], [1, 9], [2, 11], [1, 5], [1, 7]]
        borrowed = [[0, 0], [0, 8], [0, 8], [3, 0], [3, 4]]
        case = read_case({**member(prefixes=1), "requests": requests, "borrowed": borrowed, "shares": True})
        tensors = HostDevice().tensors(case, 1)[0]
        rows = [tensors.page_table.tolist()[r][: case.pages(kv)] for r, (_, kv) in enumerate(case.requests)]
        self.assertEqual((case.lacks(), case.own_tokens), ("", 46 - 20))
        self.assertEqual((rows[1][:2], rows[2][:2], rows[4][:1]), (rows[0][:2], rows[0][:2], rows[3][:1]))
        own = rows[0] + rows[1][2:] + rows[2][2:] + rows[3] + rows[4][1:]
        self.assertEqual(sorted(own), list(range(len(own))))
        self.assertEqual(tensors.k.shape[0], len(own))


class Latents(unittest.TestCase):
    """V as the first part of K: the one input that FlashMLA takes."""

    def setUp(self):
        axes = {"head_dim": 576, "v_dim": 512, "group": 16, "page_size": 64, "v_source": "keys"}
        self.case = read_case({**member(**axes), "heads": 1, "requests": [[1, 9]] * 2})

    def test_v_is_a_view_of_k(self):
        tensors = HostDevice().tensors(self.case, 1)[0]
        k, v = tensors.k.__array_interface__, tensors.v.__array_interface__
        self.assertEqual((k["shape"], v["shape"]), ((2, 64, 1, 576), (2, 64, 1, 512)))
        self.assertEqual((k["data"], k["strides"]), (v["data"], v["strides"]))
        self.assertEqual(k["strides"], (2 * 64 * 576, 2 * 576, 2 * 576, 2))
        self.assertEqual(tensors.v.row(1, 7, 0), tensors.k.row(1, 7, 0)[:512])

    def test_flashmla_is_given_them(self):
        def flash_mla_with_kvcache(
            q, k_cache, block_table, cache_seqlens, head_dim_v, tile_scheduler_metadata, num_splits=None,
            softmax_scale=None, causal=False, is_fp8_kvcache=False, indices=None,
        ):  # fmt: skip
            return q, (k_cache, block_table, cache_seqlens, head_dim_v, tile_scheduler_metadata, num_splits)

        library = ModuleType("flash_mla")
        library.flash_mla_with_kvcache = flash_mla_with_kvcache
        library.get_mla_metadata = lambda: ("plan", None)
        q = SimpleNamespace(view=lambda *shape: shape)
        with mock.patch.dict(sys.modules, torch=ModuleType("torch"), flash_mla=library):
            peer = plugin.load("flashmla")
            state = peer.prepare(self.case, SimpleNamespace(q=q, k="k", page_table="pages", kv_len="lengths"))
            peer.run(state)
        self.assertEqual((self.case.lacks(), peer.supports(self.case)), ("", ""))
        self.assertEqual(state.o, (2, 1, 16, 576))
        self.assertIn("576", peer.supports(read_case(member())))


class PagedAttention(unittest.TestCase):
    """Which sources are compiled of the folder that the user names."""

    def sources(self, *files):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("")
        modules = {name: ModuleType(name) for name in ("torch", "torch.utils", "torch.utils.cpp_extension")}
        vars(modules["torch.utils.cpp_extension"]).update(CUDA_HOME=None, include_paths=lambda: ["/torch"])
        with mock.patch.dict(sys.modules, modules):
            sources, options = plugin.load("paged_attention_v2")._sources(folder)
        return [path.name for path in sources], [option.replace(str(folder), "") for option in options]

    def test_of_vllm_the_kernels_alone(self):
        sources, options = self.sources("a/attention/attention_kernels.cuh", "a/attention/paged_attention_v1.cu")
        self.assertEqual(sources, ["paged_attention.cu"])
        self.assertEqual(options[2:], [f"-I{PEERS}/stand_in", "-I/a/attention", "-I/torch"])

    def test_with_launches_of_their_own(self):
        self.assertEqual(self.sources("pagedattention1_bf16.cu", "pagedattention1_f32.cu"),
                         (["pagedattention1_bf16.cu"], ["-I"]))  # fmt: skip

    def test_of_neither(self):
        with self.assertRaisesRegex(Absent, "has neither attention_kernels.cuh nor pagedattention"):
            self.sources("other.cu")


class Built(unittest.TestCase):
    """Libraries that plug-ins build: in a folder that is the user's alone, and whole or not at all."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name) / "cache" / "flashjit-peers"
        change = mock.patch.dict(os.environ, XDG_CACHE_HOME=str(self.folder.parent))
        change.start()
        self.addCleanup(change.stop)

    def expect_refused(self):
        with self.assertRaises(built.Untrusted):
            built.library("a.so", lambda path: path.write_text("new"))

    def test_it_is_built_once_for_the_user_alone(self):
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        for content in ("first", "second"):
            path = built.library("a.so", lambda path, content=content: path.write_text(content))
        self.assertEqual((path, path.read_text()), (self.folder / "a.so", "first"))
        self.assertEqual([stat.S_IMODE(it.stat().st_mode) for it in (self.folder, path)], [0o700, 0o700])

    def test_nothing_is_left_of_what_cannot_be_built(self):
        def build(path):
            path.write_text("half")
            raise Absent("no room")

        with self.assertRaises(Absent):
            built.library("a.so", build)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_others_may_write_is_not_loaded(self):
        path = built.library("a.so", lambda path: path.write_text("ours"))
        for place, mode in ((path, 0o720), (path, 0o702), (self.folder, 0o770), (self.folder, 0o707)):
            place.chmod(mode)
            self.expect_refused()
            place.chmod(0o700)
        with mock.patch("os.getuid", return_value=os.getuid() + 1):
            self.expect_refused()
        path.rename(path.with_name("other"))
        path.symlink_to(path.with_name("other"))
        self.expect_refused()

    def test_a_folder_that_is_a_link_is_not_used(self):
        self.folder.parent.mkdir()
        self.folder.symlink_to(self.folder.parent)
        self.expect_refused()


if __name__ == "__main__":
    unittest.main()
