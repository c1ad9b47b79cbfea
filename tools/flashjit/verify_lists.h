/* Holds the lists that an indexer left in host memory against the scores of the reference, on several threads. */
#ifndef TOOLS_FLASHJIT_VERIFY_LISTS_H
#define TOOLS_FLASHJIT_VERIFY_LISTS_H

#include "tests/reference.h"

/* One launch of an indexer; all pointers are host pointers, and lists are packed. */
struct lists_step {
  struct reference reference;
  double budget; /* multiplications that are worth doing: lists beyond it are sampled */
  uint64_t seed; /* of the sample */
};

/* A list that is not what it should be. */
struct list_mismatch {
  const char *what; /* what follows the block in a sentence; NULL: there is none */
  uint32_t request;
  uint32_t token; /* index in the request's KV */
  uint32_t list;
  int64_t block; /* that should not be there, or is not one at all .. */
  int64_t other; /* .. and one that should be there in its place; -1: none in particular */
};

/* "request 0, token 5, list 0: block 3 is listed instead of 7", of at most LIST_MISMATCH_TEXT bytes. */
enum { LIST_MISMATCH_TEXT = 160 };
void list_mismatch_text(const struct list_mismatch *mismatch, char text[LIST_MISMATCH_TEXT]);

struct lists_verdict {
  uint64_t lists;   /* all are looked at .. */
  uint64_t checked; /* .. and of so many the scores compared, the last of one request's always, unless they list all */
  double excess;    /* by how much a block that is not listed is better than one that is: of what rounding explains */
  struct list_mismatch first;
};

/* False when there is no memory for it. */
bool verify_lists(const struct lists_step *step, struct lists_verdict *verdict);

#endif
