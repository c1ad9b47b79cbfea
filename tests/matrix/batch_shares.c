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
      batch_case_set_page(batch, batch_shares_entry(batch, r) + i, batch_shares_page(batch, other, i));
  }
}

/* Leading KV tokens of a request that all of its query tokens see, but for one; 0 if two such requests fit no tile. */
static int64_t common_to_rows(const struct batch_case *batch, uint32_t request) {
  const fi_batch masks = batch_case_lengths(batch, true);
  const uint32_t count = batch->q_len[request];
  int64_t tokens = (int64_t)batch->kv_len[request] - 1;
  if (count == 0 || 2 * count > batch->tile.tokens)
    return 0;
  for (uint32_t i = 0; i < count; i++) {
    const int64_t place = (int64_t)batch->kv_len[request] - count + i;
    int64_t first, end;
    reference_seen(&batch->spec, &masks, request, batch->kv_len[request], place, &first, &end);
    end = first == 0 ? end : 0;
    tokens = tokens < end ? tokens : end;
  }
  return tokens;
}

/* Those that two requests have in common. */
static int64_t common_to_both(const struct batch_case *batch, uint32_t request, uint32_t other) {
  const int64_t own = common_to_rows(batch, request);
  const int64_t others = common_to_rows(batch, other);
  const int64_t most = (own < others ? own : others) / batch->spec.page_size;
  uint32_t pages = 0;
  while (pages < most && batch_shares_page(batch, request, pages) == batch_shares_page(batch, other, pages))
    pages++;
  return (int64_t)pages * batch->spec.page_size;
}

int64_t batch_shares_most(const struct batch_case *batch) {
  int64_t most = 0;
  for (uint32_t r = 1; r < batch->requests; r++) {
    for (uint32_t other = 0; other < r; other++) {
      const int64_t tokens = common_to_both(batch, r, other);
      most = most > tokens ? most : tokens;
    }
  }
  return most;
}
