#!/usr/bin/env python3
"""Edits one statement of the templates at a time and looks whether the simulator, or a wrong result, tells.

mutants.py BUILD_FOLDER [--seed N] [--count N] [--least N] [--jobs N] [--only TEXT]

Draws COUNT edits with the seed (default: FLASHJIT_TEST_SEED, else 1), the same ones as long as their lines stay. Each
is compiled into kernels that have its line, which 'flashjit verify' runs on random batches, until one fails; if none
does, jobs of the matrix run that its file is for. Fails itself where fewer than LEAST are caught, or a kernel fails
without any edit. Not counted: what does not compile, what the compiler makes the same code of, and what explained.txt,
beside this file, says why. Not caught is what neither passes nor fails: a run that takes too long, or that ends
otherwise than verify and the matrix do.
--only: edits in whose "file:line: kind: before -> after" the text is. The compiler is that of FLASHJIT_NVRTC.
"""

import argparse
import concurrent.futures
import functools
import hashlib
import itertools
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TEMPLATES = os.path.join(HERE, "../../templates")
TARGET = "compute_90a"
PASSED, FAILED = 0, 1  # exit codes of verify
TRIES = 8  # specs that an edit must survive
SEEDS = 2  # batches of each
WARP_INSTRUCTIONS = "4000000"  # of a CTA that is not hung
JOB_INSTRUCTIONS = "100000000"  # as above, of the matrix's jobs, whose batches are larger
SECONDS = 60  # of a spec
JOB_SECONDS = 200  # of a job of the matrix
JOB_TRIES = 8  # jobs that an edit must survive
COUNTED = ("caught", "survived", "ended oddly")
SPECS = """
attention group=4 page=16
attention hd=64 group=8 rows=16 page=16 left=128 sinks=1
attention group=4 rows=16 kv=e4m3 scale=head page=1
attention hd=64 group=5 rows=64 page=3 lse=1
attention group=2 rows=128 index=csr softcap=1
attention hd=256 rows=16 kv=e5m2 mask=none
attention hd=64 rows=128 mask=none bits=1 page=16
attention hd=64 group=4 rows=16 kv=int8 scale=token page=16
attention hd=64 group=4 rows=16 kv=nvfp4 page=16
attention hd=64 group=4 rows=16 kv=int8 scale=token v=int4
attention hd=64 group=4 rows=16 page=16 rope=half keys=unrotated
attention hd=64 group=4 rows=16 page=16 select=3
attention hd=72 v_dim=88 group=4 rows=16 rope=interleaved page=16
attention hd=72 v_dim=88 kv=e4m3 group=4 rows=16
attention hd=64 group=4 rows=16 bias=slopes ranges=1
attention hd=64 rows=32 bias=dense start=1 q=f16 kv=bf16
attention hd=64 rows=16 mask=none left=20 right=9 bias=distance chunk=24
attention hd=64 group=4 page=16 prefixes=1
attention hd=64 group=4 rows=32 page=1 index=csr ids=int64 chunk=512 prefixes=1
attention family=wgmma rows=128 hd=64 group=4 page=1
attention family=wgmma rows=128 hd=64 group=4 page=16 kv=e4m3 scale=head
attention hd=64 group=4 rows=16 kv=e4m3 page=16 rope=half rope_dim=20 keys=unrotated positions=array bias=token_distance
attention group=4 rows=128 q=e4m3 page=16
attention hd=64 group=4 rows=16 q=e4m3 page=16
attention hd=64 rows=64 q=e4m3 kv=bf16
attention hd=144 v_dim=128 group=64 page=16 v_source=keys
attention family=wgmma hd=64 v_dim=512 group=8 rows=64 page=16
attention hd=576 v_dim=512 group=16 kv=e4m3 scale=groups page=16 v_source=keys
attention hd=192 group=4 rows=16 kv=nvfp4 page=16
attention hd=96 v_dim=64 group=4 kv=e4m3 scale=groups page=16 v_source=keys scale_group=32
attention hd=136 group=4 rows=64 q=f16 kv=e4m3 scale=e8m0 rope=half rope_dim=32 rope_first=56 v_source=keys wide=72
attention hd=72 v_dim=88 group=3 rows=16 kv=e4m3 page=48 rope=half keys=unrotated rope_dim=64
attention hd=192 v_dim=128 rows=128 q=f16 page=48 mask=none bits=1
attention hd=264 v_dim=256 group=100 q=f16 page=16 left=200 v_source=keys select=16
attention hd=512 group=16 kv=e4m3 scale=e8m0 page=64 left=128 sinks=1 v_source=keys select=1 second=64
attention group=5 kv=e4m3 scale=head page=1 prefixes=1
attention hd=64 group=4 page=16 prefixes=2
append hd=96 v_dim=64 kv=e4m3 scale=groups page=16 v_source=keys scale_group=32
append hd=40 v_dim=160 kv=e4m3 rope=interleaved rope_dim=20 rope_first=8 positions=array axes=3 v=int4 scale_group=16
append hd=288 v_dim=32 q=f16 kv=e5m2 slots=int32 rope=half rope_dim=128 rope_first=2 positions=array v_source=keys
append page=16 rope=half
append kv=e4m3 scale=head page=3
append kv=int8 scale=token slots=int64 rope=interleaved positions=array
append kv=nvfp4 page=16
append kv=int8 scale=token v=int4
merge lse=1
indexer group=20 page=3 kv=e4m3 scale=token
indexer hd=32 group=64 q=f16 kv=e4m3 scale=token select=64 scores=heads
indexer hd=48 group=5 q=f16 select=3 scores=heads
""".strip().split("\n")

