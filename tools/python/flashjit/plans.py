"""Plans for callers that have no step of their own: kernels by what a call needs, and workspaces that grow with it."""

from __future__ import annotations

import ctypes
from typing import Any

from .arrays import current_stream, is_capturing
from .context import Context, default_context
from .driver import Buffer
from .kernel import Fault, Kernel, Workspace

TILE_ROWS = (16, 32, 64, 128)
DTYPES = {"torch.bfloat16": "bf16", "torch.float16": "f16", "torch.float8_e4m3fn": "e4m3", "torch.float8_e5m2": "e5m2"}
SMALLEST_SCRATCH = 16 << 20


def tile_rows(rows: int) -> int:
    """The tile for so many rows (query tokens of a request x group)."""
    return next((tile for tile in TILE_ROWS if tile >= rows), TILE_ROWS[-1])


def above(number: int) -> int:
    """A power of two, so that few workspaces serve all lengths."""
    return 1 << max(number - 1, 0).bit_length()


def capture_of(context: Context) -> int:
    """The number of the capture that torch's current stream is in; 0: of none. No two captures have the same."""
    if not is_capturing():
        return 0
    status, number = ctypes.c_int(), ctypes.c_uint64()
    results = (ctypes.byref(status), ctypes.byref(number), None, None, None)
    context.driver.call("cuStreamGetCaptureInfo", ctypes.c_void_p(current_stream()), *results)
    return number.value


class Plan:
    """A batch, and the workspace of its plan. Another batch may take that: then this one is planned anew."""

    def __init__(self, kernel: Kernel, workspace: Workspace, batch: dict[str, Any]) -> None:
        self.kernel, self.workspace, self.batch = kernel, workspace, batch

    def run(self, **tensors: Any) -> Any:
        return self.run_with(self.kernel, **tensors)

    def run_with(self, kernel: Kernel, **tensors: Any) -> Any:
        """Runs an append kernel by the plan of attention, or attention itself."""
        if self.workspace.plan is not self:
            self.kernel.plan(self.workspace, **self.batch)
            self.workspace.plan = self
        return kernel.run(self.workspace, **tensors)


class Plans:
    """Kernels by their axes, workspaces by their bounds and stream; the workspaces of a stream share one scratch."""

    def __init__(self, context: Context | None = None) -> None:
        self._context = context
        self._kernels: dict[tuple, Kernel] = {}
        self._workspaces: dict[tuple, Workspace] = {}
        self._scratch: dict[tuple, Buffer] = {}

    @property
    def context(self) -> Context:
        if self._context is None:
            self._context = default_context()
        return self._context

    def kernel(self, **axes: Any) -> Kernel:
        key = tuple(sorted(axes.items()))
        if key not in self._kernels:
            self._kernels[key] = self.context.kernel(**axes)
        return self._kernels[key]

    def plan(self, kernel: Kernel, bounds: dict[str, int], batch: dict[str, Any]) -> Plan:
        """bounds: max_requests, max_tokens and max_kv_len, of which the next power of two is used, and kv_heads."""
        wide = {name: above(n) if name.startswith("max_") else n for name, n in bounds.items()}
        # A replay writes to the workspaces of its graph when nobody here knows: no other launch may use them.
        stream = (current_stream(), is_capturing())
        key = (kernel, stream, *sorted(wide.items()))
        if key not in self._workspaces:
            self._workspaces[key] = self._new_workspace(kernel, wide, stream)
        return Plan(kernel, self._workspaces[key], batch)

    def faults(self) -> list[Fault]:
        """Of the last plans in all workspaces but those of graphs. Waits for the default stream."""
        found = (workspace.fault() for workspace in self._workspaces.values())
        return [fault for fault in found if fault]

    def _new_workspace(self, kernel: Kernel, bounds: dict[str, int], stream: tuple) -> Workspace:
        need = kernel.workspace_bytes(**bounds)[1]
        if stream not in self._scratch or self._scratch[stream].size < need:
            self._scratch[stream] = Buffer(self.context.driver, max(need, SMALLEST_SCRATCH))
        return kernel.workspace(**bounds, scratch=self._scratch[stream])
