/* What the parts of case_data.h have of each other: sizes of buffers, and their contents on the host. */
#ifndef TOOLS_BENCH_CASE_PARTS_H
#define TOOLS_BENCH_CASE_PARTS_H

#include "tools/bench/case_data.h"

bool case_is_paged(const struct case_data *data);
bool case_has_indptr(const struct case_data *data);

/* Of a request: pages, those of them that are another's, and pages of its second KV. */
uint32_t case_pages(const struct case_data *data, uint32_t request);
uint32_t case_borrowed_pages(const struct case_data *data, uint32_t request);
uint32_t case_second_pages(const struct case_data *data, uint32_t request);

/* Words of a query token's row of a packed mask. */
size_t case_mask_words(const struct case_data *data);

/* The rows of a bias that is no slopes; else there are none. */
struct case_bias {
  uint32_t dtype;
  uint32_t extent; /* elements of a row */
  int32_t first;   /* the distance of the first */
  size_t rows;
  int64_t token_stride;
  int64_t head_stride; /* 0 of a dense one: all heads have it */
};
struct case_bias case_bias(const struct case_data *data);

/* How many pages and tokens there are, and bytes of each buffer; the kernel and its bounds are there. */
void case_set_sizes(struct case_data *data);

/* Draws what is on the host. False, with a problem. */
bool case_fill(struct case_data *data, random_state *random);

#endif