# Classes of the matrix's jobs by the files that they are for: those of the first line that means a file.
CLASSES = [
    (r"plan/prefix|^kernels/plan|kernels/attention_wgmma|plan/second",
     ["shared prefixes, counted", "shared prefixes, found", "shared prefixes, told", "shared prefixes, divided",
      "shared prefixes", "faults of batches", "lists of a second KV"]),
    (r"plan/", ["plans of large batches", "mixes of lengths", "partials merged in groups", "lists of blocks",
                "faults of batches", "lists of a second KV"]),
    (r"second", ["lists of a second KV", "faults of batches"]),
    (r"selected", ["lists of blocks", "lists of a second KV", "faults of batches"]),
    (r"index/|kernels/indexer", ["indexers", "indexer, pairs"]),
    (r"merge_wide|publish_", ["partials merged in groups", "latents", "mixes of lengths"]),
    (r"work/", ["partials merged in groups", "mixes of lengths", "latents", "lists of blocks"]),
    (r"odd_|at_odd", ["values at the edges", "e4m3 at the edges", "e4m3 by mma.sync at the edges"]),
    (r"quantize|rows_|kernels/append", ["append, pairs"]),
    (r"kernels/merge", ["merge, pairs"]),
    (r"", ["latents", "products of e4m3", "products of e4m3 by mma.sync", "lists of blocks", "values at the edges",
           "mixes of lengths", "shared prefixes, found", "partials merged in groups", "lists of a second KV"]),
]

# What an order is made of: a statement with one of these words is dropped.
ORDER = re.compile(r"sync|wait|commit|arrive|expect|fence|release|written|begin\b|turn|barrier|threadfence")
STATEMENT = re.compile(r"^\s+(asm volatile\(\".*\"\)|[\w.:<>\[\]-]+\(.*\)|[\w.\[\]()>-]+ [-+*|&^]?= [^=].*);$")
SWAPS = {
    "comparison": {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " == ": " != ", " != ": " == "},
    "operator": {" + ": " - ", " - ": " + ", " * ": " + ", " / ": " * ", " % ": " / ", " ^ ": " + ", " << ": " >> ",
                 " >> ": " << ", " & ": " | ", " | ": " & ", " && ": " || ", " || ": " && ", " += ": " -= "},
    "choice": {"min(": "max(", "max(": "min(", "fminf(": "fmaxf(", "fmaxf(": "fminf(", "true": "false",
               "false": "true", "__any_sync": "__all_sync", "acquire": "relaxed", "release": "relaxed"},
}


