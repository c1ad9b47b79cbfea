/* The layout of a plan's device memory. */
#ifndef RUNTIME_WORKSPACE_H
#define RUNTIME_WORKSPACE_H

#include "flashjit_args.h"
#include "runtime/kernel.h"

enum { WORKSPACE_ALIGNMENT = 256 };

/* Counts that the parts are made of. */
struct workspace_counts {
  uint64_t header;
  uint64_t rows;
  uint64_t seen;
  uint64_t row_bits;
  uint64_t requests;
  uint64_t checked;
  uint64_t second_checked;
  uint64_t tile_begins; /* 0: shared memory holds requests and tiles */
  uint64_t step_begins;
  uint64_t first;
  uint64_t items;
  uint64_t queue; /* 1: its CTAs claim items */
  uint64_t units;
  uint64_t merges; /* units and groups of partials */
  uint64_t partial_rows;
  uint64_t ranks; /* of an indexer */
};

/* What lies in the workspace: what all kernels read, and what the plan kernel alone does. */
struct workspace_arrays {
  struct fi_plan_arrays plan;
  int *checked;
  int *second_checked;
  int *tile_begin;
  int *step_begin;
  unsigned *ranks;
};

/* Append and indexer kernels need rows only: their tiles are single tokens, and there are no shares and no partial
 * results. An indexer has ranks of all blocks for each CTA. */
struct workspace_layout {
  struct workspace_counts counts;
  struct workspace_arrays arrays; /* addresses for memory and scratch of the bounds, which may be NULL */
  uint64_t bytes;                 /* of memory */
  uint64_t scratch_bytes;
  uint32_t ctas;
  uint32_t max_blocks; /* of the longest KV, for an indexer */
  uint32_t max_tiles;
  uint32_t step_tokens;  /* KV tokens of the plan's steps */
  uint32_t start_tokens; /* that they begin at multiples of */
  uint32_t max_sections;
  bool heads_apart;
  bool merges_together;
  uint32_t least_piece;
  uint32_t share_steps;
  uint32_t unit_steps;
  uint32_t section_steps;
  uint32_t share_tokens; /* that shared prefixes count in; 0: none are looked for */
  uint64_t first_unit;   /* where units and .. */
  uint64_t first_part;   /* .. rows of partials are that the kernel has alone; 0: all of them */
  uint32_t id;           /* of the kernels and the bounds, as far as the plan depends on them: that of all parts */
  uint32_t rows_id;      /* and as far as its rows do */
  uint32_t plan_shared;  /* bytes of dynamic shared memory that the plan kernel needs */
};

/* FI_ERROR_ARGUMENT for bounds that are zero or so large that a count would not fit 31 bits. */
fi_status workspace_check_bounds(const fi_kernel *kernel, const fi_workspace *bounds);

/* Heads that a plan counts: each KV head once for each tile that has a share of its query heads. */
uint32_t workspace_heads(const fi_kernel *kernel, const fi_workspace *bounds);

/* FI_ERROR_ARGUMENT when the kernel cannot cut KV into pieces of split_tokens. */
fi_status workspace_check_split(const fi_kernel *kernel, const fi_workspace *bounds);

/* A number of words, which tells plans from each other; never 0, which cleared memory holds. */
uint32_t workspace_id(const uint32_t *words, size_t count);

/* Counts what the workspace of a kernel with a plan has, for launches of `ctas` CTAs. */
fi_status workspace_count(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t ctas,
                          struct workspace_layout *layout);

/* Makes two kernels whose workspaces are counted one that shares prefixes: the last has units and partials of both. */
fi_status workspace_join(const fi_kernel *first, const fi_kernel *last, const fi_workspace *bounds,
                         struct workspace_layout *of_first, struct workspace_layout *of_last);

/* Lays out what was counted. `plans` is how many plans a batch has, of which this is one. */
void workspace_lay_out(const fi_kernel *kernel, const fi_workspace *bounds, uint32_t plans,
                       struct workspace_layout *layout);

/*
 * A workspace has a part for each of the kernel's members that the bounds allow, one after the other: a plan of its
 * own, and scratch, since their launches are on the machine together. Where prefixes are shared the last part has the
 * units and the scratch of both.
 */
struct workspace_part {
  fi_kernel *kernel;
  struct workspace_layout layout;
};

struct workspace_parts {
  uint32_t count;
  bool share; /* there are two, of requests that share prefixes */
  struct workspace_part of[MOST_MEMBERS];
  uint64_t bytes;
  uint64_t scratch_bytes;
};

/* Whether two pieces of memory, of so many bytes, share any. */
bool workspace_overlaps(const void *a, uint64_t a_bytes, const void *b, uint64_t b_bytes);

/* The parts for a launch on this stream, after checking the memory that was given. */
fi_status workspace_for_launch(fi_kernel *kernel, const fi_workspace *workspace, void *stream,
                               struct workspace_parts *parts);

#endif
