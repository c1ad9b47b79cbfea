"""This library, by its Python package, on the tensors that its peers get."""

from types import SimpleNamespace

from case import SOFTCAP, THETA, Absent

try:
    import flashjit
except ModuleNotFoundError:
    raise Absent("the Python package flashjit is missing; PYTHONPATH may name tools/python, which has it") from None
except ImportError as error:
    raise Absent(str(error)) from None


def available():
    return flashjit.__version__


def supports(case):
    return ""


def _output(case, tensors):
    shape = (case.tokens, case.query_heads, case.axes["v_dim"])
    if hasattr(tensors.q, "new_empty"):
        return tensors.q.new_empty(shape)  # o_dtype is that of Q, or there are no inputs
    return type(tensors.q)(shape, case.axes["o_dtype"])


def _rope_table(case, tensors):
    table, magnitude = flashjit.rope_table(case.axes["rope_dim"], theta=THETA)
    if hasattr(tensors.q, "new_empty"):
        import torch

        table = torch.frombuffer(table, dtype=torch.int64).to(tensors.q.device)
    return {"rope_table": table, "rope_magnitude": magnitude}


def prepare(case, tensors):
    kernel = flashjit.default_context().kernel(case.spec)
    workspace = kernel.workspace(
        max_requests=len(case.requests), max_tokens=case.tokens, max_kv_len=case.most_kv, kv_heads=case.heads
    )
    batch = {"page_table": tensors.page_table, "kv_len": tensors.kv_len}
    if not case.is_paged:
        batch = {"kv_indptr": tensors.kv_indptr}
    if not case.is_decode:
        batch["q_indptr"] = tensors.q_indptr
    extra = {"softcap": SOFTCAP} if case.axes["softcap"] else {}
    if tensors.sinks is not None:
        extra["sinks"] = tensors.sinks
    if case.rotates:
        extra |= _rope_table(case, tensors)
    if case.has_own_v:
        extra["v"] = tensors.v
    o = _output(case, tensors)
    kernel.plan(workspace, **batch)
    launch = kernel.bind(workspace, q=tensors.q, k=tensors.k, o=o, **extra)
    return SimpleNamespace(o=o, kernel=kernel, workspace=workspace, batch=batch, launch=launch)


def run(state):
    state.launch()


def plan(state):
    state.kernel.plan(state.workspace, **state.batch)