class Edit:
    """One line of a template, and what it becomes."""

    def __init__(self, place, kind, before, after):
        self.place, self.kind, self.before, self.after = place, kind, before, after
        self.leading = self.trailing = ""  # lines around it, which tell it from the same line elsewhere

    def text(self, line):
        """What a source has of it, with `line` for the line."""
        return self.leading + line + self.trailing

    def is_in(self, source):
        """Whether a source has the line once."""
        return source.count(f"\n{self.text(self.before)}\n") == 1

    def __str__(self):
        return f"{self.place}: {self.kind}: {self.before.strip()} -> {self.after.strip()}"

    def rank(self, seed):
        file = self.place.split(":")[0]
        return hashlib.sha256(f"{seed} {file} {self.kind} {self.before} {self.after}".encode()).digest()


def edits_of_line(place, line):
    """All edits of a line of code."""
    if STATEMENT.match(line) and not line.strip().startswith("return"):
        indent = line[: len(line) - len(line.lstrip())]
        yield Edit(place, "order" if ORDER.search(line) else "statement", line, indent + ";")
    for kind, swaps in SWAPS.items():
        for old, new in swaps.items():
            for found in re.finditer(r"(?<!\w)" + re.escape(old) if old[0] != " " else re.escape(old), line):
                yield Edit(place, kind, line, line[: found.start()] + new + line[found.end():])
    if "asm" not in line and '"' not in line:
        for found in re.finditer(r"(?<![\w.%])\d+(?![\w.])", line):
            yield Edit(place, "number", line, f"{line[:found.start()]}{int(found.group()) + 1}{line[found.end():]}")
    found = re.match(r"^(\s+(?:} else )?if \()(.*)(\).*)$", line)
    if found and found.group(2).count("(") == found.group(2).count(")"):
        yield Edit(place, "condition", line, f"{found.group(1)}!({found.group(2)}){found.group(3)}")


