"""The driver, real or simulated: device memory, and a context that is current.

The simulator's device memory is apart from the host's, as a GPU's is. Arrays on the host are therefore copied into it
before a launch and back after it, so that programs and their tests run where there is no GPU.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Iterable

from ._library import SIMULATOR, nvrtc_paths, simulator_path
from .arrays import SIZES, View, address_of, current_stream, view
from .errors import ArgumentError, DriverError, NoDriverError

VERSION = 12000
ALIGNMENT = 256


class Driver:
    """The functions that this package needs. ``path`` is that of libcuda, or "sim"."""

    def __init__(self, path: str | None) -> None:
        path = path or os.environ.get("FLASHJIT_DRIVER") or "libcuda.so.1"
        self.path = simulator_path() if path == "sim" else path
        self.simulated = SIMULATOR in self.path
        self._library: Any = None
        self._functions: dict[str, Any] = {}

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the driver; integers must fit a C int."""
        result = self._function(name)(*arguments)
        if result:
            raise DriverError(f"{name} failed with CUDA error {result}")

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            if self._library is None:
                try:
                    self._library = ctypes.CDLL(self.path)
                except OSError as reason:
                    raise NoDriverError(f"{reason}; without a GPU FLASHJIT_DRIVER=sim runs the simulator") from None
            address = ctypes.c_void_p()
            result = self._library.cuGetProcAddress_v2(
                name.encode(), ctypes.byref(address), VERSION, ctypes.c_uint64(0), None
            )
            if result or not address.value:
                raise DriverError(f"the driver has no {name}")
            self._functions[name] = ctypes.CFUNCTYPE(ctypes.c_int)(address.value)
        return self._functions[name]

    def make_current(self) -> None:
        """Makes the primary context of a device current in this thread, where none is: torch's device, or the first."""
        current = ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuCtxGetCurrent", ctypes.byref(current))
        if current.value:
            return
        torch = sys.modules.get("torch")
        device = torch.cuda.current_device() if torch and not self.simulated and torch.cuda.is_available() else 0
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(current), device)
        self.call("cuCtxSetCurrent", current)

    def nvrtc(self) -> str | None:
        """The compiler of this Python's environment that suits the driver; None: the library looks for one."""
        found = nvrtc_paths()
        if os.environ.get("FLASHJIT_NVRTC") or not found:
            return None
        version = ctypes.c_int(13000)
        if len(found) > 1 and not self.simulated:
            try:
                self.call("cuDriverGetVersion", ctypes.byref(version))
            except (DriverError, NoDriverError):
                pass
        usable = [path for path in found if int(path.rpartition(".")[2]) <= version.value // 1000]
        return (usable or found)[0]


class Buffer:
    """Device memory; freed with the object. ``address`` is 0 for no bytes."""

    def __init__(self, driver: Driver, size: int) -> None:
        self.driver, self.size, self.address = driver, size, 0
        self._owner = None
        if size == 0:
            return
        driver.make_current()
        torch = sys.modules.get("torch")
        if torch and not driver.simulated and torch.cuda.is_initialized():
            self._owner = torch.empty(size, dtype=torch.uint8, device="cuda")
            self.address = self._owner.data_ptr()
        else:
            address = ctypes.c_uint64()
            driver.call("cuMemAlloc", ctypes.byref(address), ctypes.c_size_t(size))
            self.address = address.value

    def copy_in(self, host: int, size: int, offset: int = 0) -> None:
        """From the host's address."""
        to = ctypes.c_uint64(self.address + offset)
        self.driver.call("cuMemcpyHtoD", to, ctypes.c_void_p(host), ctypes.c_size_t(size))

    def clear(self, size: int) -> None:
        """Its first bytes, in the order of the current stream: torch gives memory that work may still write to."""
        length = ctypes.c_size_t(size)
        stream = ctypes.c_void_p(current_stream())
        self.driver.call("cuMemsetD8Async", ctypes.c_uint64(self.address), ctypes.c_ubyte(0), length, stream)

    def copy_out(self, host: int, size: int, offset: int = 0) -> None:
        """To the host's address, after what the default stream has been given."""
        source = ctypes.c_uint64(self.address + offset)
        self.driver.call("cuMemcpyDtoH", ctypes.c_void_p(host), source, ctypes.c_size_t(size))

    def __del__(self) -> None:
        if self._owner is None and self.address and sys is not None and not sys.is_finalizing():
            try:
                self.driver.make_current()
                self.driver.call("cuMemFree", ctypes.c_uint64(self.address))
            except DriverError:
                pass  # after a launch that failed nothing can be freed


class Array:
    """A packed array on the device, for programs without torch: shape, and dtype by its name in specs ("bf16")."""

    def __init__(self, driver: Driver, shape: tuple[int, ...], dtype: str) -> None:
        if dtype not in SIZES:
            raise ArgumentError(f"dtype is {dtype!r}; allowed: {', '.join(SIZES)}")
        self.shape, self.dtype = tuple(shape), dtype
        self.bytes = SIZES[dtype]
        for extent in shape:
            self.bytes *= extent
        self.buffer = Buffer(driver, self.bytes)

    def flashjit_view(self) -> View:
        strides, step = [], 1
        for extent in reversed(self.shape):
            strides.insert(0, step)
            step *= extent
        return View(self.buffer.address, self.dtype, self.shape, tuple(strides), False, self)

    def write(self, source: Any) -> Array:
        """Copies a packed array of the host, of as many bytes, to the device."""
        found = view(source)
        if not found.on_host or found.span != self.bytes:
            raise ArgumentError(f"an array of {self.bytes} bytes is written from one of {found.span}")
        self.buffer.copy_in(found.address, self.bytes)
        return self

    def tobytes(self) -> bytes:
        """What the array holds, after what the default stream has been given."""
        text = ctypes.create_string_buffer(self.bytes)
        self.buffer.copy_out(ctypes.addressof(text), self.bytes)
        return text.raw


class _Region:
    """Host memory and its copy on the device, at an address of the same alignment."""

    def __init__(self, driver: Driver, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self.offset = begin % ALIGNMENT
        self.buffer = Buffer(driver, end - begin + self.offset)

    def copy_in(self) -> None:
        self.buffer.copy_in(self.begin, self.end - self.begin, self.offset)

    def copy_out(self) -> None:
        self.buffer.copy_out(self.begin, self.end - self.begin, self.offset)


class Staged:
    """Copies of host arrays in the simulator's memory. Arrays that overlap are one copy, as they are one memory."""

    def __init__(self, driver: Driver, arrays: Iterable[View]) -> None:
        spans = sorted((array.address, array.address + array.span) for array in arrays if array.on_host and array.span)
        merged: list[list[int]] = []
        for begin, end in spans:
            if merged and begin <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([begin, end])
        self._regions = [_Region(driver, begin, end) for begin, end in merged]

    def copy_in(self) -> None:
        for region in self._regions:
            region.copy_in()

    def copy_out(self) -> None:
        for region in self._regions:
            region.copy_out()

    def address(self, array: View) -> int:
        """Where the device finds an array."""
        if array.on_host and array.span:
            for region in self._regions:
                if region.begin <= array.address < region.end:
                    return region.buffer.address + region.offset + array.address - region.begin
        return address_of(array)
