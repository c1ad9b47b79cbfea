"""The attention of transformers by flashjit: an attention function and a mask function under one name.

The mask function makes no mask: it keeps what a forward knows of its lengths, and the plans that are made of them. The
attention function gets it as its attention_mask, makes a spec of what the layer needs, and launches.
"""

import torch

from library import TILE_ROWS, Missing

NAME = "jit"  # "flash" in a name would mean FlashAttention to transformers


class Forward:
    """Lengths of one forward, and its plans by the text of their specs."""

    forwards = []  # since the last finish()

    def __init__(self, kv_length, kv_offset, padding):
        self.kv_length = int(kv_length)
        self.kv_offset = int(kv_offset)  # tokens that the cache has dropped
        self.padding = padding  # [requests][all tokens], False for those that are none; None: there are none such
        self.plans = {}
        Forward.forwards.append(self)

    def bounds(self, requests):
        """First and last KV token of each request, and one beyond: [requests] each, on the device."""
        valid = self.padding[:, self.kv_offset : self.kv_offset + self.kv_length].to(torch.int32)
        first = valid.argmax(dim=1).to(torch.int32)
        return first, (first + valid.sum(dim=1)).to(torch.int32)


def make_forward(batch_size, kv_length, kv_offset=0, attention_mask=None, **others):
    """The mask function."""
    is_padded = attention_mask is not None and not bool(attention_mask.all())
    return Forward(kv_length, kv_offset, attention_mask.bool() if is_padded else None)


# ----------------------------------------------------------------------------------------------- what a layer needs


def layer_type(module):
    types = getattr(module.config, "layer_types", None)
    return types[module.layer_idx] if types else "full_attention"


def window_of(module, arguments):
    window = arguments.get("sliding_window")
    is_sliding = layer_type(module) == "sliding_attention"
    return window or (module.config.sliding_window if is_sliding else None)


def chunk_of(module):
    return module.config.attention_chunk_size if layer_type(module) == "chunked_attention" else None


def sinks_of(module, arguments):
    sinks = arguments.get("s_aux")
    return sinks if sinks is not None else getattr(module, "sinks", None)


def tile_rows(rows):
    return next((tile for tile in TILE_ROWS if tile >= rows), TILE_ROWS[-1])


# ----------------------------------------------------------------------------------------------- layouts of a batch


def indptr_of(lengths):
    return torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)


class Dense:
    """Q and KV as transformers keeps them; a left-padded request is seen from its start on."""

    def __init__(self, query, key, starts):
        requests, _, self.query_length, _ = query.shape
        device = query.device
        self.axes = {"kv_start": 1} if starts is not None else {}
        self.tokens = requests * self.query_length
        steps = torch.arange(requests + 1, dtype=torch.int32, device=device)
        self.lengths = {
            "requests": requests,
            "q_indptr": steps * self.query_length,
            "kv_len": torch.full((requests,), key.shape[2], dtype=torch.int32, device=device),
        }
        if starts is not None:
            self.lengths["kv_start"] = starts

    def queries(self, query):
        return query.transpose(1, 2).contiguous().flatten(0, 1)

    def cache(self, states):
        states = states if states.stride(-1) == 1 else states.contiguous()
        request, head, token, _ = states.stride()
        return {"data": states, "page_stride": request, "token_stride": token, "head_stride": head}

    def output(self, rows):
        return rows.unflatten(0, (-1, self.query_length))


class Packed:
    """Ragged tensors without what is padding on either side."""

    def __init__(self, forward, query, key, header):
        requests, _, query_length, _ = query.shape
        kv_length, device = key.shape[2], query.device
        first = torch.zeros(requests, dtype=torch.int32, device=device)
        last = first + kv_length
        if forward.padding is not None:
            first, last = forward.bounds(requests)
        places = torch.arange(kv_length, device=device)
        self.kv_valid = (places >= first[:, None]) & (places < last[:, None])
        self.q_valid = self.kv_valid[:, kv_length - query_length :]
        self.axes = {"index": header.FI_INDEX_CSR}
        self.lengths = {
            "requests": requests,
            "q_indptr": indptr_of(self.q_valid.sum(dim=1)),
            "kv_indptr": indptr_of(self.kv_valid.sum(dim=1)),
        }
        self.tokens = requests * query_length

    def queries(self, query):
        return query.transpose(1, 2)[self.q_valid]

    def cache(self, states):
        return {"data": states.transpose(1, 2)[self.kv_valid]}

    def output(self, rows):
        padded = torch.zeros(*self.q_valid.shape, *rows.shape[1:], dtype=rows.dtype, device=rows.device)
        padded[self.q_valid] = rows
        return padded


