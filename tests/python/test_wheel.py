"""The wheels: their size, what they need of glibc, and that what pip installs runs; that of aarch64 under qemu.

test_wheel.py BUILD_FOLDER [CMAKE OPTION]...
"""

import glob
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "../../tools/python/wheel.py")
BUILD, CMAKE_OPTIONS = sys.argv[1], sys.argv[2:]
MOST_BYTES = 500_000

# Of Debian, with what it needs: fetched into the build folder, installed nowhere.
AARCH64_PYTHON = (
    "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "zlib1g", "libexpat1", "libffi8",
)  # fmt: skip

DECODE = """
from array import array
import flashjit
attention = flashjit.Context().kernel(head_dim=32, group=2, page_size=4)
workspace = attention.workspace(max_requests=1, max_kv_len=8, kv_heads=1)
ctx = attention.context
ones = array("H", [0x3F80] * 256)
arrays = {name: ctx.array((2, 4, 1, 32), "bf16").write(ones) for name in "kv"}
q, o = ctx.array((1, 2, 32), "bf16").write(ones[:64]), ctx.array((1, 2, 32), "bf16")
table = ctx.array((1, 2), "i32").write(array("i", [1, 0]))
attention.plan(workspace, kv_len=array("i", [7]), page_table=table)
attention.run(workspace, q=q, o=o, **arrays)
assert o.tobytes() == ones[:64].tobytes(), o.tobytes()
print("decoded", flashjit.__file__)
"""
OFFLINE = """
import platform, flashjit
assert "kPageSize = 16;" in flashjit.Spec("attention page=16").source("sm_90a")
try:
    flashjit.Spec(group=129).check()
except flashjit.SpecError as error:
    print(platform.machine(), error)
"""


def run(*command, env=None):
    found = subprocess.run(command, capture_output=True, text=True, env=env)
    if found.returncode:
        raise AssertionError(f"{' '.join(command)}\n{found.stdout}{found.stderr}")
    return found.stdout


def clean_environment(**more):
    kept = {name: text for name, text in os.environ.items() if name not in ("FLASHJIT_LIBRARY", "PYTHONPATH")}
    return {**kept, **more}


class Wheels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def wheels(self, build, *arguments):
        run(sys.executable, SCRIPT, "--out", self.folder, "--build", build, *arguments)
        found = sorted(glob.glob(os.path.join(self.folder, "*.whl")))
        for wheel in found:
            self.assertLess(os.path.getsize(wheel), MOST_BYTES)
            print(os.path.basename(wheel), os.path.getsize(wheel), "bytes")
        return found

    def test_what_pip_installs_runs_a_decode(self):
        found = self.wheels(BUILD)
        self.assertEqual(len(found), 2)
        place = os.path.join(self.folder, "installed")
        options = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", place]
        run(sys.executable, "-m", "pip", "install", *options, *found)
        said = run(sys.executable, "-c", DECODE, env=clean_environment(PYTHONPATH=place, FLASHJIT_DRIVER="sim"))
        self.assertIn(f"decoded {place}", said)
        points = [point for it in importlib.metadata.distributions(path=[place]) for point in it.entry_points]
        self.assertEqual(sorted((it.group, it.name, it.value) for it in points),
                         [("sglang.srt.plugins", "flashjit", "flashjit.sglang:register"),
                          ("vllm.general_plugins", "flashjit", "flashjit.vllm:register"),
                          ("vllm.general_plugins", "flashjit_mla", "flashjit.vllm:register_mla")])  # fmt: skip
        self.assertEqual(glob.glob(f"{place}/*.dist-info/licenses/LICENSE")[0][-7:], "LICENSE")

    def test_a_later_glibc_is_noticed(self):
        if tuple(int(part) for part in platform.libc_ver()[1].split(".")) < (2, 34):
            self.skipTest("the library was built with an older glibc")
        sys.path.insert(0, os.path.dirname(SCRIPT))
        import wheel

        with self.assertRaises(SystemExit) as caught:
            wheel.check_symbols(os.environ["FLASHJIT_LIBRARY"], "x86_64")
        self.assertIn("dlopen of glibc 2.34", str(caught.exception))

    def test_aarch64(self):
        for program in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
            if not shutil.which(program):
                self.skipTest(f"there is no {program}")
        build = os.path.join(BUILD, "wheel-aarch64")
        found = self.wheels(build, "--machine", "aarch64", "--package", "flashjit", "--", *CMAKE_OPTIONS)
        place = os.path.join(self.folder, "installed")
        with zipfile.ZipFile(found[0]) as wheel:
            wheel.extractall(place)
        root = aarch64_python(os.path.join(BUILD, "python-aarch64"))
        if not root:
            self.skipTest("there is no Python for aarch64 (Debian's python3.11-minimal)")
        python = ["qemu-aarch64", "-L", root, f"{root}/usr/bin/python3.11"]
        said = run(*python, "-c", OFFLINE, env=clean_environment(PYTHONPATH=place))
        self.assertIn("aarch64 group is 129; allowed: 1 to 128", said)


def aarch64_python(folder):
    """A folder with a Python for aarch64, which apt-get can bring; None: it cannot."""
    root = os.path.join(folder, "root")
    if os.path.exists(f"{root}/usr/bin/python3.11"):
        return root
    for name in ("state/lists/partial", "cache/archives/partial", "debs"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State": f"{folder}/state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": f"{folder}/cache",
    }
    apt = ["apt-get", "--quiet", *(word for name, text in options.items() for word in ("-o", f"{name}={text}"))]
    try:
        run(*apt, "update")
        subprocess.run([*apt, "download", *AARCH64_PYTHON], cwd=f"{folder}/debs", check=True, capture_output=True)
        for package in glob.glob(f"{folder}/debs/*.deb"):
            run("dpkg-deb", "-x", package, root)
    except (AssertionError, OSError, subprocess.CalledProcessError) as reason:
        print(f"no Python for aarch64: {reason}")
        return None
    return root


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
