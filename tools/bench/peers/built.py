"""Libraries that plug-ins build on the spot, in the user's cache. Their code is loaded: nobody else may write it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


class Untrusted(Exception):
    """What is there belongs to somebody else, or others may write it."""


def _check(path: Path, is_kind: Callable[[int], bool]) -> None:
    found = path.lstat()
    if not is_kind(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Untrusted(f"{path} is not this user's alone: its owner is {found.st_uid}, its mode {found.st_mode:o}")


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(cache) / "flashjit-peers"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _check(folder, stat.S_ISDIR)
    return folder


def library(name: str, build: Callable[[Path], None]) -> Path:
    """The file of a name, which ``build`` writes once: to another path, that becomes it when it is whole."""
    path = _folder() / name
    if not os.path.lexists(path):
        part = path.with_name(f"{name}.{os.getpid()}")
        try:
            build(part)
            part.chmod(0o700)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    _check(path, stat.S_ISREG)
    return path
