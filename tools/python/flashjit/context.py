"""A context: where kernels are compiled, kept and loaded."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Callable, Iterable, NamedTuple

from . import _declarations as c
from ._library import library
from ._structs import fields_of, new
from .driver import Array, Driver
from .kernel import Kernel
from .spec import AxisValue, Spec, as_spec

MODES = {"on": c.FI_MODE_ON, "load_only": c.FI_MODE_LOAD_ONLY, "memory_only": c.FI_MODE_MEMORY_ONLY}


class Event(NamedTuple):
    """What happened: ``kind`` is an FI_EVENT_ of flashjit.h, ``milliseconds`` what it took."""

    kind: int
    layer: int
    status: int
    milliseconds: float
    spec: str
    target: str
    key: str
    message: str


def _event(struct: c.fi_event) -> Event:
    texts = (struct.spec, struct.target, struct.key, struct.message)
    decoded = ((text or b"").decode(errors="replace") for text in texts)
    return Event(struct.kind, struct.layer, struct.status, struct.milliseconds, *decoded)


class Context:
    """Kernels and where they come from; shared by all threads. Arguments left out are taken from FLASHJIT_* variables.

    mode            "on": may compile; "load_only": the cache must have it; "memory_only": the context must hold it
    target          "sm_90a" and so on; default: that of the current device
    cache_dir       the user's cache; "": none
    read_only_dirs  folders of kernels that are searched first
    nvrtc, driver   paths of libnvrtc and libcuda; driver="sim": the simulator, which needs no GPU
    deadline_ms     most milliseconds of one compile
    on_event        called with an Event in the thread that compiles or loads
    """

    def __init__(
        self,
        *,
        mode: str | None = None,
        target: str | None = None,
        cache_dir: str | None = None,
        read_only_dirs: Iterable[str] | None = None,
        nvrtc: str | None = None,
        driver: str | None = None,
        cache_bytes: int = 0,
        deadline_ms: int = 0,
        cache_shared: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.driver = Driver(driver)
        self.runs = 0
        self._kernels: dict[int, Kernel] = {}
        nvrtc = nvrtc or self.driver.nvrtc()
        options = new(c.fi_options, cache_bytes=cache_bytes, deadline_ms=deadline_ms, cache_shared=int(cache_shared))
        options.mode = _mode(mode) if mode else c.FI_MODE_DEFAULT
        texts = {"target": target, "cache_dir": cache_dir, "nvrtc": nvrtc}
        texts["driver"] = self.driver.path if driver or self.driver.simulated else None
        texts["read_only_dirs"] = ":".join(read_only_dirs) if read_only_dirs is not None else None
        for field, text in texts.items():
            setattr(options, field, text.encode() if text is not None else None)
        if on_event:
            options.on_event = self._callback = c.fi_event_callback(
                lambda user, event: on_event(_event(c.fi_event.from_address(event)))
            )
        self._handle = ctypes.c_void_p()
        library.check(library.fi_ctx_create(ctypes.byref(options), ctypes.byref(self._handle)))
        self._finalizer = weakref.finalize(self, library.fi_ctx_destroy, self._handle)
        self._finalizer.atexit = False  # a launch may still be under way, and the process ends anyway

    def kernel(self, spec: Spec | str | None = None, /, **axes: AxisValue) -> Kernel:
        """The kernel of a spec: by text, by axes (``group=4, page_size=16, kv_dtype="e4m3"``), or a Spec.

        It is compiled at first use, about a second; then it is a look-up.
        """
        self.driver.make_current()
        wanted = as_spec(spec, axes)
        handle = ctypes.c_void_p()
        library.check(library.fi_get_kernel(self._handle, ctypes.byref(wanted.struct), ctypes.byref(handle)))
        return self._kernel(handle.value)

    def kernels(self, specs: Iterable[Spec | str], threads: int = 0) -> list[Kernel]:
        """The kernels of many specs, compiled at once on so many threads (0: one a core)."""
        self.driver.make_current()
        wanted = [spec if isinstance(spec, Spec) else Spec(spec) for spec in specs]
        structs = (c.fi_spec * len(wanted))(*(spec.struct for spec in wanted))
        handles = (ctypes.c_void_p * len(wanted))()
        library.check(library.fi_get_kernels(self._handle, structs, len(wanted), threads, handles, None))
        return [self._kernel(handle) for handle in handles]

    def precompile(self, spec: Spec | str | None = None, /, **axes: AxisValue) -> dict[str, Any]:
        """Compiles into the cache without loading; needs no GPU. Returns the facts: registers, key, compile_ms ..."""
        facts = new(c.fi_facts)
        wanted = as_spec(spec, axes)
        library.check(library.fi_precompile(self._handle, ctypes.byref(wanted.struct), ctypes.byref(facts)))
        return as_dict(facts)

    def set_mode(self, mode: str) -> None:
        """After warm-up: set_mode("memory_only") forbids compiling and loading."""
        library.check(library.fi_ctx_set_mode(self._handle, _mode(mode)))

    def counters(self) -> dict[str, Any]:
        """kernels, memory_hits, read_only_hits, user_hits, compiles, failures, cache_problems, compile_ms, runs."""
        counters = new(c.fi_counters)
        library.check(library.fi_counters_read(self._handle, ctypes.byref(counters)))
        return {**as_dict(counters), "runs": self.runs}

    def array(self, shape: tuple[int, ...], dtype: str) -> Array:
        """A packed array on the device, for programs without torch."""
        return Array(self.driver, shape, dtype)

    def close(self) -> None:
        """Unloads its kernels: none may be running, or be in a graph to be replayed."""
        self._kernels.clear()
        self._finalizer()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, *reason: Any) -> None:
        self.close()

    def _kernel(self, handle: int) -> Kernel:
        if handle not in self._kernels:
            self._kernels[handle] = Kernel(self, handle)
        return self._kernels[handle]


def _mode(mode: str) -> int:
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; allowed: {', '.join(MODES)}")
    return MODES[mode]


def as_dict(struct: Any) -> dict[str, Any]:
    values = {field: getattr(struct, field) for field in fields_of(struct)}
    return {field: value.decode() if isinstance(value, bytes) else value for field, value in values.items()}


_default: list[Context] = []


def default_context() -> Context:
    """The context that the integrations share: made at first use from FLASHJIT_* variables."""
    if not _default:
        _default.append(Context())
    return _default[0]
