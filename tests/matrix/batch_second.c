/* A second KV is that of a batch of its own, with as many requests: shorter than the first, or longer, or none. */
#include "tests/matrix/batch_second.h"

#include "tests/matrix/batch_lists.h"

#include <stdlib.h>

enum { NO_PAGE = -1 };

/* A spec of nothing but the second KV, all of which is seen. */
static fi_spec spec_of_second(const fi_spec *spec) {
  fi_spec second;
  fi_spec_init(&second);
  second.head_dim = spec->head_dim;
  second.v_dim = spec->v_dim;
  second.group = spec->group;
  second.q_dtype = spec->q_dtype;
  second.kv_dtype = spec->kv_dtype;
  second.o_dtype = spec->o_dtype;
  second.kv_scale = spec->kv_scale;
  second.page_size = spec->second_page;
  second.page_ids = spec->page_ids;
  second.mask = FI_MASK_NONE;
  second.rope_axes = 1;
  second.v_dtype = spec->v_dtype;
  second.scale_group = spec->scale_group;
  second.v_source = spec->v_source;
  second.wide_dims = spec->wide_dims;
  return second;
}

bool batch_second_draw(struct batch_case *batch, struct trial *trial) {
  if (batch->spec.second_page == 0)
    return true;
  struct batch_case *second = calloc(1, sizeof *second);
  batch->second = second;
  if (!second)
    return trial_fail(trial, "no memory for a second KV");
  second->spec = spec_of_second(&batch->spec);
  second->tile = batch->tile;
  second->kind = BATCH_SINGLE;
  second->kv_heads = batch->kv_heads;
  second->requests = batch->requests;
  second->owner = batch;
  for (uint32_t r = 0; r < batch->requests; r++) {
    const uint32_t other = batch->kv_len[(r + 1) % batch->requests];
    second->q_len[r] = 1;
    second->kv_len[r] = trial_chance(trial, 4) ? 0 : trial_between(trial, 1, 2 * other + 3);
  }
  return true;
}

/* Pages without a listed token may have any ids. */
static void drop_pages(const struct batch_case *second, struct trial *trial) {
  const uint32_t page = second->spec.page_size;
  for (uint32_t r = 0; r < second->requests; r++) {
    for (uint32_t first = 0; first < second->kv_len[r]; first += page) {
      uint32_t token = first;
      while (token < first + page && token < second->kv_len[r] && !batch_lists_have(second, r, token))
        token++;
      const bool is_listed = token < first + page && token < second->kv_len[r];
      if (!is_listed && trial_chance(trial, 2))
        batch_case_set_page(second, (size_t)(r * second->page_table_stride) + first / page, NO_PAGE);
    }
  }
}

bool batch_second_create(struct batch_case *batch, struct trial *trial) {
  if (!batch->second)
    return true;
  if (!batch_case_create_kv(batch->second, trial))
    return false;
  if (!batch->second->checks_pages)
    drop_pages(batch->second, trial);
  return true;
}

void batch_second_upload(const struct batch_case *batch, struct trial *trial) {
  if (batch->second)
    batch_case_upload(batch->second, trial);
}

void batch_second_free(struct batch_case *batch, struct trial *trial) {
  if (batch->second)
    batch_case_free(batch->second, trial);
  free(batch->second);
  batch->second = NULL;
}

void batch_second_lengths(const struct batch_case *batch, bool on_host, fi_batch *lengths) {
  if (!batch->second)
    return;
  const fi_batch second = batch_case_lengths(batch->second, on_host);
  lengths->second_page_table = second.page_table;
  lengths->second_page_table_stride = second.page_table_stride;
  lengths->second_kv_len = second.kv_len;
  lengths->second_page_count = second.page_count;
}

/* Scales on the host are the first KV's. While a batch is drawn there is no cache yet. */
void batch_second_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  if (!batch->second || !batch->second->pool.host)
    return;
  const fi_tensors second = batch_case_tensors(batch->second, on_host);
  tensors->second_k = second.k;
  tensors->second_v = second.v;
  tensors->second_k.scale = 0;
  tensors->second_v.scale = 0;
}

const uint32_t *batch_second_listed_lengths(const struct batch_case *batch) {
  return batch->second ? batch->second->kv_len : batch->kv_len;
}
