/* Trees of prefixes: who takes pages of a request that has some of another's shares them with both. */
#include "tests/matrix/batch_shares.h"

size_t batch_shares_entry(const struct batch_case *batch, uint32_t request) {
  if (batch->spec.index == FI_INDEX_CSR)
    return (size_t)batch_case_ints(batch, BUFFER_KV_INDPTR)[request];
  return request * (size_t)batch->page_table_stride;
}

uint32_t batch_shares_pages(const struct batch_case *batch, uint32_t request) {
  return (batch->kv_len[request] + batch->spec.page_size - 1) / batch->spec.page_size;
}

int64_t batch_shares_page(const struct batch_case *batch, uint32_t request, uint32_t number) {
  const void *table = batch->buffers[BUFFER_PAGE_TABLE].host;
  const size_t entry = batch_shares_entry(batch, request) + number;
  return batch->spec.page_ids == FI_IDS_INT64 ? ((const int64_t *)table)[entry] : ((const int32_t *)table)[entry];
}

static void set_page(const struct batch_case *batch, uint32_t request, uint32_t number, int64_t page) {
  void *table = batch->buffers[BUFFER_PAGE_TABLE].host;
  const size_t entry = batch_shares_entry(batch, request) + number;
  if (batch->spec.page_ids == FI_IDS_INT64)
    ((int64_t *)table)[entry] = page;
  else
    ((int32_t *)table)[entry] = (int32_t)page;
}

/* Pages that both have, up to the first one that the other has given up. */
static uint32_t common_pages(const struct batch_case *batch, uint32_t request, uint32_t other) {
  const uint32_t own = batch_shares_pages(batch, request);
  const uint32_t others = batch_shares_pages(batch, other);
  uint32_t pages = 0;
  while (pages < own && pages < others && batch_shares_page(batch, other, pages) >= 0 &&
         batch_shares_page(batch, other, pages) < batch->pool.units)
    pages++;
  return pages;
}

void batch_shares_draw(struct batch_case *batch, struct trial *trial) {
  for (uint32_t r = 1; r < batch->requests; r++) {
    if (trial_chance(trial, 5))
      continue; /* it shares nothing */
    const uint32_t other = trial_between(trial, 0, r - 1);
    const uint32_t most = common_pages(batch, r, other);
    const uint32_t pages = trial_chance(trial, 2) ? most : trial_between(trial, 0, most);
    for (uint32_t i = 0; i < pages; i++)
      set_page(batch, r, i, batch_shares_page(batch, other, i));
  }
}
