"""Attention kernels for LLM serving, generated and compiled at run time: the C library flashjit from Python.

    ctx = flashjit.Context()
    attention = ctx.kernel(group=4, page_size=16)
    workspace = attention.workspace(max_requests=64, max_kv_len=8192, kv_heads=8)
    attention.plan(workspace, kv_len=kv_len, page_table=page_table)     # once a step
    attention.run(workspace, q=q, k=k_cache, v=v_cache, o=o)            # once a layer
"""

from ._declarations import VERSION
from .caches import latent_tokens
from .context import Context, Event, default_context
from .driver import Array
from .errors import (
    AbiError,
    ArgumentError,
    CaptureError,
    CompileError,
    DeadlineError,
    DriverError,
    Error,
    ForkedError,
    HostMemoryError,
    NoCompilerError,
    NoDriverError,
    NotCachedError,
    OldDriverError,
    SpecError,
    UnsupportedError,
)
from .kernel import Fault, Kernel, Launch, Workspace
from .rope import rope_table
from .spec import Spec, axes, specs

__version__ = ".".join(map(str, VERSION))
__all__ = [
    "AbiError", "ArgumentError", "Array", "CaptureError", "CompileError", "Context", "DeadlineError", "DriverError",
    "Error", "Event", "Fault", "ForkedError", "HostMemoryError", "Kernel", "Launch", "NoCompilerError",
    "NoDriverError", "NotCachedError", "OldDriverError", "Spec", "SpecError", "UnsupportedError", "Workspace", "axes",
    "default_context", "latent_tokens", "rope_table", "specs",
]  # fmt: skip