def code_lines(text):
    """(number, line) of the lines of a text that are code: no comments, directives or blank lines."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        start = line.strip()
        comment = inside or start.startswith(("/*", "//", "#", "template", "typedef", "struct"))
        inside = (inside or start.startswith("/*")) and not start.endswith("*/")
        if start and not comment:
            yield number, line


def around(lines, number):
    """Up to three lines in front of a line, and one after it, as sources have them."""
    is_kept = lambda line: line and not line.startswith(("//", "template")) and not re.search(r"\{\w+\}", line)
    before = list(itertools.takewhile(is_kept, reversed(lines[max(0, number - 4):number - 1])))
    after = list(itertools.takewhile(is_kept, lines[number:number + 1]))
    return "".join(line + "\n" for line in reversed(before)), "".join("\n" + line for line in after)


def all_edits():
    for folder, _, names in sorted(os.walk(TEMPLATES)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for number, line in code_lines(text):
                for edit in edits_of_line(f"{os.path.relpath(path, TEMPLATES)}:{number}", line):
                    edit.leading, edit.trailing = around(text.split("\n"), number)
                    yield edit


def explained():
    """What explained.txt has: a file, or file, line before and line after."""
    known = set()
    with open(os.path.join(HERE, "explained.txt"), encoding="utf-8") as file:
        for entry in file.read().split("\n\n"):
            lines = [line for line in entry.split("\n") if line and not line.startswith(("#", "  "))]
            known.add(tuple(line if line == lines[0] else line[2:] for line in lines))
    return known


class Trials:
    """Kernels on the simulator, by the command."""

    def __init__(self, build, seed):
        self.command = os.path.join(build, "flashjit")
        self.seed = seed
        self.environment = dict(os.environ, FLASHJIT_DRIVER="sim", FLASHJIT_SIM_THREADS="1",
                                MUTANT_NVRTC=os.environ.get("FLASHJIT_NVRTC", "libnvrtc.so.13"),
                                FLASHJIT_NVRTC=os.path.join(build, "libedited_nvrtc.so"))
        self.rendered = functools.cache(self.rendered)
        self.matrix = Matrix(self, build)

    def has(self, edit, spec, target=TARGET):
        """Whether a kernel of a spec has the line of an edit."""
        plan = plan_of(spec)
        return edit.is_in(self.rendered(spec, target)) or plan and edit.is_in(self.rendered(plan, target))

    def rendered(self, spec, target=TARGET):
        """The source of a spec; "" of one with a snippet."""
        if "snippet=" in spec:
            return ""
        shown = subprocess.run([self.command, "show", "--target", target, spec], env=self.environment, text=True,
                               stdout=subprocess.PIPE, check=True)
        return "\n" + shown.stdout

    def candidates(self, edit):
        """Specs that have the line, in an order of the edit's own."""
        having = [spec for spec in SPECS if self.has(edit, spec)]
        return sorted(having, key=lambda spec: edit.rank(spec))[:TRIES]

    def verify(self, spec, edit, after, folder, seeds=1):
        """The run of a spec with an edit; with several seeds, that of the first that it does not pass."""
        for seed in range(self.seed, self.seed + seeds):
            command = [self.command, "verify", spec, "--target", TARGET, "--seed", str(seed)]
            done = self.run(command, edit, after, folder, SECONDS, WARP_INSTRUCTIONS)
            if done[0] != PASSED:
                break
        return done

    def run(self, command, edit, after, folder, seconds, instructions):
        """(exit code or why there is none, output, PTX) of a command with an edit."""
        ptx = os.path.join(folder, "ptx")
        cache = os.path.join(folder, "cache")
        environment = dict(self.environment, MUTANT_FROM=edit.text(edit.before),
                           MUTANT_TO=edit.text(after), MUTANT_PTX=ptx,
                           FLASHJIT_CACHE_DIR=cache, FLASHJIT_SIM_LIMIT=instructions)
        try:
            done = subprocess.run(command, env=environment, text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds, check=False)
            return done.returncode, done.stdout, contents(ptx)
        except subprocess.TimeoutExpired:
            return "time out", "", None

    def unedited(self, spec):
        """What is wrong with a spec as it is, by the way that edits take: a line becomes itself. "" when nothing is."""
        lines = self.rendered(spec).split("\n")
        line = min(line for line in lines if line.strip() and lines.count(line) == 1)
        with tempfile.TemporaryDirectory() as folder:
            code, output, ptx = self.verify(spec, Edit("", "", line, line), line, folder)
        if code == PASSED and not ptx:
            return f"no line was edited\n{output}"
        return "" if code == PASSED else f"{code}\n{output}"

    def judge(self, edit):
        """What comes of an edit: caught, survived, same, invalid or ended oddly, and why."""
        for spec in self.candidates(edit):
            with tempfile.TemporaryDirectory() as edited, tempfile.TemporaryDirectory() as plain:
                code, output, ptx = self.verify(spec, edit, edit.after, edited, SEEDS)
                if "NVRTC_ERROR" in output:
                    return "invalid", ""
                if code == FAILED:
                    return "caught", reason(output)
                if code != PASSED:
                    return "ended oddly", f"{code} {spec}"
                if ptx == self.verify(spec, edit, edit.before, plain)[2]:
                    return "same", ""
        return self.matrix.judge(edit)


