"""libflashjit.so: kernels by their specs, plans and runs on torch tensors."""

import ctypes

import torch

TILE_ROWS = (16, 32, 64, 128)


class Missing(Exception):
    """The library has no kernel for what a layer needs."""


class Plan:
    """The plan of one kernel for the lengths of one forward, and the memory that it lives in."""

    def __init__(self, kernel, workspace, memories, lengths):
        self.kernel = kernel
        self.workspace = workspace
        self.memories = memories
        self.lengths = lengths


class Library:
    def __init__(self, path, header, memory, without=()):
        self.header = header
        self.memory = memory
        self.without = frozenset(without)
        self.functions = ctypes.CDLL(path)
        self.functions.fi_last_error.restype = ctypes.c_char_p
        self.functions.fi_status_name.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p()
        self.kernels = {}
        options = self.struct("fi_options", driver=memory.driver)
        self.check("fi_ctx_create", ctypes.byref(options), ctypes.byref(self.context))

    def check(self, name, *arguments):
        status = getattr(self.functions, name)(*arguments)
        if status == self.header.FI_OK:
            return
        code = self.functions.fi_status_name(status).decode()
        message = f"{name}: {code}: {self.functions.fi_last_error().decode()}"
        raise Missing(message) if status == self.header.FI_ERROR_UNSUPPORTED else RuntimeError(message)

    def struct(self, name, **fields):
        struct = self.header.types[name]()
        struct.struct_size = ctypes.sizeof(struct)
        for field, value in fields.items():
            if not self.header.has_field(name, field):
                raise Missing(f"flashjit.h has no {name}.{field}")
            setattr(struct, field, value)
        return struct

    def has(self, feature):
        """Whether a feature is used: --without leaves it out, to see that the comparison notices."""
        return feature not in self.without

    def spec(self, **axes):
        spec = self.struct("fi_spec")
        self.functions.fi_spec_init(ctypes.byref(spec))
        for axis, value in axes.items():
            if not self.header.has_field("fi_spec", axis):
                raise Missing(f"there is no axis {axis} yet")
            setattr(spec, axis, value)
        return spec

    def kernel(self, spec):
        """Compiled at its first use."""
        text = ctypes.create_string_buffer(self.header.FI_SPEC_TEXT_SIZE)
        self.check("fi_spec_print", ctypes.byref(spec), text, ctypes.c_size_t(len(text)))
        name = text.value.decode()
        if name not in self.kernels:
            handle = ctypes.c_void_p()
            self.check("fi_get_kernel", self.context, ctypes.byref(spec), ctypes.byref(handle))
            self.kernels[name] = handle
        return self.kernels[name]

    def plan(self, spec, lengths, bounds):
        """lengths: fields of fi_batch, tensors among them; bounds: fields of fi_workspace."""
        kernel = self.kernel(spec)
        workspace = self.struct("fi_workspace", **bounds)
        self.check("fi_workspace_size", kernel, ctypes.byref(workspace))
        memories = [self._bytes(workspace.bytes), self._bytes(workspace.scratch_bytes)]
        workspace.memory, workspace.scratch = (self.memory.address(memory) for memory in memories)
        batch = self.struct("fi_batch", **self._addresses(lengths))
        self.check("fi_plan", kernel, ctypes.byref(batch), ctypes.byref(workspace), self._stream())
        return Plan(kernel, workspace, memories, lengths)

    def run(self, plan, k, v, **fields):
        """Fields of fi_tensors; k and v are fields of fi_kv."""
        tensors = self.struct("fi_tensors", **self._addresses(fields))
        tensors.k = self.header.fi_kv(**self._addresses(k))
        tensors.v = self.header.fi_kv(**self._addresses(v))
        self.check("fi_run", plan.kernel, ctypes.byref(tensors), ctypes.byref(plan.workspace), self._stream())

    def expect_no_fault(self, plan):
        words = self.memory.fetch(plan.memories[0])[:16].cpu().view(torch.int32).tolist()
        if words[0] != self.header.FI_FAULT_NONE:
            raise RuntimeError(f"the plan has fault {words[0]} for request {words[1]}, value {words[2]}")

    def _bytes(self, size):
        return torch.empty(max(size, 256), dtype=torch.uint8, device=self.memory.device)

    def _stream(self):
        return ctypes.c_void_p(self.memory.stream())

    def _addresses(self, fields):
        is_tensor = torch.is_tensor
        return {name: self.memory.address(value) if is_tensor(value) else value for name, value in fields.items()}
