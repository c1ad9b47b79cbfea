"""Where the tensors of a launch live: on a GPU as they are, or copied into the memory of the simulator."""

import ctypes
import os

import torch


def span_of(tensor):
    """Bytes from a tensor's first element to its last."""
    last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride()))
    return (last + 1) * tensor.element_size() if tensor.numel() > 0 else 0


class Gpu:
    device = "cuda"
    driver = None
    name = property(lambda self: torch.cuda.get_device_name())

    def __init__(self):
        torch.zeros(1, device=self.device)  # makes the context current

    def address(self, tensor):
        return tensor.data_ptr()

    def fetch(self, tensor):
        """After a launch: what it wrote to the tensor."""
        return tensor

    def stream(self):
        return torch.cuda.current_stream().cuda_stream

    def release(self):
        """After a forward: no launch will read its tensors any more."""


class Simulator:
    device = "cpu"
    driver = b"sim"
    name = "simulated"

    def __init__(self, library):
        path = os.path.join(os.path.dirname(os.path.realpath(library)), "libflashjit-sim.so")
        self.driver_library = ctypes.CDLL(path)
        self.copies = {}
        context = ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self._call("cuCtxSetCurrent", context)

    def _call(self, name, *arguments):
        function = ctypes.c_void_p()
        status = self.driver_library.cuGetProcAddress_v2(name.encode(), ctypes.byref(function), 12040, 0, None)
        if status == 0:
            status = ctypes.CFUNCTYPE(ctypes.c_int)(function.value)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} of the simulator: {status}")

    def address(self, tensor):
        key = (tensor.data_ptr(), span_of(tensor))
        if key not in self.copies:
            address = ctypes.c_uint64()
            self._call("cuMemAlloc", ctypes.byref(address), ctypes.c_size_t(key[1] + 16))
            self._call("cuMemcpyHtoD", address, ctypes.c_void_p(key[0]), ctypes.c_size_t(key[1]))
            self.copies[key] = (address.value, tensor)  # kept, so that no other takes its place
        return self.copies[key][0]

    def fetch(self, tensor):
        size = span_of(tensor)
        address = ctypes.c_uint64(self.address(tensor))
        self._call("cuMemcpyDtoH", ctypes.c_void_p(tensor.data_ptr()), address, ctypes.c_size_t(size))
        return tensor

    def stream(self):
        return None

    def release(self):
        for address, _ in self.copies.values():
            self._call("cuMemFree", ctypes.c_uint64(address))
        self.copies.clear()
