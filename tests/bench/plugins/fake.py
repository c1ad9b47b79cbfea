"""A peer of plain Python: right, unless FLASHJIT_FAKE_PEER says otherwise."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

from case import Absent
from host import Array, attend

MOOD = os.environ.get("FLASHJIT_FAKE_PEER", "")
_cases = []


def available():
    if MOOD == "absent":
        raise Absent("it is not here")
    print("noise of a peer")
    return "1.5"


def supports(case):
    return "it knows no windows" if case.axes["window_left"] else ""


def prepare(case, tensors):
    if MOOD == "fails":
        raise RuntimeError("no room\nfor it")
    _cases.append(case)
    if MOOD == "dies" and len(_cases) > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if MOOD == "orphan":
        Path(os.environ["FLASHJIT_FAKE_PID"]).write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    o = Array((case.tokens, case.query_heads, case.axes["v_dim"]), case.axes["o_dtype"])
    return SimpleNamespace(case=case, tensors=tensors, o=o)


def run(state):
    for request, (q_len, _) in enumerate(state.case.requests):
        for i in range(q_len):
            for head in range(state.case.query_heads):
                row = attend(state.case, state.tensors, request, i, head)
                if MOOD == "wrong" and head == 0:
                    row[0] += 1
                state.o.set_row(row, state.tensors.q_indptr[request] + i, head)
