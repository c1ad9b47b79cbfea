"""vLLM's PagedAttention v1: as v2, without a second launch that merges; its shared memory bounds the KV."""

import plugin

v2 = plugin.load("paged_attention_v2")
available, prepare, run = v2.available, v2.prepare, v2.run_v1
MOST_KV = 8192


def supports(case):
    return v2.supports(case) or ("" if case.most_kv <= MOST_KV else f"it has at most {MOST_KV} tokens of KV")
