"""Kernels: plan once a step, run once a layer."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _declarations as c
from ._library import library
from ._structs import fill, new
from .arrays import View, current_stream, is_capturing, stream_of, view
from .driver import Buffer, Staged
from .errors import ArgumentError
from .spec import Spec
from .tensors import Tensors

if TYPE_CHECKING:
    from .context import Context

# Arrays of a batch, and the types that they may have. Those of requests tell how many requests there are.
BATCH_DTYPES = {
    "q_indptr": ("i32",),
    "kv_len": ("i32",),
    "kv_indptr": ("i32",),
    "last_page_len": ("i32",),
    "kv_start": ("i32",),
    "page_table": ("i32", "i64"),
    "ranges": ("i32",),
    "range_indptr": ("i32",),
    "mask_bits": ("u32", "i32"),
    "mask_offsets": ("i64",),
    "selected_len": ("i32",),
    "second_page_table": ("i32", "i64"),
    "second_kv_len": ("i32",),
    "shared": ("i32",),
}
REQUESTS = {"kv_len": 0, "last_page_len": 0, "second_kv_len": 0, "shared": 0, "q_indptr": 1, "kv_indptr": 1}
FAULTS = {
    number: name[len("FI_FAULT_") :].lower() for name, number in vars(c).items() if name.startswith("FI_FAULT_")
}


class Fault(NamedTuple):
    """The first request whose lengths or page ids were not within the bounds. ``kind`` is that of FI_FAULT_."""

    kind: str
    request: int
    value: int


class Workspace:
    """The memory of a plan and of partial results, for batches within its bounds.

    It keeps the arrays of its batch, which launches read, until the next plan. ``Kernel.workspace`` makes it.
    """

    def __init__(self, kernel: Kernel, bounds: dict[str, int], scratch: Workspace | Buffer | None) -> None:
        self.kernel = kernel
        self.struct = new(c.fi_workspace, **bounds)
        library.check(library.fi_workspace_size(kernel.handle, ctypes.byref(self.struct)))
        driver = kernel.context.driver
        self.memory = Buffer(driver, self.struct.bytes)
        self.scratch = scratch.scratch if isinstance(scratch, Workspace) else scratch
        if self.scratch is None or self.scratch.size < self.struct.scratch_bytes:
            if scratch is not None:
                size = self.scratch.size if self.scratch else 0
                raise ArgumentError(f"scratch has {size} bytes; this workspace needs {self.struct.scratch_bytes}")
            self.scratch = Buffer(driver, self.struct.scratch_bytes)
        self.struct.memory, self.struct.scratch = self.memory.address, self.scratch.address
        self.batch: dict[str, View] = {}
        self.requests = 0  # of the last plan, where each has one query token; else 0
        self.staged: Staged | None = None
        self.plan: Any = None  # of plans.Plan
        # Between replays a graph's memory is that of the other graphs in its pool.
        self.is_of_graph = is_capturing()
        if self.memory.size and not self.is_of_graph:
            self.memory.clear(ctypes.sizeof(c.fi_fault))

    def fault(self) -> Fault | None:
        """What was wrong with the batch. Waits for the default stream, so ask once in a while.

        None, too, before the first plan, and of a workspace that was made while a graph was captured, or in the pool of
        one, which replays write over: what then stands there is no kind of fault.
        """
        struct = c.fi_fault()
        if not self.memory.size or self.is_of_graph:
            return None
        self.memory.copy_out(ctypes.addressof(struct), ctypes.sizeof(struct))
        if struct.kind not in FAULTS or struct.kind == c.FI_FAULT_NONE:
            return None
        return Fault(FAULTS[struct.kind], struct.request, struct.value)


class Launch:
    """A prepared launch: calling it is one fi_run. Arrays may hold other numbers each time; ``set`` gives other arrays.

    ``launch(stream)`` takes a stream as ``Kernel.run`` does.
    """

    __slots__ = ("kernel", "tensors", "workspace", "staged", "_run", "_handle", "_tensors", "_space", "_context")

    def __init__(self, kernel: Kernel, workspace: Workspace | None, values: dict[str, Any]) -> None:
        self.kernel, self.workspace = kernel, workspace
        self.tensors = Tensors(kernel.spec, values, kernel.context.driver.simulated)
        self._context = kernel.context
        self._run = library.fi_run
        # Addresses are passed faster than references. What they point to lives as long as this object.
        self._handle = kernel.handle.value
        self._tensors = ctypes.addressof(self.tensors.struct)
        self._space = ctypes.addressof(workspace.struct) if workspace else None
        self._stage()

    def set(self, **values: Any) -> None:
        """Other arrays or numbers, by their names."""
        self.tensors.update(values)
        self._stage()

    def __call__(self, stream: Any = None) -> None:
        staged = self.staged
        if staged:
            staged.copy_in()
        on = current_stream() if stream is None else stream_of(stream)
        status = self._run(self._handle, self._tensors, self._space, on)
        if status:
            raise library.error(status)
        self._context.runs += 1
        if staged:
            staged.copy_out()

    def _stage(self) -> None:
        arrays = self.tensors.arrays.values()
        self.staged = Staged(self._context.driver, arrays) if any(array.on_host for array in arrays) else None
        if self.staged:
            self.tensors.place(self.staged.address)


class Kernel:
    """A kernel that is loaded: ``spec`` has every default filled in. ``Context.kernel`` makes it."""

    def __init__(self, context: Context, handle: int) -> None:
        self.context = context
        self.handle = ctypes.c_void_p(handle)
        self.spec = Spec()
        library.check(library.fi_kernel_spec(self.handle, ctypes.byref(self.spec.struct)))

    def __repr__(self) -> str:
        return f"Kernel({str(self.spec)!r})"

    def facts(self) -> dict[str, Any]:
        """registers, dynamic_shared (bytes), threads, image_bytes, compile_ms, target, key, layer ..."""
        from .context import as_dict

        facts = new(c.fi_facts)
        library.check(library.fi_kernel_facts(self.handle, ctypes.byref(facts)))
        return as_dict(facts)

    def prepare(self) -> None:
        """Loads the code on the current device; needed before capture on another device than the first."""
        library.check(library.fi_kernel_prepare(self.handle))

    def workspace(
        self,
        *,
        max_requests: int,
        max_kv_len: int,
        kv_heads: int,
        max_tokens: int | None = None,
        ctas: int = 0,
        split_tokens: int = 0,
        max_selected: int = 0,
        max_q_len: int | None = None,
        scratch: Workspace | Buffer | None = None,
    ) -> Workspace:
        """Memory for batches within these bounds.

        max_requests  requests of a step
        max_tokens    query tokens of a step, all requests together; None: as many as requests (decode)
        max_kv_len    tokens of the longest KV
        kv_heads      KV heads on this device
        ctas          CTAs of a launch; 0: as many as the device holds at once
        split_tokens  0, or a multiple of 256: then a request's result does not depend on the rest of the batch
        max_selected  entries of the longest list, where the spec has select
        max_q_len     query tokens of the longest request: which of the kernels of a spec without rows are launched; 0:
                      what the other requests leave of max_tokens; None: 1 where max_tokens is None, else 0
        scratch       another workspace whose scratch this one shares: their launches must follow in one stream
        """
        self.context.driver.make_current()
        bounds = {
            "max_requests": max_requests,
            "max_tokens": max_requests if max_tokens is None else max_tokens,
            "max_kv_len": max_kv_len,
            "kv_heads": kv_heads,
            "ctas": ctas,
            "split_tokens": split_tokens,
            "max_selected": max_selected,
            "max_q_len": int(max_tokens is None) if max_q_len is None else max_q_len,
        }
        return Workspace(self, bounds, scratch)

    def workspace_bytes(self, **bounds: int) -> tuple[int, int]:
        """Bytes of memory and of scratch that ``workspace`` with these bounds takes."""
        struct = new(c.fi_workspace, **bounds)
        library.check(library.fi_workspace_size(self.handle, ctypes.byref(struct)))
        return struct.bytes, struct.scratch_bytes

    def plan(self, workspace: Workspace, *, stream: Any = None, **batch: Any) -> None:
        """Splits a batch into work items, on the device: once a step, for all layers of this kind.

        Arrays on the device, int32 unless noted; [requests] each. What a spec does not need is left out.
        kv_len         tokens of KV, the new ones included
        q_indptr       [requests + 1] first query token of each; left out: one query token each
        page_table     [requests][pages] page ids; for index="csr" all in one list; int64 for page_ids="int64"
        kv_indptr      [requests + 1] for index="csr": first entry of page_table, or first token without pages
        last_page_len  in place of kv_len, with a CSR page table: tokens in the last page
        kv_start       the first token that is seen
        ranges, range_indptr, mask_bits, mask_offsets, mask_stride, page_count, selected_len: see fi_batch in
                       flashjit.h
        second_kv_len, second_page_table, second_page_count   of a second KV, for spec.second_page
        shared         [requests][2] for prefixes=2, in an order in which those that share most are neighbours: a
                       request, and the leading KV tokens that it has in common with the one before it
        """
        _check_workspace(workspace)
        driver = self.context.driver
        driver.make_current()
        arrays = {name: view(value) for name, value in batch.items() if name in BATCH_DTYPES and value is not None}
        struct = new(c.fi_batch, **{name: value for name, value in batch.items() if name not in BATCH_DTYPES})
        for name, array in arrays.items():
            _check_batch(name, array, driver.simulated)
        staged = Staged(driver, arrays.values())
        staged.copy_in()
        fill(struct, {name: staged.address(array) for name, array in arrays.items()})
        if "requests" not in batch:
            struct.requests = _requests(arrays)
        table = arrays.get("page_table")
        if table and self.spec.index == c.FI_INDEX_DENSE and "page_table_stride" not in batch:
            struct.page_table_stride = _row("page_table", table)
        second = arrays.get("second_page_table")
        if second and "second_page_table_stride" not in batch:
            struct.second_page_table_stride = _row("second_page_table", second)
        space = ctypes.byref(workspace.struct)
        library.check(library.fi_plan(self.handle, ctypes.byref(struct), space, stream_of(stream)))
        workspace.batch, workspace.staged = arrays, staged
        workspace.requests = 0 if "q_indptr" in arrays else struct.requests

    def bind(self, workspace: Workspace | None = None, /, **tensors: Any) -> Launch:
        """Prepares a launch, for calls that cost no more than one of C. Takes what ``run`` takes."""
        if workspace is not None:
            _check_workspace(workspace)
        self.context.driver.make_current()
        return Launch(self, workspace, tensors)

    def run(self, workspace: Workspace | None = None, /, *, stream: Any = None, **tensors: Any) -> Any:
        """Launches once, and returns o, or an indexer's lists: once a layer, on the current stream or that given.

        Rows must be of consecutive elements; the other strides of q, o, k, v, second_k, second_v, k_new, v_new, bias,
        selected, lists and weights are free: give views.
        q          [tokens][query heads][head_dim]
        o          [tokens][query heads][v_dim], written; left out: a new torch tensor
        lse        [tokens][query heads] f32, written, for spec.lse
        k, v       the cache: [pages][page_size][KV heads][dim], [requests][tokens][KV heads][dim] without pages,
                   [tokens][KV heads][dim] for index="csr" without pages
        k_new, v_new   [tokens][KV heads][dim], what an append kernel writes to the cache
        slots      [tokens] int32 or int64, where it writes them, for spec.slots; then there is no workspace
        parts_o, parts_lse   [parts][tokens][heads][v_dim] and [parts][tokens][heads], what a merge kernel merges
        softmax_scale, softcap, sinks, slopes, bias, positions, rope_table, rope_magnitude, key_positions, o_scale:
                   fields of fi_tensors in flashjit.h
        selected   [tokens][entries] int32, or [tokens][KV heads][entries]: lists of blocks, for spec.select
        second_k, second_v   [pages][second_page][KV heads][dim], which lists are of, for spec.second_page
        lists      likewise, what an indexer writes, [tokens][heads][entries] for several lists a token
        weights    [tokens][query heads] f32, for scores="sum"; first_blocks, last_blocks: of every list
        k_scale, v_scale     floats, of 8-bit K and V
        k_scales, v_scales   f32 arrays of one, or of the KV heads; of tokens or groups as k and v are, without dim or
                   with the groups of a row for it: f32 or u8 of latents, f16 of int4, e4m3 of nvfp4; likewise
                   second_k_scales, second_v_scales
        For latents whose tokens have e4m3, scales and wide dims k has the elements with scales, v the wide dims, and
        k_new and v_new likewise; ``flashjit.latent_tokens`` finds k, v and k_scales in a cache of whole tokens. Of int4
        and nvfp4 arrays are u8, with two elements each.
        """
        result = "lists" if self.spec.op == c.FI_OP_INDEXER else "o"
        if result == "o" and tensors.get("o") is None and "q" in tensors and hasattr(tensors["q"], "new_empty"):
            tensors["o"] = self._new_output(tensors["q"])
        launch = self.bind(workspace, **tensors)
        if workspace is not None:
            _check_rows(workspace, launch.tensors.arrays)
        launch(stream)
        return tensors.get(result)

    def _new_output(self, q: Any) -> Any:
        import torch

        dtype = {c.FI_F16: torch.float16, c.FI_BF16: torch.bfloat16, c.FI_F32: torch.float32}[self.spec.o_dtype]
        return q.new_empty((*q.shape[:2], self.spec.v_dim), dtype=dtype)


def _check_workspace(workspace: Any) -> None:
    if not isinstance(workspace, Workspace):
        raise ArgumentError(f"workspace is {workspace!r}; it must be what Kernel.workspace gives")


def _check_rows(workspace: Workspace, arrays: dict[str, View]) -> None:
    for name in ("q", "o", "k_new", "v_new"):
        array = arrays.get(name)
        if array is not None and array.shape[0] < workspace.requests:
            raise ArgumentError(
                f"{name} has shape {list(array.shape)}; the plan is of {workspace.requests} requests, each with a token"
            )


def _check_batch(name: str, array: View, simulated: bool) -> None:
    allowed = BATCH_DTYPES[name]
    if array.dtype not in allowed:
        raise ArgumentError(f"{name} has type {array.dtype}; allowed: {' '.join(allowed)}")
    if array.shape and array.shape[-1] > 1 and array.strides[-1] != 1:
        raise ArgumentError(f"{name} has strides {list(array.strides)}; the last one must be 1")
    if name == "shared" and (array.shape[1:] != (2,) or (array.shape[0] > 1 and array.strides[0] != 2)):
        raise ArgumentError(
            f"{name} has shape {list(array.shape)} and strides {list(array.strides)}; it must be [requests][2], packed"
        )
    if array.on_host and not simulated:
        raise ArgumentError(f"{name} is in the host's memory; it must be on the device")


def _requests(arrays: dict[str, View]) -> int:
    counts = {name: arrays[name].shape[0] - more for name, more in REQUESTS.items() if name in arrays}
    if not counts:
        raise ArgumentError(f"a batch needs one of {', '.join(REQUESTS)}")
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} of {count}" for name, count in counts.items())
        raise ArgumentError(f"arrays are of different numbers of requests: {found}")
    return next(iter(counts.values()))


def _row(name: str, table: View) -> int:
    if len(table.shape) != 2:
        raise ArgumentError(f"{name} has shape {list(table.shape)}; it must be [requests][pages]")
    return table.strides[0] if table.shape[0] > 1 else table.shape[1]


