/* One random batch for a spec: lengths, index arrays, tensors with odd strides, NaN wherever nothing may be
 * read. */
#ifndef TESTS_MATRIX_BATCH_CASE_H
#define TESTS_MATRIX_BATCH_CASE_H

#include "generator/tile.h"
#include "tests/matrix/kv_pool.h"
#include "tests/reference.h"
#include "tools/common/mirror.h"

enum {
  MOST_REQUESTS = 24,
  LEAST_SHARED = 128, /* tokens of a prefix that is shared, in whole steps (runtime/workspace.c) */
  PARTS_AT_ONCE = 40  /* most partials that are not merged in groups (templates/plan/shares.cuh) */
};

/* What the requests of a batch are like. */
enum batch_kind {
  BATCH_MIXED,   /* one of every kind of request, on few CTAs */
  BATCH_SINGLE,  /* one query token each, without q_indptr */
  BATCH_SPLIT,   /* few long requests, split over many CTAs */
  BATCH_SHARED,  /* more requests that may share pages than fit a tile, and some others */
  BATCH_DIVIDED, /* so many of so long prefixes that two kernels share them, and some others */
  BATCH_PREFIX,  /* requests whose first `prefix` tokens are the same, and which fit one tile */
  BATCH_ONE_KEY, /* requests of one token of KV */
  BATCH_ANY,     /* decoding, drafts, chunks and prompts together, for a kernel with rows left open */
  BATCH_PIECES,  /* a request of so many pieces that groups of their partials are merged, and a short one */
  BATCH_ALONE    /* such a request alone, which may be cut into as many pieces as there are CTAs */
};

enum buffer {
  BUFFER_Q_INDPTR,
  BUFFER_KV_LEN,
  BUFFER_KV_INDPTR,
  BUFFER_LAST_PAGE_LEN,
  BUFFER_KV_START,
  BUFFER_RANGES,
  BUFFER_RANGE_INDPTR,
  BUFFER_MASK_BITS,
  BUFFER_MASK_OFFSETS,
  BUFFER_SELECTED,
  BUFFER_SELECTED_LEN,
  BUFFER_SHARED,
  BUFFER_PAGE_TABLE,
  BUFFER_POSITIONS,
  BUFFER_KEY_POSITIONS,
  BUFFER_ROPE_TABLE,
  BUFFER_K_SCALE,
  BUFFER_V_SCALE,
  BUFFER_Q,
  BUFFER_O,
  BUFFER_LSE,
  BUFFER_K_NEW,
  BUFFER_V_NEW,
  BUFFER_SLOTS,
  BUFFER_SNIPPET,
  BUFFER_SINKS,
  BUFFER_SLOPES,
  BUFFER_BIAS,
  BUFFER_LISTS,
  BUFFER_WEIGHTS,
  BUFFERS
};

/* Strides of rows, [token][head] or [head][token]. */
struct row_layout {
  int64_t token_stride;
  int64_t head_stride;
  size_t elements;
};

/* Strides of the scales of tokens; 0: packed. */
struct scale_layout {
  int64_t page_stride;
  int64_t token_stride;
  int64_t head_stride;
  size_t elements;
};

struct batch_case {
  fi_spec spec; /* canonical */
  struct tile tile;
  enum batch_kind kind;
  uint32_t kv_heads;
  uint32_t requests;
  uint32_t first_token; /* of the first request: those before it, and some after the last one, belong to nobody */
  uint32_t tokens;      /* up to the last request's end */
  uint32_t q_len[MOST_REQUESTS];
  uint32_t kv_len[MOST_REQUESTS];
  uint32_t prefix;
  int32_t listed;         /* tokens, or page table entries, of all requests in one list */
  bool has_gaps;          /* between the requests of that list */
  bool has_last_page_len; /* in place of kv_len */
  bool checks_pages;      /* page_count is given */
  int64_t mask_stride;
  int64_t list_token_stride;
  int64_t list_head_stride;
  bool has_list_lengths; /* else all have the most entries */
  bool is_whole;         /* scores of an indexer are whole numbers, of which many are equal */
  bool has_large_scores; /* of which then few bits differ */
  uint32_t first_blocks; /* that an indexer lists anyway */
  uint32_t last_blocks;
  int64_t weight_stride;
  float softmax_scale;
  double lse_tolerance; /* relative; 0: that of the dtype */
  bool sees_specials;   /* some rows see infinity or NaN: all are compared */
  float k_scale;        /* on the host; 0 without */
  float v_scale;
  float o_scale;
  float rope_magnitude;
  bool has_key_positions;
  float softcap;
  uint32_t bias_extent;
  int32_t bias_first;
  int64_t bias_token_stride;
  int64_t bias_head_stride;
  int64_t page_table_stride;
  struct row_layout q;
  struct row_layout o;
  struct row_layout k_new;
  struct row_layout v_new;
  struct kv_pool pool;
  struct scale_layout k_scales;
  struct scale_layout v_scales;
  struct mirror buffers[BUFFERS];
  fi_workspace workspace;         /* bounds, with some room; no memory yet */
  struct batch_case *second;      /* for spec.second_page: a second KV, of a batch without another */
  const struct batch_case *owner; /* of which this is the second one, with the lists of both; else NULL */
};

/* Draws a batch and brings it to the device. After a failure, batch_case_free is still due. */
bool batch_case_create(struct batch_case *batch, struct trial *trial, const fi_spec *canonical, const struct tile *tile,
                       enum batch_kind kind);
void batch_case_free(struct batch_case *batch, struct trial *trial);

/* Of a batch whose requests are drawn: lengths, page table, rows of K and V, and their scales. */
bool batch_case_create_kv(struct batch_case *batch, struct trial *trial);

/* Makes a buffer for so many elements; where it is; and what a buffer of int32_t has on the host. */
bool batch_case_buffer(struct batch_case *batch, struct trial *trial, enum buffer buffer, size_t count, size_t element);
const void *batch_case_pointer(const struct batch_case *batch, enum buffer buffer, bool on_host);
int32_t *batch_case_ints(const struct batch_case *batch, enum buffer buffer);

/* Writes an entry of the page table, on the host. */
void batch_case_set_page(const struct batch_case *batch, size_t entry, int64_t page);

/* How many places of tokens the cache has. */
size_t batch_case_places(const struct batch_case *batch);

/* Brings a batch to the device again. */
bool batch_case_upload(struct batch_case *batch, struct trial *trial);

/* The public structs, with pointers of the host or of the device. */
fi_batch batch_case_lengths(const struct batch_case *batch, bool on_host);
fi_tensors batch_case_tensors(const struct batch_case *batch, bool on_host);

/* Everything that the reference needs. */
struct reference batch_case_reference(const struct batch_case *batch);

/* Device memory for the workspace: as it comes, so that reads of what was not written show, or poisoned. */
bool batch_case_reserve(struct batch_case *batch, struct trial *trial, const fi_kernel *kernel);

/* That of two kernels which use one plan. */
bool batch_case_reserve_both(struct batch_case *batch, struct trial *trial, const fi_kernel *kernel,
                             const fi_kernel *other);

#endif
