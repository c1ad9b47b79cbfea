/* Trees of prefixes: who takes pages of a request that has some of another's shares them with both. */
#include "tests/matrix/batch_shares.h"

#include "generator/derived.h"

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

/* A request before this one, of whose pages it takes some: any, or one that has most for it. */
static uint32_t draw_other(const struct batch_case *batch, struct trial *trial, uint32_t request) {
  uint32_t other = trial_between(trial, 0, request - 1);
  for (uint32_t r = 0; r < request && batch->kind == BATCH_DIVIDED; r++)
    other = common_pages(batch, request, r) > common_pages(batch, request, other) ? r : other;
  return other;
}

void batch_shares_draw(struct batch_case *batch, struct trial *trial) {
  const uint32_t less = batch->kind == BATCH_DIVIDED ? 6 : 2; /* one in so many has not all that it could have */
  for (uint32_t r = 1; r < batch->requests; r++) {
    if (trial_chance(trial, 5))
      continue; /* it shares nothing */
    const uint32_t other = draw_other(batch, trial, r);
    const uint32_t most = common_pages(batch, r, other);
    const uint32_t pages = trial_chance(trial, less) ? trial_between(trial, 0, most) : most;
    for (uint32_t i = 0; i < pages; i++)
      batch_case_set_page(batch, batch_shares_entry(batch, r) + i, batch_shares_page(batch, other, i));
  }
}

/* Pages that two requests have in common, whatever these hold. */
static uint32_t same_pages(const struct batch_case *batch, uint32_t request, uint32_t other) {
  const uint32_t own = batch_shares_pages(batch, request);
  const uint32_t others = batch_shares_pages(batch, other);
  uint32_t pages = 0;
  while (pages < own && pages < others &&
         batch_shares_page(batch, request, pages) == batch_shares_page(batch, other, pages))
    pages++;
  return pages;
}

/* The least number ^ mask of a request with as many pages in common with one, which is such a request itself. */
static uint32_t first_around(const struct batch_case *batch, uint32_t request, uint32_t pages, uint32_t mask) {
  uint32_t first = request ^ mask;
  for (uint32_t r = 0; r < batch->requests; r++) {
    if ((r ^ mask) < first && same_pages(batch, r, request) >= pages)
      first = r ^ mask;
  }
  return first;
}

/* Those that share most are neighbours; where they part, the first of their requests decides. */
static bool comes_first(const struct batch_case *batch, uint32_t request, uint32_t other, uint32_t mask) {
  const uint32_t pages = same_pages(batch, request, other) + 1;
  return first_around(batch, request, pages, mask) < first_around(batch, other, pages, mask);
}

static void sort_by_pages(const struct batch_case *batch, uint32_t mask, int32_t *shared) {
  for (uint32_t r = 0; r < batch->requests; r++) {
    uint32_t entry = r;
    for (; entry > 0 && comes_first(batch, r, (uint32_t)shared[2 * (entry - 1)], mask); entry--)
      shared[2 * entry] = shared[2 * (entry - 1)];
    shared[2 * entry] = (int32_t)r;
  }
}

bool batch_shares_tell(struct batch_case *batch, struct trial *trial, uint32_t mask) {
  const uint32_t page_size = batch->spec.page_size;
  if (!derived_tells_prefixes(&batch->spec))
    return true;
  if (!batch->buffers[BUFFER_SHARED].host &&
      !batch_case_buffer(batch, trial, BUFFER_SHARED, 2 * MOST_REQUESTS, sizeof(int32_t)))
    return false;
  int32_t *shared = batch_case_ints(batch, BUFFER_SHARED);
  sort_by_pages(batch, mask, shared);
  shared[1] = (int32_t)trial_between(trial, 0, 1000) - 500; /* means nothing */
  for (uint32_t i = 1; i < batch->requests; i++) {
    const uint32_t own = (uint32_t)shared[2 * i], other = (uint32_t)shared[2 * (i - 1)];
    const uint32_t least = batch->kv_len[own] < batch->kv_len[other] ? batch->kv_len[own] : batch->kv_len[other];
    const uint32_t tokens = same_pages(batch, own, other) * page_size + trial_between(trial, 0, page_size - 1);
    shared[2 * i + 1] = (int32_t)(tokens < least ? tokens : least);
  }
  return true;
}

int64_t batch_shares_room(const struct batch_case *batch, uint32_t request) {
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
  const int64_t own = batch_shares_room(batch, request);
  const int64_t others = batch_shares_room(batch, other);
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