# ----------------------------------------------------------------------------------------------------- attention


class Attention:
    """The attention function. is_packed: batches are ragged tensors."""

    def __init__(self, library):
        self.library = library
        self.is_packed = False

    def __call__(self, module, query, key, value, attention_mask, scaling=None, softcap=None, dropout=0.0, **others):
        forward = attention_mask
        if not isinstance(forward, Forward):
            raise RuntimeError(f"the mask function gave {type(forward).__name__}, not a Forward")
        if key.shape[2] != forward.kv_length:
            raise RuntimeError(f"{key.shape[2]} keys, but the mask function was told {forward.kv_length}")
        axes, arguments = self._needs(module, softcap, others)
        batch = self._batch(forward, query, key, axes)
        spec = self._spec(module, query, key, value, {**axes, **batch.axes})
        plan = self._plan(forward, spec, batch, query, key)
        rows = batch.queries(query)
        output = torch.full((*rows.shape[:2], value.shape[3]), float("nan"), dtype=query.dtype, device=query.device)
        scale = scaling if scaling is not None else query.shape[3] ** -0.5
        keys, values = batch.cache(key), batch.cache(value)
        self.library.run(plan, keys, values, q=rows, o=output, softmax_scale=scale, **arguments)
        return batch.output(self.library.memory.fetch(output)), None

    def _needs(self, module, softcap, others):
        """Axes of the spec and fields of fi_tensors for what is more than plain attention."""
        axes, arguments = {}, {}
        window, chunk, sinks = window_of(module, others), chunk_of(module), sinks_of(module, others)
        has = self.library.has
        if window and has("window"):
            axes["window_left"] = window
        if chunk and has("chunk"):
            axes["chunk"] = chunk
        if softcap and has("softcap"):
            axes["softcap"] = 1
            arguments["softcap"] = softcap
        if sinks is not None and has("sinks"):
            axes["sinks"] = 1
            arguments["sinks"] = sinks.detach().float().contiguous()
        return axes, arguments

    def _batch(self, forward, query, key, axes):
        """Chunks are counted from a request's first token, which the cache may have dropped."""
        is_cut = "chunk" in axes and forward.kv_offset > 0
        if is_cut and (self.is_packed or query.shape[2] > 1):
            raise Missing("chunks whose first token the cache has dropped, but for one query token")
        if self.is_packed:
            return Packed(forward, query, key, self.library.header)
        starts = None
        if is_cut:
            starts = chunk_starts(forward, query.shape[0], axes.pop("chunk"), query.device)
        elif forward.padding is not None:
            starts = forward.bounds(query.shape[0])[0]
        return Dense(query, key, starts)

    def _spec(self, module, query, key, value, axes):
        header = self.library.header
        group = query.shape[1] // key.shape[1]
        dtypes = {torch.bfloat16: header.FI_BF16, torch.float16: header.FI_F16}
        return self.library.spec(
            head_dim=query.shape[3],
            v_dim=value.shape[3],
            group=group,
            rows=tile_rows(query.shape[2] * group),
            q_dtype=dtypes[query.dtype],
            mask=header.FI_MASK_CAUSAL if module.is_causal else header.FI_MASK_NONE,
            **axes,
        )

    def _plan(self, forward, spec, batch, query, key):
        text = bytes(spec)
        if text not in forward.plans:
            bounds = {
                "max_requests": query.shape[0],
                "max_tokens": batch.tokens,
                "max_kv_len": key.shape[2],
                "kv_heads": key.shape[1],
            }
            forward.plans[text] = self.library.plan(spec, batch.lengths, bounds)
        return forward.plans[text]

    def finish(self):
        """After a forward: no plan had a fault, and nothing is needed any more."""
        for forward in Forward.forwards:
            for plan in forward.plans.values():
                self.library.expect_no_fault(plan)
        Forward.forwards.clear()
        self.library.memory.release()


def chunk_starts(forward, requests, chunk, device):
    """Where the chunk of the one query token begins, in what the cache has kept."""
    origin = torch.zeros(requests, dtype=torch.int64, device=device)
    if forward.padding is not None:
        origin = (forward.padding.cumsum(dim=1) == 0).sum(dim=1)
    last = forward.kv_offset + forward.kv_length - 1
    begin = origin + (last - origin) // chunk * chunk
    return (begin - forward.kv_offset).clamp(min=0).to(torch.int32)


def register(library):
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    attention = Attention(library)
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, make_forward)
    return attention
