#!/usr/bin/env python3
"""Writes the wheels of the Python packages: flashjit, and flashjit-simulator for machines without a GPU.

    wheel.py [--machine x86_64|aarch64] [--build FOLDER] [--out FOLDER] [--package flashjit|flashjit-simulator]...

A build folder is configured and built where it is not yet; one of the release preset may be given. The libraries are
linked anew, so that they need no later glibc than 2.28, which is checked, as are the sizes.
"""

import argparse
import base64
import glob
import hashlib
import os
import re
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from declarations import HEADER, Header

GLIBC = (2, 28)
MOST_BYTES = 500_000
COMPILERS = {"x86_64": ("gcc", ""), "aarch64": ("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-")}
EPOCH = (1980, 1, 1, 0, 0, 0)  # of all files, so that equal contents are equal wheels

METADATA = """Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: {summary}
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.9
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C
Classifier: Programming Language :: Python :: 3
{more}Description-Content-Type: text/markdown

{description}
"""
ENTRY_POINTS = """[vllm.general_plugins]
flashjit = flashjit.vllm:register
flashjit_mla = flashjit.vllm:register_mla

[sglang.srt.plugins]
flashjit = flashjit.sglang:register
"""
WHEEL = """Wheel-Version: 1.0
Generator: flashjit wheel.py
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


class Package:
    """objects: folders of a build, without CMakeFiles; target: of the build; more: lines of the metadata."""

    def __init__(self, name, folder, target, library, objects, options, summary, more):
        self.name, self.folder, self.target, self.library = name, folder, target, library
        self.objects, self.options, self.summary, self.more = objects, options, summary, more


def packages(version):
    soname = f"libflashjit.so.{version.split('.')[0]}"
    return {
        "flashjit": Package(
            "flashjit",
            "flashjit",
            "flashjit",
            soname,
            (
                "generator/*/flashjit_generator.dir",
                "cache/*/flashjit_cache.dir",
                "cache/*/flashjit_unpack.dir",
                "runtime/*/flashjit_runtime.dir",
            ),
            [f"-Wl,--version-script={ROOT}/runtime/flashjit.map", f"-Wl,-soname,{soname}"],
            "Attention kernels for LLM serving, generated and compiled at run time",
            "Provides-Extra: nvrtc\nRequires-Dist: nvidia-cuda-nvrtc>=13; extra == 'nvrtc'\n"
            f"Provides-Extra: simulator\nRequires-Dist: flashjit-simulator=={version}; extra == 'simulator'\n",
        ),
        "flashjit-simulator": Package(
            "flashjit-simulator",
            "flashjit_simulator",
            "flashjit-sim",
            "libflashjit-sim.so",
            ("tools/gpusim/*/flashjit-sim.dir", "tools/gpusim/*/flashjit_sim_*.dir"),
            [],
            "The simulator on which flashjit's kernels run without a GPU",
            "",
        ),
    }


# ------------------------------------------------------------------------------------------------------- libraries


def run(*command):
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"failed: {command[0]} ... {command[-1]}\n{found.stdout}{found.stderr}")
    return found.stdout


def build(folder, machine, target):
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF", f"-DCMAKE_C_COMPILER={COMPILERS[machine][0]}"]
        if machine != os.uname().machine:
            options += ["-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={machine}"]
        if target == "flashjit":
            options.append("-DFLASHJIT_BUILD_TOOLS=OFF")
        run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options, *CMAKE_OPTIONS)
    run("cmake", "--build", folder, "--target", target)


def wrapped_functions():
    with open(os.path.join(HERE, "glibc_2_28.c"), encoding="utf-8") as file:
        return re.findall(r"^(?:MOVED\([^,]+, |INLINED\()(\w+),", file.read(), re.M)


def link(package, folder, machine, result):
    compiler = COMPILERS[machine][0]
    objects = [
        path
        for pattern in package.objects
        for found in glob.glob(os.path.join(folder, pattern))
        for path in glob.glob(os.path.join(found, "**/*.o"), recursive=True)
    ]
    wraps = [f"-Wl,--wrap={name}" for name in wrapped_functions()]
    shim = os.path.join(HERE, "glibc_2_28.c")
    # Where 2.28 has these functions; later ones have empty libraries of the names.
    homes = [run(compiler, f"-print-file-name={name}").strip() for name in ("libpthread.so.0", "libdl.so.2")]
    flags = ["-shared", "-O2", "-fPIC", "-D_GNU_SOURCE", "-fvisibility=hidden", "-s", "-Wl,--gc-sections"]
    libraries = ["-Wl,--no-as-needed", *homes, "-lm"]
    run(compiler, *flags, "-o", result, *sorted(objects), shim, *wraps, *package.options, *libraries)


def check_symbols(path, machine):
    """No symbol of a later glibc than 2.28."""
    table = run(COMPILERS[machine][1] + "objdump", "-T", path)
    later = set()
    for version, name in re.findall(r"\(?GLIBC_([0-9.]+)\)?\s+(\w+)$", table, re.M):
        if tuple(int(part) for part in version.split(".")) > GLIBC:
            later.add(f"{name} of glibc {version}")
    if later:
        sys.exit(f"{path} needs {', '.join(sorted(later))}: glibc_2_28.c must have it")
    if "GLIBC_" not in table:
        sys.exit(f"{path} has no symbol of glibc")


# ----------------------------------------------------------------------------------------------------------- wheels


def sources(package):
    """Pairs of the name in the wheel and the bytes."""
    if package.folder == "flashjit":
        top = os.path.join(HERE, "flashjit")
        for folder, _, names in sorted(os.walk(top)):
            for name in sorted(names):
                if name.endswith(".py") or name == "py.typed":
                    path = os.path.join(folder, name)
                    with open(path, "rb") as file:
                        yield os.path.relpath(path, HERE), file.read()
    else:
        yield f"{package.folder}/__init__.py", b'"""The simulator of flashjit: FLASHJIT_DRIVER=sim finds it here."""\n'


def write_wheel(package, version, machine, library, out):
    stem = f"{package.name.replace('-', '_')}-{version}"
    platform = f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{machine}"
    info = f"{stem}.dist-info"
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
        description = file.read()
    metadata = METADATA.format(
        name=package.name, version=version, summary=package.summary, more=package.more, description=description
    )
    with open(os.path.join(ROOT, "LICENSE"), "rb") as file:
        license_text = file.read()
    with open(library, "rb") as file:
        code = file.read()
    files = [*sources(package), (f"{package.folder}/{package.library}", code)]
    files += [
        (f"{info}/licenses/LICENSE", license_text),
        (f"{info}/METADATA", metadata.encode()),
        (f"{info}/WHEEL", WHEEL.format(platform=platform).encode()),
    ]
    if package.folder == "flashjit":
        files.append((f"{info}/entry_points.txt", ENTRY_POINTS.encode()))
    record = ""
    for name, content in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(content)}\n"
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))
    path = os.path.join(out, f"{stem}-py3-none-{platform}.whl")
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
            wheel.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    return path


def main():
    version = ".".join(map(str, Header(HEADER).version))
    known = packages(version)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", choices=COMPILERS, default="x86_64")
    parser.add_argument("--build", help="build folder; default: build/wheel-MACHINE-PACKAGE")
    parser.add_argument("--out", default="dist")
    parser.add_argument("--package", action="append", choices=known, help="default: both")
    parser.add_argument("cmake_options", nargs="*", help="after --: options of cmake")
    arguments = parser.parse_args()
    CMAKE_OPTIONS.extend(arguments.cmake_options)
    os.makedirs(arguments.out, exist_ok=True)
    for package in [known[name] for name in arguments.package or known]:
        folder = arguments.build or os.path.join(ROOT, f"build/wheel-{arguments.machine}-{package.name}")
        library = os.path.join(arguments.out, package.library)
        build(folder, arguments.machine, package.target)
        link(package, folder, arguments.machine, library)
        check_symbols(library, arguments.machine)
        path = write_wheel(package, version, arguments.machine, library, arguments.out)
        os.remove(library)
        size = os.path.getsize(path)
        print(f"{path}: {size} bytes")
        if size > MOST_BYTES:
            sys.exit(f"{path} has {size} bytes; at most {MOST_BYTES} are allowed")


CMAKE_OPTIONS = []

if __name__ == "__main__":
    main()
