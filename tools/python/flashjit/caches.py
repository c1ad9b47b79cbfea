"""What K, V and their scales are in a cache, by the spec; and caches whose tokens have all of it in one piece."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _declarations as c
from .arrays import SIZES, View, view
from .errors import ArgumentError
from .spec import Spec, axes

# Arrays of types that specs have by other names; of 4 bits a byte has two elements.
ARRAY_TYPES = {"int8": "i8", "int4": "u8", "nvfp4": "u8"}
PER_BYTE = {"int4": 2, "nvfp4": 2}
GROUP_SCALES = {"int4": "f16", "nvfp4": "e4m3"}

PAGED, CONTIGUOUS, RAGGED = "[pages][page_size]", "[requests][tokens]", "[tokens]"
ROW_STRIDES = ("page_stride", "token_stride", "head_stride")
SCALE_STRIDES = ("scale_page_stride", "scale_token_stride", "scale_head_stride")


class Rule(NamedTuple):
    """What an array must be: names of ``dtypes``; the last extent, and what it is; ``per`` elements in one of it."""

    dtypes: tuple[str, ...]
    dim: str | None = None
    extents: tuple[int, ...] = ()
    strides: tuple[str, ...] = ()
    ndim: int = 0  # 0: any, and packed but for those whose strides are fields of their own
    shape: str = ""
    per: int = 1


def dtype_name(spec: Spec, field: str) -> str:
    """The name of the type that a field of a full spec has."""
    names = axes()[field].names or {}
    return next(name for name, number in names.items() if number == getattr(spec, field))


def is_ragged(spec: Spec) -> bool:
    return spec.index == c.FI_INDEX_CSR and spec.page_size == 0


def _tokens(spec: Spec) -> str:
    return RAGGED if is_ragged(spec) else PAGED if spec.page_size else CONTIGUOUS


def _of_cache(spec: Spec, dtypes: str, dim: str | None, extents: tuple, strides: tuple, per: int = 1) -> Rule:
    """Rows of each token and KV head, with the strides of pages or requests, if there are such."""
    skipped = 1 if is_ragged(spec) else 0
    shape = f"{_tokens(spec)}[KV heads]" + ("[dim]" if strides == ROW_STRIDES else "[scales]" if dim else "")
    ndim = len(strides) - skipped + (1 if dim else 0)
    return Rule((dtypes,), dim, extents, strides[skipped:], ndim, shape, per)


def code_dims(spec: Spec) -> int:
    """Elements of a row of K: all dims but the wide ones."""
    return spec.head_dim - spec.wide_dims


def row_rule(spec: Spec, name: str) -> Rule:
    """Of k, v, k_new or v_new. The wide dims of K are where V is."""
    is_key, is_new = name.startswith("k"), name.endswith("_new")
    if is_key:
        field, dim, extent = "kv_dtype", "head_dim - wide_dims" if spec.wide_dims else "head_dim", code_dims(spec)
    elif spec.wide_dims:
        field, dim, extent = "q_dtype", "wide_dims", spec.wide_dims
    else:
        field, dim, extent = "v_dtype", "v_dim", spec.v_dim
    dtype = dtype_name(spec, "q_dtype" if is_new else field)
    if is_new:
        shape = f"[tokens][KV heads][{dim}]"
        return Rule((dtype,), dim, (extent,), ("token_stride", "head_stride"), 3, shape)
    per = PER_BYTE.get(dtype, 1)
    dim = f"{dim} / {per}" if per > 1 else dim
    return _of_cache(spec, ARRAY_TYPES.get(dtype, dtype), dim, (extent // per,), ROW_STRIDES, per)


def scale_rule(spec: Spec, name: str) -> Rule:
    """Of k_scales or v_scales."""
    is_key = name.startswith("k")
    dtype = dtype_name(spec, "kv_dtype" if is_key else "v_dtype")
    if is_key and spec.wide_dims:
        count = code_dims(spec) // spec.scale_group
        is_byte = spec.kv_scale == c.FI_SCALE_E8M0
        extents = (-(-count // 4) * 4, count) if is_byte else (count,)
        return _of_cache(spec, "u8" if is_byte else "f32", "groups of a row", extents, SCALE_STRIDES)
    if dtype in GROUP_SCALES:
        count = (spec.head_dim if is_key else spec.v_dim) // spec.scale_group
        return _of_cache(spec, GROUP_SCALES[dtype], "groups of a row", (count,), SCALE_STRIDES)
    if spec.kv_scale == c.FI_SCALE_TOKEN:
        return _of_cache(spec, "f32", None, (), SCALE_STRIDES)
    return Rule(("f32",))


# ---------------------------------------------------------------------------------------------------- whole tokens


def _part(cache: View, offset: int, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...]) -> View:
    """Some of a cache, whose strides are bytes."""
    size = SIZES[dtype]
    return View(cache.address + offset, dtype, shape, tuple(s // size for s in strides) + (1,), cache.on_host, cache)


def _check_bytes(cache: View, token: int, page_size: int) -> None:
    page = page_size * token
    allowed = f"[pages][{page_size}][{token}] or [pages][{page} bytes or more]"
    shape, strides = cache.shape, cache.strides
    is_whole = len(shape) == 3 and shape[1:] == (page_size, token) and strides[1:] == (token, 1)
    if SIZES[cache.dtype] != 1 or not (is_whole or len(shape) == 2 and shape[1] >= page and strides[1] == 1):
        raise ArgumentError(f"cache has shape {list(shape)} and type {cache.dtype}; it must be bytes, {allowed}")


def latent_tokens(spec: Spec, cache: Any, *, second: bool = False) -> dict[str, View]:
    """The arguments k, v and k_scales of a latent cache whose tokens have all of these in one piece.

    second  those of a second KV: second_k, second_v and second_k_scales, in pages of spec.second_page

    spec    a kernel's, of attention or append, with pages and kv_scale "groups" or "e8m0"
    cache   bytes, [pages][page_size][bytes of a token], or [pages][bytes of a page] where pages are filled up.
            "groups": a token has its e4m3 elements, a float for each group, and its wide dims: 656 bytes of vLLM's
            "fp8_ds_mla". "e8m0": a page has the elements and wide dims of all its tokens, then the scales of all, in
            words of 4: 584 bytes a token of DeepSeek-V4.
    """
    page_size, prefix = (spec.second_page, "second_") if second else (spec.page_size, "")
    if not spec.wide_dims or not page_size:
        raise ArgumentError(f"{spec} has no tokens with wide_dims in {'second ' if second else ''}pages")
    found, codes, wide = view(cache), code_dims(spec), 2 * spec.wide_dims
    scales = scale_rule(spec, "k_scales")
    scale_dtype, count = scales.dtypes[0], scales.extents[0]
    size = count * SIZES[scale_dtype]
    _check_bytes(found, codes + size + wide, page_size)
    in_token = spec.kv_scale == c.FI_SCALE_GROUP
    token = codes + wide + (size if in_token else 0)
    pages, head = (found.shape[0], page_size, 1), found.strides[0]
    scale_step, scales_at = (token, codes) if in_token else (size, page_size * token)
    wide_type = dtype_name(spec, "q_dtype")
    wide_at, steps = codes + (size if in_token else 0), (head, token, token)
    return {
        f"{prefix}k": _part(found, 0, "e4m3", (*pages, codes), steps),
        f"{prefix}v": _part(found, wide_at, wide_type, (*pages, spec.wide_dims), steps),
        f"{prefix}k_scales": _part(found, scales_at, scale_dtype, (*pages, count), (head, scale_step, scale_step)),
    }