class Matrix:
    """Jobs of the matrix, which are listed when they are wanted."""

    def __init__(self, trials, build):
        self.trials = trials
        self.command = os.path.join(build, "matrix")
        self.jobs = functools.cache(self.jobs)

    def jobs(self, name):
        """Lines of the jobs of a class."""
        listed = subprocess.run([self.command, "--list", "--filter", f"{name}: "], env=self.trials.environment,
                                text=True, stdout=subprocess.PIPE, check=True)
        return [line for line in listed.stdout.split("\n") if line.startswith(f"{name}: ")]

    def has(self, edit, job):
        """Whether a kernel of a job has the line of an edit."""
        spec, target = job.split(": ", 1)[1].rsplit(" for ", 1)
        return self.trials.has(edit, spec, target)

    def candidates(self, edit):
        """Jobs that have the line, of classes in turn; of a plan's line, whose kernels the job tells, jobs."""
        file = edit.place.split(":")[0]
        names = next(names for pattern, names in CLASSES if re.search(pattern, file))
        of_plan = re.search(r"plan/|kernels/plan", file)
        having = [[job for job in self.jobs(name) if of_plan or self.has(edit, job)] for name in names]
        having = [sorted(jobs, key=lambda job: (not self.has(edit, job), edit.rank(job))) for jobs in having]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*having))
        return [job for job in turns if job][:JOB_TRIES]

    def judge(self, edit):
        """(result, why) of the jobs."""
        for job in self.candidates(edit):
            with tempfile.TemporaryDirectory() as folder:
                command = [self.command, "--filter", job, "--limit", "1", "-j1", "--seed", str(self.trials.seed)]
                code, output, _ = self.trials.run(command, edit, edit.after, folder, JOB_SECONDS, JOB_INSTRUCTIONS)
            if code == FAILED and "FAILED " in output:
                return "caught", f"{job}: {reason(output.split('FAILED ')[1].partition(chr(10))[2])}"
            if code != PASSED:
                return "ended oddly", f"{code} {job}"
        return "survived", ""


def plan_of(spec):
    """The spec of the plan kernel of attention; None for other specs."""
    if not spec.startswith("attention"):
        return None
    if (prefixes := re.search(r"prefixes=\d", spec)):
        return f"plan intervals=2 {prefixes.group()}"
    if "select=" in spec:
        return "plan intervals=2"
    intervals = 1 if re.search(r"left=|right=|chunk=|ranges=|start=", spec) else 0
    members = 2 if "rows=" not in spec else 1 if re.search(r"rows=(64|128)", spec) else 0
    return f"plan intervals={intervals} members={members}"


def reason(output):
    """The line that says what was seen."""
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    told = [line for line in lines if re.search(r"race|undefined|does not|deadlock|bounds|address|wrong", line)]
    return (told or lines or ["it ended"])[0][:200]


def contents(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def draw(trials, arguments):
    """Edits that a job has, in the order of the seed; of every kind in turn."""
    known = explained()
    kinds = {}
    for edit in sorted(all_edits(), key=lambda edit: edit.rank(arguments.seed)):
        key = (edit.place.split(":")[0], edit.before.strip(), edit.after.strip())
        if key not in known and key[:1] not in known and arguments.only in str(edit):
            kinds.setdefault(edit.kind, []).append(edit)
    kinds = [kinds[name] for name in sorted(kinds)]
    while any(kinds):
        for edits in kinds:
            while edits:
                edit = edits.pop(0)
                if trials.candidates(edit):
                    yield edit
                    break


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--seed", type=int, default=os.environ.get("FLASHJIT_TEST_SEED", 1))
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--least", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    trials = Trials(os.path.abspath(arguments.build), arguments.seed)
    edits = draw(trials, arguments)
    counts = {"caught": 0, "survived": 0, "ended oddly": 0, "same": 0, "invalid": 0}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        broken = [f"fails unedited: {spec}: {why}" for spec, why in zip(SPECS, pool.map(trials.unedited, SPECS)) if why]
        if broken:
            print("\n".join(broken))
            return 1
        while (left := arguments.count - sum(counts[result] for result in COUNTED)) > 0:
            some = [edit for edit, _ in zip(edits, range(left))]
            if not some:
                break
            for edit, (result, why) in zip(some, pool.map(trials.judge, some)):
                counts[result] += 1
                if result in COUNTED:
                    print(f"{result}: {edit}{': ' if why else ''}{why}", flush=True)
    print(f"seed {arguments.seed}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0 if counts["caught"] >= arguments.least else 1


if __name__ == "__main__":
    sys.exit(main())
