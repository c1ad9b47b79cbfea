"""What a failed call raises: one class for each status, with the library's sentence."""

from __future__ import annotations

from . import _declarations as c


class Error(Exception):
    """A call of the library failed. ``status`` is its number in flashjit.h, ``str(error)`` the library's sentence."""

    status = 0


class ArgumentError(Error, ValueError):
    """A null pointer, a workspace too small, a misaligned pointer, an array of the wrong shape, type or strides."""

    status = c.FI_ERROR_ARGUMENT


class SpecError(Error, ValueError):
    """A field of the spec is out of its range."""

    status = c.FI_ERROR_SPEC


class UnsupportedError(Error, NotImplementedError):
    """Every field is in range, but this combination or target has no kernel."""

    status = c.FI_ERROR_UNSUPPORTED


class NoCompilerError(Error):
    """libnvrtc cannot be opened, and no cache has the kernel."""

    status = c.FI_ERROR_NO_COMPILER


class NoDriverError(Error):
    """libcuda cannot be opened, or there is no device."""

    status = c.FI_ERROR_NO_DRIVER


class OldDriverError(Error):
    """The driver lacks a function that is needed."""

    status = c.FI_ERROR_OLD_DRIVER


class CompileError(Error):
    """The compiler refused the source, or no tile of the spec will do."""

    status = c.FI_ERROR_COMPILE


class NotCachedError(Error):
    """The mode forbids compiling, and no cache has the kernel; or nothing can be kept."""

    status = c.FI_ERROR_NOT_CACHED


class DeadlineError(Error, TimeoutError):
    """The compile took longer than deadline_ms."""

    status = c.FI_ERROR_DEADLINE


class DriverError(Error):
    """A driver call failed, or no CUDA context is current."""

    status = c.FI_ERROR_DRIVER


class HostMemoryError(Error, MemoryError):
    """The host is out of memory."""

    status = c.FI_ERROR_MEMORY


class ForkedError(Error):
    """The context was made before fork()."""

    status = c.FI_ERROR_FORKED


class CaptureError(Error):
    """The stream is being captured, and the kernel is not prepared on this device."""

    status = c.FI_ERROR_CAPTURE


class AbiError(Error):
    """The library is older than this package, or a struct was not cleared."""

    status = c.FI_ERROR_ABI


BY_STATUS = {kind.status: kind for kind in Error.__subclasses__()}
