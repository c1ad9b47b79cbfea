"""Peers are plug-ins: files NAME.py with the functions

available()             raises Absent with what is missing; else returns the version
supports(case)          why the case cannot be run, or ""
prepare(case, tensors)  a state: what a launch needs, made once; ``o`` of it is [tokens][query heads][v_dim]
run(state)              launches on the current stream; is captured into a graph

and, where there is something to be done once a step on the device, plan(state).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FUNCTIONS = ("available", "supports", "prepare", "run")
HERE = Path(__file__).resolve().parent / "plugins"


class NoPlugin(ValueError):
    """A name that is none, or a file that is no plug-in: what was asked for cannot be done."""


def folders(extra: str | None) -> list[Path]:
    return ([Path(extra)] if extra else []) + [HERE]


def names(extra: str | None = None) -> list[str]:
    """Of all plug-ins but this library's own."""
    found = {path.stem for folder in folders(extra) for path in folder.glob("[a-z]*.py")}
    return sorted(found - {"flashjit"})


def find(name: str, extra: str | None = None) -> Path:
    found = [path for folder in folders(extra) if (path := folder / f"{name}.py").is_file()]
    if not found:
        raise NoPlugin(f"there is no peer {name!r}; there are {', '.join(names(extra))}")
    return found[0]


def load(name: str, extra: str | None = None) -> ModuleType:
    """The plug-in of a name. Its module is called otherwise, since peers have the names of their packages."""
    path = find(name, extra)
    spec = importlib.util.spec_from_file_location(f"flashjit_peer_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    missing = [function for function in FUNCTIONS if not hasattr(module, function)]
    if missing:
        raise NoPlugin(f"{path} lacks {', '.join(missing)}")
    return module
