"""Arrays of others: torch tensors, the CUDA array interface, DLPack, and on the host numpy and the buffer protocol."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Callable, NamedTuple

from .errors import ArgumentError

# Bytes of an element, by the names that specs have for types. u16 and u8 may be any type of that size.
SIZES = {
    "f16": 2, "bf16": 2, "e4m3": 1, "e5m2": 1, "f32": 4, "f64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8,
    "u8": 1, "u16": 2, "u32": 4, "u64": 8, "bool": 1,
}  # fmt: skip
RAW = {"u8", "u16"}
TORCH = {
    "float16": "f16", "bfloat16": "bf16", "float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2", "float32": "f32",
    "float64": "f64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8", "uint16": "u16",
    "uint32": "u32", "uint64": "u64", "bool": "bool",
}  # fmt: skip
KINDS = {"f": {2: "f16", 4: "f32", 8: "f64"}, "V": {2: "u16", 1: "u8"}, "b": {1: "bool"}}
DLPACK_KINDS = {0: "i", 1: "u", 2: "f", 4: "bf", 6: "b"}
DLPACK_WHOLE = {(4, 16): "bf16", (10, 8): "e4m3", (12, 8): "e5m2", (6, 8): "bool"}
DLPACK_ON_HOST = (1,)
DLPACK_ON_DEVICE = (2, 13)


class View(NamedTuple):
    """Where an array is. Strides count elements."""

    address: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    on_host: bool
    owner: Any

    @property
    def span(self) -> int:
        """Bytes from its first element to its last."""
        if 0 in self.shape:
            return 0
        last = sum((extent - 1) * stride for extent, stride in zip(self.shape, self.strides))
        return (last + 1) * SIZES[self.dtype]


# Arrays without elements have no address, which the library would take for an array that is missing. Nothing reads it.
EMPTY = 1 << 8


def address_of(array: View) -> int:
    """What the library is told of where an array is."""
    return array.address if array.span else EMPTY


def view(array: Any) -> View:
    """Where an array is, by the first protocol that it speaks."""
    if isinstance(array, View):
        return array
    if hasattr(array, "flashjit_view"):
        return array.flashjit_view()
    if hasattr(array, "data_ptr"):
        return _torch(array)
    if hasattr(array, "__cuda_array_interface__"):
        return _interface(array, array.__cuda_array_interface__, on_host=False)
    if hasattr(array, "__dlpack__"):
        return _dlpack(array)
    if hasattr(array, "__array_interface__"):
        return _interface(array, array.__array_interface__, on_host=True)
    return _buffer(array)


def _torch(tensor: Any) -> View:
    name = str(tensor.dtype).rpartition(".")[2]
    if name not in TORCH:
        raise ArgumentError(f"a tensor has dtype {tensor.dtype}; allowed: {', '.join(TORCH)}")
    on_host = not tensor.is_cuda
    return View(tensor.data_ptr(), TORCH[name], tuple(tensor.shape), tuple(tensor.stride()), on_host, tensor)


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def _named(kind: str, size: int) -> str:
    name = KINDS.get(kind, {}).get(size) or f"{kind}{size * 8}"
    if name not in SIZES:
        raise ArgumentError(f"an array has elements of kind {kind!r} and {size} bytes; allowed: {', '.join(SIZES)}")
    return name


def _interface(array: Any, interface: dict, on_host: bool) -> View:
    order, kind, size = interface["typestr"][0], interface["typestr"][1], int(interface["typestr"][2:])
    if order == ">":
        raise ArgumentError("an array is big-endian")
    shape, strides = tuple(interface["shape"]), interface.get("strides")
    dtype = _named(kind, size)
    steps = tuple(stride // size for stride in strides) if strides else _packed(shape)
    return View(interface["data"][0], dtype, shape, steps, on_host, array)


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


def _dlpack(array: Any) -> View:
    """The capsule stays as it is, so that what made it frees it with the View."""
    capsule = array.__dlpack__()
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    tensor = _DLTensor.from_address(get(capsule, b"dltensor"))
    shape = tuple(tensor.shape[: tensor.ndim])
    strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else _packed(shape)
    dtype = DLPACK_WHOLE.get((tensor.code, tensor.bits))
    dtype = dtype or _named(DLPACK_KINDS.get(tensor.code, "?"), tensor.bits // 8)
    if tensor.device_type not in DLPACK_ON_HOST + DLPACK_ON_DEVICE:
        raise ArgumentError(f"an array is on DLPack's device type {tensor.device_type}, not on a CUDA device")
    address = (tensor.data or 0) + tensor.byte_offset
    return View(address, dtype, shape, strides, tensor.device_type in DLPACK_ON_HOST, (array, capsule))


def _buffer(array: Any) -> View:
    try:
        memory = memoryview(array)
    except TypeError:
        kinds = "torch tensor, CUDA array interface, DLPack, numpy array or buffer"
        raise ArgumentError(f"a {type(array).__name__} is no array: {kinds}") from None
    if not memory.contiguous or memory.readonly:
        raise ArgumentError(f"a {type(array).__name__} is not contiguous and writable memory")
    code = memory.format[-1]
    kind = "f" if code in "efd" else "u" if code in "BHILQcN" else "b" if code == "?" else "i"
    shape = tuple(memory.shape or ())
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory.cast("B"))) if memory.nbytes else 0
    return View(address, _named(kind, memory.itemsize), shape, _packed(shape), True, (array, memory))


_raw: list[Callable] = []  # torch's functions for the address of a stream: a tenth of the time of its objects


def current_stream() -> int | None:
    """torch's current stream where torch is loaded and uses CUDA; else the default stream."""
    if _raw:
        return _raw[0](_raw[1]())
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    if hasattr(torch._C, "_cuda_getCurrentRawStream"):
        _raw[:] = torch._C._cuda_getCurrentRawStream, torch._C._cuda_getDevice
        return current_stream()
    return torch.cuda.current_stream().cuda_stream


def is_capturing() -> bool:
    """Whether torch's current stream is being captured into a CUDA graph."""
    torch = sys.modules.get("torch")
    return bool(torch and torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())


def stream_of(stream: Any) -> int | None:
    """The address of a stream: a number, torch's or another object with cuda_stream, __cuda_stream__; None: current."""
    if stream is None:
        return current_stream()
    if isinstance(stream, int):
        return stream
    if hasattr(stream, "cuda_stream"):
        return stream.cuda_stream
    if hasattr(stream, "__cuda_stream__"):
        return int(stream.__cuda_stream__()[1])
    raise ArgumentError(f"stream is a {type(stream).__name__}; allowed: a number, torch.cuda.Stream, __cuda_stream__")
