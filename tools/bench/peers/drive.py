"""Times this library and its peers in one process, in turn, on the same tensors. `flashjit bench --peers` starts it.

Standard input is one JSON object, what to do; standard output JSON lines: a row each, or what holds for all of them.
"""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType
from typing import Any

import plugin
from case import Absent, Case, read_case

OWN = "flashjit"


class Contender:
    """A plug-in on one case: a state for each set of inputs, and what was found so far."""

    def __init__(self, name: str, module: ModuleType, version: str) -> None:
        self.name, self.module = name, module
        self.row: dict[str, Any] = {"provider": name, "version": version}
        self.states: list[Any] = []
        self.graph: Any = None
        self.plan_graph: Any = None

    def settle(self, status: str, reason: str = "") -> None:
        self.row["status"] = status
        if reason:
            self.row["reason"] = reason[:400]

    @property
    def is_running(self) -> bool:
        return "status" not in self.row


def sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def attempt(contender: Contender, step) -> None:
    """A peer that fails costs its own row and no other, and keeps no memory."""
    try:
        step(contender)
    except Exception as error:  # whatever a peer raises
        contender.settle("failed", sentence(error))
        contender.states, contender.graph, contender.plan_graph = [], None, None


def prepare(contender: Contender, case: Case, sets: list, device) -> None:
    reason = contender.module.supports(case)
    if reason:
        contender.settle("skipped", reason)
        return
    contender.states = [contender.module.prepare(case, tensors) for tensors in sets]
    contender.module.run(contender.states[0])
    device.synchronize()
    error, allowed = device.error(case, sets[0], contender.states[0].o)
    contender.row.update(error=error if error == error and error != float("inf") else None, allowed=allowed)
    if not error <= allowed:
        contender.settle("wrong")


def capture(contender: Contender, device) -> None:
    module, states = contender.module, contender.states
    contender.graph = device.capture([lambda state=state: module.run(state) for state in states])
    if hasattr(module, "plan"):
        contender.plan_graph = device.capture([lambda state=state: module.plan(state) for state in states])


def replay(contender: Contender, device, graph: str, key: str) -> None:
    contender.row.setdefault(key, []).append(device.time(getattr(contender, graph)))


def time_in_turn(running: list[Contender], device, replays: int) -> None:
    """A replay of each, again and again, so that whatever the machine does happens to all."""
    for graph, key in (("graph", "samples"), ("plan_graph", "plan_samples")):
        for _ in range(replays):
            for contender in running:
                if getattr(contender, graph):
                    attempt(contender, lambda it: replay(it, device, graph, key))


def run_on(sets: list, contenders: list[Contender], case: Case, device, replays: int) -> None:
    for contender in contenders:
        attempt(contender, lambda it: prepare(it, case, sets, device))
    if not device.simulated:
        for contender in [it for it in contenders if it.is_running]:
            attempt(contender, lambda it: capture(it, device))
        time_in_turn([it for it in contenders if it.is_running], device, replays)


def run_contenders(contenders: list[Contender], case: Case, device, replays: int, seed: int) -> None:
    """Settles all of them."""
    lack = case.lacks()
    status, reason = ("skipped", f"there are no inputs for peers where {lack}") if lack else ("ok", "")
    try:
        if not lack:
            run_on(device.tensors(case, seed), contenders, case, device, replays)
    except Exception as error:  # there is no room for the inputs
        status, reason = "failed", sentence(error)
    for contender in contenders:
        if contender.is_running:
            contender.settle(status, reason)


def run_case(case: Case, modules: dict[str, tuple[ModuleType, str]], device, replays: int, seed: int) -> list[dict]:
    """The rows of a case, this library's first."""
    contenders = [Contender(name, module, version) for name, (module, version) in modules.items()]
    run_contenders(contenders, case, device, replays, seed)
    return [{**contender.row, "simulated": device.simulated} for contender in contenders]


def load_all(names: list[str], extra: str | None, simulated: bool, emit) -> dict[str, tuple[ModuleType, str]]:
    """Those that are there, this library among them; the others are told."""
    modules = {}
    for name in [OWN, *names]:
        try:
            module = plugin.load(name, extra)
            version = module.available()
            if simulated and name != OWN and plugin.find(name, extra).parent == plugin.HERE:
                raise Absent("it runs on a GPU, and the device is simulated")
            modules[name] = (module, version)
        except plugin.NoPlugin:
            raise
        except Exception as error:  # whatever a peer raises
            if name == OWN:
                raise
            emit({"absent": name, "reason": str(error) if isinstance(error, Absent) else sentence(error)})
    return modules


def products_of(device) -> float:
    """0: not known."""
    try:
        return device.products()
    except Exception as error:
        print(f"# the ceiling of products is not known: {sentence(error)}", file=sys.stderr)
        return 0


def asked(request: dict) -> list[str]:
    """The peers' names; raises NoPlugin for one that is none."""
    if request["peers"] == ["all"]:
        return plugin.names(request["from"])
    for name in request["peers"]:
        plugin.find(name, request["from"])
    return request["peers"]


def drive(request: dict, names: list[str], device, emit) -> None:
    modules = load_all(names, request["from"], device.simulated, emit)
    products = products_of(device)
    if products:
        emit({"products_tflop_s": products})
    for number, member in enumerate(request["cases"]):
        case = read_case(member)
        print(f"# {number + 1} of {len(request['cases'])}: {case.text}", file=sys.stderr, flush=True)
        for row in run_case(case, modules, device, request["replays"], request["seed"]):
            emit({"case": number, **row})
        device.release()  # raises where a peer has broken the device: nothing more can be measured in this process


def open_device(simulated: bool):
    if simulated:
        from host import HostDevice

        return HostDevice()
    from cuda import CudaDevice

    return CudaDevice()


def main() -> int:
    request = json.load(sys.stdin)
    # What peers print goes to stderr, also from C: rows alone go to the real standard output.
    rows = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return serve(request, lambda row: print(json.dumps(row), file=rows, flush=True))


def serve(request: dict, emit) -> int:
    try:
        names = asked(request)
        try:
            drive(request, names, open_device(request["simulated"]), emit)
        except Absent as lack:  # of torch, a GPU or this library's package, which all peers need
            for name in names:
                emit({"absent": name, "reason": str(lack)})
    except Exception as error:
        emit({"problem": str(error) if isinstance(error, (ValueError, ImportError)) else sentence(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
