/* Pages are dealt from the top of a stack. */
#include "tools/flashjit/page_pool.h"

#include <stdlib.h>

bool page_pool_create(struct page_pool *pool, size_t pages, random_state *random) {
  *pool = (struct page_pool){.pages = calloc(pages + 1, sizeof *pool->pages), .count = (uint32_t)pages};
  if (pool->pages)
    random_permutation(random, pool->pages, pool->count);
  return pool->pages;
}

void page_pool_free(struct page_pool *pool) {
  free(pool->pages);
  *pool = (struct page_pool){0};
}

void page_pool_deal(struct page_pool *pool, int32_t *row, uint32_t first, uint32_t end) {
  for (uint32_t i = first; i < end; i++)
    row[i] = pool->pages[--pool->count];
}

void page_pool_return(struct page_pool *pool, int32_t *row, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    pool->pages[pool->count++] = row[i];
    row[i] = -1;
  }
}
