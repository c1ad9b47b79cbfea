/* A second KV, of which lists say what is seen, beside what the mask shows of the first. */
#include "tests/reference.h"

struct reference reference_second(const struct reference *reference) {
  struct reference second = *reference;
  bool is_shared = reference->spec.kv_scale == FI_SCALE_TENSOR || reference->spec.kv_scale == FI_SCALE_HEAD;
  second.spec.page_size = reference->spec.second_page;
  second.spec.second_page = 0;
  second.batch.page_table = reference->batch.second_page_table;
  second.batch.page_table_stride = reference->batch.second_page_table_stride;
  second.batch.kv_len = reference->batch.second_kv_len;
  second.tensors.k = reference->tensors.second_k;
  second.tensors.v = reference->tensors.second_v;
  second.tensors.k.scale = reference->tensors.k.scale;
  second.tensors.v.scale = reference->tensors.v.scale;
  if (is_shared) {
    second.tensors.k.scales = reference->tensors.k.scales;
    second.tensors.v.scales = reference->tensors.v.scales;
  }
  return second;
}

int64_t reference_count_times(const struct reference *reference, uint32_t request, uint32_t token, uint32_t kv_head,
                              int64_t seen, uint32_t *times) {
  int64_t kv_len = reference_kv_len(reference, request);
  if (reference->spec.second_page == 0) {
    reference_count_listed(reference, token, kv_head, kv_len, times);
    return seen;
  }
  struct reference second = reference_second(reference);
  int64_t second_len = reference_kv_len(&second, request);
  for (int64_t t = 0; t < kv_len; t++)
    times[t] = t < seen;
  reference_count_listed(&second, token, kv_head, second_len, times + kv_len);
  return kv_len + second_len;
}

void reference_count_read(const struct reference *reference, uint32_t request, uint32_t kv_head, uint32_t *times) {
  struct reference second = reference_second(reference);
  bool has_second = reference->spec.second_page > 0;
  const struct reference *listed = has_second ? &second : reference;
  uint32_t begin = reference_query_begin(reference, request);
  int64_t kv_len = reference_kv_len(reference, request);
  int64_t listed_len = reference_kv_len(listed, request);
  int64_t first, end;
  reference_seen_by_some(reference, request, &first, &end);
  for (uint32_t i = 0; i < reference_query_len(reference, request) && reference->spec.select > 0; i++)
    reference_add_listed(listed, begin + i, kv_head, listed_len, has_second ? times + kv_len : times);
  for (int64_t t = 0; t < kv_len; t++) {
    bool is_read = has_second || reference->spec.select == 0 || times[t] > 0;
    times[t] = is_read && first <= t && t < end;
  }
}
