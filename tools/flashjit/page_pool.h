/* The free pages of a cache. */
#ifndef TOOLS_FLASHJIT_PAGE_POOL_H
#define TOOLS_FLASHJIT_PAGE_POOL_H

#include "tools/common/random.h"

#include <stdbool.h>
#include <stdint.h>

struct page_pool {
  int32_t *pages; /* a stack, at first in random order */
  uint32_t count;
};

/* With pages 0 .. pages - 1; false without memory. */
bool page_pool_create(struct page_pool *pool, size_t pages, random_state *random);
void page_pool_free(struct page_pool *pool);

/* Entries first .. end - 1 of a row of a page table get pages; and entries 0 .. count - 1 give them back, and are none.
 */
void page_pool_deal(struct page_pool *pool, int32_t *row, uint32_t first, uint32_t end);
void page_pool_return(struct page_pool *pool, int32_t *row, uint32_t count);

#endif
