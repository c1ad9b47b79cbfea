/* Leading pages that requests of a batch share. */
#ifndef TESTS_MATRIX_BATCH_SHARES_H
#define TESTS_MATRIX_BATCH_SHARES_H

#include "tests/matrix/batch_case.h"

/* After the page table is filled: requests take leading pages of others that come before them. */
void batch_shares_draw(struct batch_case *batch, struct trial *trial);

/* What is told of them, where the spec says so: in the order of requests ^ mask, as far as those that share most are
 * neighbours, and with some tokens more than whole pages have. */
bool batch_shares_tell(struct batch_case *batch, struct trial *trial, uint32_t mask);

/* The first entry of a request in the page table; a page of it, and the pages that hold its KV. */
size_t batch_shares_entry(const struct batch_case *batch, uint32_t request);
int64_t batch_shares_page(const struct batch_case *batch, uint32_t request, uint32_t number);
uint32_t batch_shares_pages(const struct batch_case *batch, uint32_t request);

/* Leading KV tokens of a request that all of its query tokens see, but for one; 0 if two such requests fit no tile. */
int64_t batch_shares_room(const struct batch_case *batch, uint32_t request);

/* KV tokens that some two requests have in common and could read once. */
int64_t batch_shares_most(const struct batch_case *batch);

#endif
