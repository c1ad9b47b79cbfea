"""Cases as torch tensors on a GPU, timed by graphs on inputs that are not in the cache."""

from __future__ import annotations

import math

from case import SOFTCAP, THETA, Absent, Case, Tensors

try:
    import torch
except ImportError:
    raise Absent("torch is missing, which peers are called through") from None

from host import ALLOWED, seen

SET_BYTES = 300_000_000  # of KV in all sets together: several times L2
MOST_SETS, LAUNCHES, WARM_UP, ROWS_CHECKED = 16, 24, 3, 8
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "e4m3": torch.float8_e4m3fn}
SIZES = {"bf16": 2, "f16": 2, "e4m3": 1}


class Graph:
    def __init__(self, graph: torch.cuda.CUDAGraph, launches: int) -> None:
        self.graph, self.launches = graph, launches


class CudaDevice:
    simulated = False

    def __init__(self) -> None:
        if not torch.cuda.is_available():
            raise Absent("torch finds no GPU")
        self.begin, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def tensors(self, case: Case, seed: int) -> list[Tensors]:
        torch.manual_seed(seed)
        axes = case.axes
        dims = axes["head_dim"] + (axes["v_dim"] if case.has_own_v else 0)
        bytes_of_set = case.own_tokens * case.heads * dims * SIZES[axes["kv_dtype"]]
        sets = min(MOST_SETS, SET_BYTES // bytes_of_set + 1)
        return [self._set(case) for _ in range(sets)]

    def _set(self, case: Case) -> Tensors:
        axes, requests = case.axes, case.requests
        whole = dict(dtype=torch.int32, device="cuda")
        normal = lambda shape, dtype: _normal(shape, DTYPES[dtype])  # noqa: E731
        table = None
        if case.is_paged:
            own = [case.own_pages(r) for r in range(len(requests))]
            table = torch.zeros(len(own), max(case.pages(kv) for _, kv in requests), **whole)
            for r, part in enumerate(torch.randperm(sum(own), **whole).split(own)):
                owner, tokens = case.borrowed[r]
                first = tokens // axes["page_size"]
                table[r, :first] = table[owner, :first]
                table[r, first : first + len(part)] = part
            cache = (sum(own), axes["page_size"], case.heads)
        else:
            cache = (sum(kv for _, kv in requests), case.heads)
        ends = lambda lengths: torch.tensor([0, *lengths], **whole).cumsum(0, dtype=torch.int32)  # noqa: E731
        k = normal((*cache, axes["head_dim"]), axes["kv_dtype"])
        return Tensors(
            q=normal((case.tokens, case.query_heads, axes["head_dim"]), axes["q_dtype"]),
            k=k,
            v=normal((*cache, axes["v_dim"]), axes["v_dtype"]) if case.has_own_v else k[..., : axes["v_dim"]],
            kv_len=torch.tensor([kv for _, kv in requests], **whole),
            q_indptr=ends([q for q, _ in requests]),
            kv_indptr=None if case.is_paged else ends([kv for _, kv in requests]),
            page_table=table,
            sinks=torch.randn(case.query_heads, device="cuda") if axes["sinks"] else None,
        )

    def error(self, case: Case, tensors: Tensors, o: torch.Tensor) -> tuple[float, float]:
        """Of rows that are spread over requests, query tokens and heads, against doubles."""
        difference = norm = 0.0
        o = o.reshape(case.tokens, case.query_heads, case.axes["v_dim"])
        for n in range(ROWS_CHECKED):
            request = n * (len(case.requests) - 1) // (ROWS_CHECKED - 1)
            q_len, _ = case.requests[request]
            i = (n * 7919) % q_len
            head = n * (case.query_heads - 1) // (ROWS_CHECKED - 1)
            right = _attend(case, tensors, request, i, head)
            got = o[int(tensors.q_indptr[request]) + i, head].double()
            difference += float((got - right).square().sum())
            norm += float(right.square().sum())
        kind = "bf16" if "bf16" in (case.axes["q_dtype"], case.axes["kv_dtype"]) else "f16"
        return math.sqrt(difference / norm), ALLOWED[kind]

    def capture(self, launches: list) -> Graph:
        """A graph of at least LAUNCHES launches, each set as often."""
        times = -(-LAUNCHES // len(launches))
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for launch in launches:
                launch()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(times):
                for launch in launches:
                    launch()
        captured = Graph(graph, times * len(launches))
        for _ in range(WARM_UP):
            self.time(captured)
        return captured

    def time(self, graph: Graph) -> float:
        """Microseconds of a launch in one replay."""
        self.begin.record()
        graph.graph.replay()
        self.end.record()
        self.end.synchronize()
        return 1e3 * self.begin.elapsed_time(self.end) / graph.launches

    def products(self) -> float:
        """TFLOP/s of a large product of random matrices: the ceiling of arithmetic."""
        size, times = 8192, []
        a, b = (torch.randn(size, size, dtype=torch.bfloat16, device="cuda") for _ in range(2))
        graph = self.capture([lambda: torch.matmul(a, b)])
        for _ in range(9):
            times.append(self.time(graph))
        return 2 * size**3 / sorted(times)[len(times) // 2] / 1e6

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def release(self) -> None:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def _normal(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    drawn = torch.bfloat16 if dtype.itemsize == 1 else dtype  # torch draws no 8 bits
    return torch.randn(shape, dtype=drawn, device="cuda").to(dtype)


def rows_of(case: Case, tensors: Tensors, cache: torch.Tensor, request: int) -> torch.Tensor:
    """[kv tokens][KV heads][dim] of a request."""
    kv = case.requests[request][1]
    if not case.is_paged:
        begin = int(tensors.kv_indptr[request])
        return cache[begin : begin + kv]
    pages = tensors.page_table[request, : case.pages(kv)].long()
    return cache[pages].flatten(0, 1)[:kv]


def rotate(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """[tokens][dims] of doubles: of the first half of the dims each with one of the second."""
    half = rows.shape[-1] // 2
    powers = -torch.arange(half, dtype=torch.float64, device=rows.device) / half
    angles = places.double()[:, None] * THETA**powers
    first, second = rows[:, :half], rows[:, half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], 1)


def _attend(case: Case, tensors: Tensors, request: int, i: int, head: int) -> torch.Tensor:
    q_len, kv = case.requests[request]
    kv_head = head // case.axes["group"]
    tokens = seen(case, kv - q_len + i, kv)
    part = slice(tokens.start, tokens.stop)
    query = tensors.q[int(tensors.q_indptr[request]) + i, head].double()
    keys = rows_of(case, tensors, tensors.k, request)[part, kv_head].double()
    if case.rotates:
        query = rotate(query[None], torch.tensor([kv - q_len + i], device=query.device))[0]
    if case.rotates_keys:
        keys = rotate(keys, torch.arange(tokens.start, tokens.stop, device=keys.device))
    values = rows_of(case, tensors, tensors.v, request)[part, kv_head].double()
    scores = keys @ query / math.sqrt(len(query))
    if case.axes["softcap"]:
        scores = SOFTCAP * torch.tanh(scores / SOFTCAP)
    if tensors.sinks is not None:
        scores = torch.cat([scores, tensors.sinks[head].double().view(1)])
    weights = torch.softmax(scores, 0)[: len(values)]
    return weights @ values
