"""The shared library: where it is, its functions, and what a status means."""

from __future__ import annotations

import ctypes
import glob
import os
import sys

from . import _declarations as c
from .errors import BY_STATUS, Error

HERE = os.path.dirname(os.path.abspath(__file__))
SONAME = f"libflashjit.so.{c.VERSION[0]}"
SIMULATOR = "libflashjit-sim.so"

# Where PyPI's wheels put the compiler, the newest first.
NVRTC_PLACES = (
    "nvidia/cu13/lib/libnvrtc.so.13",
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.13",
    "nvidia/cuda_nvrtc/lib/libnvrtc.so.12",
)


def library_path() -> str:
    """FLASHJIT_LIBRARY, else the file that the wheel has brought, else what the loader finds."""
    beside = os.path.join(HERE, SONAME)
    return os.environ.get("FLASHJIT_LIBRARY") or (beside if os.path.exists(beside) else SONAME)


def simulator_path() -> str:
    """That of the package flashjit-simulator, else the file beside the library, else what the loader finds."""
    places = [os.path.join(folder, "flashjit_simulator", SIMULATOR) for folder in sys.path]
    places.append(os.path.join(os.path.dirname(os.path.realpath(library_path())), SIMULATOR))
    return next((place for place in places if os.path.exists(place)), SIMULATOR)


def nvrtc_paths() -> list[str]:
    """libnvrtc in this Python's environment, the newest first."""
    found = (os.path.join(folder, place) for place in NVRTC_PLACES for folder in sys.path)
    return [path for path in dict.fromkeys(found) if glob.glob(path)]


class Library:
    """The functions of flashjit.h as attributes. ``check(status)`` raises what is not FI_OK."""

    def __init__(self) -> None:
        self.path = library_path()
        try:
            functions = ctypes.CDLL(self.path)
        except OSError as reason:
            raise ImportError(f"flashjit: {reason}; FLASHJIT_LIBRARY may name the path of {SONAME}") from None
        for name, (result, arguments) in c.FUNCTIONS.items():
            function = getattr(functions, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)
        version = self.fi_library_version()
        if version // 1000000 != c.VERSION[0]:
            raise ImportError(f"flashjit: {self.path} has version {version // 1000000}, not {c.VERSION[0]}")

    def error(self, status: int) -> Error:
        """The exception of a status, from this thread's last failing call."""
        sentence = (self.fi_last_error() or b"").decode(errors="replace")
        meaning = self.fi_status_meaning(status).decode()
        return BY_STATUS.get(status, Error)(sentence or meaning)

    def check(self, status: int) -> None:
        if status:
            raise self.error(status)


library = Library()
