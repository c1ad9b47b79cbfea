/* Index arrays and tensors of a random batch. */
#include "tests/matrix/batch_case.h"

#include "generator/derived.h"
#include "tests/dtypes.h"
#include "tests/measure.h"
#include "tests/matrix/batch_indexer.h"
#include "tests/matrix/batch_lengths.h"
#include "tests/matrix/batch_lists.h"
#include "tests/matrix/batch_masks.h"
#include "tests/matrix/batch_scales.h"
#include "tests/matrix/batch_scores.h"
#include "tests/matrix/batch_second.h"
#include "tests/matrix/batch_shares.h"
#include "tests/matrix/batch_snippet.h"

#include <math.h>
#include <string.h>

enum {
  NOISE = 1 << 15,     /* random elements that rows are cut from */
  SPARE_TOKENS = 2,    /* rows of Q, O and new K and V after the batch's */
  SPARE_UNITS = 2,     /* pages or places of requests that nobody has */
  NO_PAGE = 0x7fffffff /* what unused entries of a page table hold */
};

static bool is_paged(const struct batch_case *batch) {
  return batch->spec.page_size > 0;
}

static bool is_csr(const struct batch_case *batch) {
  return batch->spec.index == FI_INDEX_CSR;
}

static uint32_t pages_of(const struct batch_case *batch, uint32_t request) {
  return (batch->kv_len[request] + batch->spec.page_size - 1) / batch->spec.page_size;
}

int32_t *batch_case_ints(const struct batch_case *batch, enum buffer buffer) {
  return batch->buffers[buffer].host;
}

bool batch_case_buffer(struct batch_case *batch, struct trial *trial, enum buffer buffer, size_t count,
                       size_t element) {
  return mirror_create(&batch->buffers[buffer], &trial->device, count * element) ||
         trial_ok(trial, "the buffers", FI_OK);
}

/* ------------------------------------------------------------------------------------------------ lengths */

/* Where each request's KV begins in a list of all: tokens, or entries of the page table, with gaps. */
static int32_t fill_kv_indptr(struct batch_case *batch, struct trial *trial) {
  int32_t *kv_indptr = batch_case_ints(batch, BUFFER_KV_INDPTR);
  int32_t next = 0;
  for (uint32_t r = 0; r < batch->requests; r++) {
    kv_indptr[r] = next;
    next += (int32_t)(is_paged(batch) ? pages_of(batch, r) : batch->kv_len[r]);
    if (batch->has_gaps)
      next += (int32_t)trial_between(trial, 0, 2);
  }
  kv_indptr[batch->requests] = next;
  return next;
}

static bool fill_lengths(struct batch_case *batch, struct trial *trial) {
  const size_t requests = batch->requests;
  if (!batch_case_buffer(batch, trial, BUFFER_Q_INDPTR, requests + 1, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_LAST_PAGE_LEN, requests, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_KV_LEN, requests, sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_KV_INDPTR, requests + 1, sizeof(int32_t)))
    return false;
  int32_t *q_indptr = batch_case_ints(batch, BUFFER_Q_INDPTR);
  q_indptr[0] = (int32_t)batch->first_token;
  for (uint32_t r = 0; r < requests; r++) {
    q_indptr[r + 1] = q_indptr[r] + (int32_t)batch->q_len[r];
    batch_case_ints(batch, BUFFER_KV_LEN)[r] = (int32_t)batch->kv_len[r];
    if (is_paged(batch) && batch->kv_len[r] > 0)
      batch_case_ints(batch, BUFFER_LAST_PAGE_LEN)[r] = (int32_t)((batch->kv_len[r] - 1) % batch->spec.page_size) + 1;
  }
  batch->has_gaps = is_csr(batch) && trial_chance(trial, 2);
  batch->has_last_page_len = is_csr(batch) && is_paged(batch) && !batch->has_gaps && trial_chance(trial, 2);
  batch->checks_pages = is_paged(batch) && trial_chance(trial, 3);
  batch->listed = fill_kv_indptr(batch, trial);
  return batch_masks_create(batch, trial) && batch_lists_create(batch, trial);
}

/* ------------------------------------------------------------------------------------------------ cache */

static size_t id_bytes(const fi_spec *spec) {
  return spec->page_ids == FI_IDS_INT64 ? sizeof(int64_t) : sizeof(int32_t);
}

void batch_case_set_page(const struct batch_case *batch, size_t entry, int64_t page) {
  void *table = batch->buffers[BUFFER_PAGE_TABLE].host;
  if (batch->spec.page_ids == FI_IDS_INT64)
    ((int64_t *)table)[entry] = page;
  else
    ((int32_t *)table)[entry] = (int32_t)page;
}

/*
 * Whether page `i` of a request is given up at times: one that no query token sees and none lies in, as engines free
 * them.
 */
static bool is_stale(const struct batch_case *batch, struct trial *trial, uint32_t request, uint32_t i) {
  const int64_t begin = (int64_t)i * batch->spec.page_size;
  int64_t first, end;
  batch_masks_seen(batch, request, &first, &end);
  const int64_t written = (int64_t)batch->kv_len[request] - batch->q_len[request];
  first = first < end && first < written ? first : written;
  return batch->spec.op == FI_OP_ATTENTION && begin + batch->spec.page_size <= first && trial_chance(trial, 2);
}

static int32_t stale_page(struct trial *trial) {
  return trial_chance(trial, 2) ? -1 : NO_PAGE;
}

/* Deals pages in random order; entries that are nobody's hold no page. */
static bool fill_page_table(struct batch_case *batch, struct trial *trial) {
  int32_t order[32768];
  uint32_t dealt = 0;
  uint32_t most = 1;
  for (uint32_t r = 0; r < batch->requests; r++)
    most = pages_of(batch, r) > most ? pages_of(batch, r) : most;
  batch->page_table_stride = most + trial_between(trial, 0, 2);
  const size_t entries = is_csr(batch) ? (size_t)batch->listed : batch->requests * (size_t)batch->page_table_stride;
  if (batch->pool.units > sizeof order / sizeof *order)
    return trial_fail(trial, "the batch has %u pages, too many for this test", batch->pool.units);
  if (!batch_case_buffer(batch, trial, BUFFER_PAGE_TABLE, entries, id_bytes(&batch->spec)))
    return false;
  for (size_t i = 0; i < entries; i++)
    batch_case_set_page(batch, i, NO_PAGE);
  random_permutation(&trial->random, order, batch->pool.units);
  for (uint32_t r = 0; r < batch->requests; r++) {
    const size_t first = batch_shares_entry(batch, r);
    for (uint32_t i = 0; i < pages_of(batch, r); i++)
      batch_case_set_page(batch, first + i, is_stale(batch, trial, r, i) ? stale_page(trial) : order[dealt++]);
  }
  if (batch->kind == BATCH_SHARED || batch->kind == BATCH_DIVIDED)
    batch_shares_draw(batch, trial);
  return batch_shares_tell(batch, trial, trial_between(trial, 0, 31));
}

/* Whether a token has a page. */
static bool has_page(const struct batch_case *batch, uint32_t request, uint32_t token) {
  if (!is_paged(batch))
    return true;
  const struct reference reference = batch_case_reference(batch);
  const int64_t page = reference_page(&reference, request, token);
  return page >= 0 && page < batch->pool.units;
}

static bool create_paged(struct batch_case *batch, struct trial *trial) {
  uint32_t pages = SPARE_UNITS;
  for (uint32_t r = 0; r < batch->requests; r++)
    pages += pages_of(batch, r);
  return kv_pool_create(&batch->pool, trial, &batch->spec, batch->kv_heads, pages, batch->spec.page_size) &&
         fill_page_table(batch, trial);
}

static bool create_contiguous(struct batch_case *batch, struct trial *trial) {
  return kv_pool_create(&batch->pool, trial, &batch->spec, batch->kv_heads, batch->requests + SPARE_UNITS,
                        batch->workspace.max_kv_len);
}

/* All tokens in one unit, or a unit for each. */
static bool create_ragged(struct batch_case *batch, struct trial *trial) {
  const uint32_t tokens = (uint32_t)batch->listed + SPARE_UNITS;
  const bool apart = trial_chance(trial, 2);
  if (!kv_pool_create(&batch->pool, trial, &batch->spec, batch->kv_heads, apart ? tokens : 1, apart ? 1 : tokens))
    return false;
  if (apart) {
    batch->pool.k.token_stride = batch->pool.k.unit_stride;
    batch->pool.v.token_stride = batch->pool.v.unit_stride;
  }
  return true;
}

static bool create_cache(struct batch_case *batch, struct trial *trial) {
  if (is_paged(batch))
    return create_paged(batch, trial);
  return is_csr(batch) ? create_ragged(batch, trial) : create_contiguous(batch, trial);
}

/* ------------------------------------------------------------------------------------------------ tensors */

static struct row_layout draw_rows(const struct batch_case *batch, struct trial *trial, uint32_t heads, uint32_t dim,
                                   uint32_t dtype) {
  const uint32_t whole = 16 / (uint32_t)dtype_bytes(dtype); /* elements of 16 bytes */
  const uint32_t chunk = dim % whole ? 8 : whole;
  const uint32_t tokens = batch->tokens + SPARE_TOKENS;
  const int64_t row = dim + chunk * (trial_chance(trial, 3) ? trial_between(trial, 1, 3) : 0);
  if (trial_chance(trial, 4))
    return (struct row_layout){row, tokens * row, heads * (size_t)(tokens * row)};
  const int64_t token = heads * row + chunk * (trial_chance(trial, 3) ? trial_between(trial, 1, 5) : 0);
  return (struct row_layout){token, row, tokens * (size_t)token};
}

/* Where rows of a tensor lie, and what they are. */
struct rows {
  void *data;
  uint32_t dtype;
  uint32_t dim;
};

/* Copies random elements to a row. */
static void fill_row(struct trial *trial, const uint16_t *noise, const struct rows *rows, int64_t offset) {
  const size_t bits = dtype_bits(rows->dtype);
  const size_t from = random_below(&trial->random, NOISE - rows->dim);
  memcpy((char *)rows->data + offset * (int64_t)bits / 8, (const char *)noise + from * bits / 8, rows->dim * bits / 8);
}

/* A row as large or small as any that an 8-bit type holds. */
static void stretch_row(struct trial *trial, const struct rows *rows, int64_t offset) {
  const double factor = exp2((double)trial_between(trial, 0, 32) - 20);
  for (uint32_t d = 0; d < rows->dim; d++) {
    const size_t at = (size_t)offset + d;
    dtype_encode(rows->dtype, factor * dtype_decode(rows->dtype, rows->data, at), rows->data, at);
  }
}

/* Some elements that are no usual numbers. */
static void add_specials(struct trial *trial, const struct rows *rows, int64_t offset) {
  const double specials[] = {NAN, INFINITY, dtype_largest(rows->dtype), 1e6, 0};
  for (uint32_t i = 0; i < 4; i++) {
    const double special = specials[trial_between(trial, 0, 4)];
    const size_t at = (size_t)offset + random_below(&trial->random, rows->dim);
    dtype_encode(rows->dtype, trial_chance(trial, 2) ? special : -special, rows->data, at);
  }
}

/* New K and V are rounded, and 8-bit types have limits: rows of any size. What is rotated stays finite. */
static void fill_new_row(struct trial *trial, const uint16_t *noise, const struct rows *rows, bool is_rotated,
                         int64_t offset) {
  if (rows->dim == 0)
    return; /* V in the keys' memory has no rows of its own */
  fill_row(trial, noise, rows, offset);
  if (trial_chance(trial, 2))
    stretch_row(trial, rows, offset);
  if (trial_chance(trial, 4) && !is_rotated)
    add_specials(trial, rows, offset);
}

static struct rows rows_of(const struct batch_case *batch, enum buffer buffer, uint32_t dim) {
  return (struct rows){batch->buffers[buffer].host, batch->spec.q_dtype, dim};
}

static void fill_queries(struct batch_case *batch, struct trial *trial, const uint16_t *noise) {
  const struct reference reference = batch_case_reference(batch);
  const fi_spec *spec = &batch->spec;
  const struct rows q = rows_of(batch, BUFFER_Q, spec->head_dim);
  const struct rows k_new = rows_of(batch, BUFFER_K_NEW, reference_k_rows(spec).dim);
  const struct rows v_new = rows_of(batch, BUFFER_V_NEW, reference_v_rows(spec).dim);
  for (uint32_t token = 0; token < batch->tokens; token++) {
    for (uint32_t head = 0; head < batch->kv_heads * spec->group; head++)
      fill_row(trial, noise, &q, reference_q_offset(&reference, token, head));
    for (uint32_t head = 0; head < batch->kv_heads; head++) {
      const bool is_rotated = spec->rope != FI_ROPE_NONE;
      fill_new_row(trial, noise, &k_new, is_rotated, reference_new_offset(&reference, token, head));
      fill_new_row(trial, noise, &v_new, is_rotated && spec->wide_dims > 0,
                   reference_v_new_offset(&reference, token, head));
    }
  }
}

/*
 * KV that nobody sees stays NaN, or is as all other at times: rows beside NaN are worked out in another way, and what
 * is usually there must not be seen either. Where no page has it, it is nowhere.
 */
static void fill_cache(struct batch_case *batch, struct trial *trial, const uint16_t *noise, const uint16_t *v_noise) {
  const struct reference reference = batch_case_reference(batch);
  const fi_spec *spec = &batch->spec;
  const struct reference_rows k_rows = reference_k_rows(spec);
  const struct reference_rows v_rows = reference_v_rows(spec);
  const struct rows k = {reference.tensors.k.data, k_rows.dtype, k_rows.dim};
  const struct rows v = {reference.tensors.v.data, v_rows.dtype, v_rows.dim}; /* where K has it there is none */
  const bool is_shared = batch->kind == BATCH_SHARED || batch->kind == BATCH_DIVIDED;
  const bool is_hidden = !is_shared && trial_chance(trial, 2); /* others may see it */
  for (uint32_t r = 0; r < batch->requests; r++) {
    int64_t first, end;
    batch_masks_seen(batch, r, &first, &end);
    for (uint32_t token = 0; batch->q_len[r] > 0 && token < batch->kv_len[r]; token++) {
      const bool is_seen = token >= first && token < end && batch_lists_have(batch, r, token);
      const bool is_filled = is_seen || !is_hidden;
      for (uint32_t head = 0; head < batch->kv_heads && has_page(batch, r, token); head++) {
        batch_scales_draw_token(batch, trial, &reference, &(struct scaled_token){r, token, head, is_filled});
        if (!is_filled)
          continue;
        fill_row(trial, noise, &k, reference_cache_offset(&reference, r, token, head));
        if (v.dim > 0)
          fill_row(trial, v_noise, &v, reference_v_row_offset(&reference, r, token, head));
      }
    }
  }
}

/*
 * Whether Q and K are not rounded before they meet: a large scale would make that rounding the result's. With int4,
 * whose elements times their scales are rounded to f16, the logits of a 32-fold scale are off by 32 * 2^-12 / sqrt(3) =
 * 4.5e-3 times the size of K, and so are the elements of O: six deviations are 2.7 %. So it is with scales of groups,
 * and with sums of products of e4m3, of which the matrix units keep few bits.
 */
static bool scores_are_exact(const fi_spec *spec, const char *target) {
  const bool rounds_query = spec->q_dtype == FI_F16 && spec->kv_dtype == FI_BF16;
  return spec->rope == FI_ROPE_NONE && !rounds_query && spec->kv_dtype != FI_I4 && spec->wide_dims == 0 &&
         measure_dtype(spec, target) != FI_E4M3;
}

/*
 * The default, one so small that all logits are 0, ones with which the maxima of rows grow by far more than
 * the softmax puts up with, or usual ones.
 */
static float draw_softmax_scale(const fi_spec *spec, struct trial *trial) {
  const float usual = 1 / sqrtf((float)spec->head_dim);
  const uint32_t kind = trial_between(trial, 0, 5);
  if (kind == 0)
    return 0;
  if (kind == 1)
    return 1e-30f;
  if (kind == 2 && scores_are_exact(spec, trial->target))
    return usual * (float)trial_between(trial, 8, 32);
  return usual * (float)trial_between(trial, 50, 150) / 100;
}

/* Entries of any size, as frequencies and their scalings give them. */
static void draw_rope(struct batch_case *batch, struct trial *trial) {
  uint64_t *table = batch->buffers[BUFFER_ROPE_TABLE].host;
  for (uint32_t pair = 0; pair < batch->spec.rope_dim / 2; pair++) {
    table[pair] = random_next(&trial->random) >> trial_between(trial, 0, 40);
    if (batch->spec.rope_axes == 3)
      table[pair] = table[pair] / 4 * 4 + trial_between(trial, 0, 2);
  }
  batch->has_key_positions = batch->spec.rope_axes == 3 || trial_chance(trial, 2);
  batch->rope_magnitude = trial_chance(trial, 2) ? (float)trial_between(trial, 50, 150) / 100 : 0;
}

size_t batch_case_places(const struct batch_case *batch) {
  if (is_paged(batch))
    return (size_t)batch->pool.units * batch->spec.page_size;
  return is_csr(batch) ? (size_t)batch->listed + 1 : (size_t)batch->requests * batch->workspace.max_kv_len;
}

static void draw_positions(struct trial *trial, const struct mirror *positions) {
  for (size_t i = 0; i < positions->bytes / sizeof(int32_t); i++)
    ((int32_t *)positions->host)[i] = (int32_t)random_below(&trial->random, 1100000);
}

/* Positions and scales are read by few specs, and made for all. */
static void fill_small(struct batch_case *batch, struct trial *trial) {
  batch_scales_draw(batch, trial);
  draw_positions(trial, &batch->buffers[BUFFER_POSITIONS]);
  draw_positions(trial, &batch->buffers[BUFFER_KEY_POSITIONS]);
  draw_rope(batch, trial);
  batch->softmax_scale = draw_softmax_scale(&batch->spec, trial);
  batch->o_scale = trial_chance(trial, 3) ? (float)trial_between(trial, 50, 400) / -100 : 0;
}

static bool create_tensors(struct batch_case *batch, struct trial *trial) {
  const uint32_t heads = batch->kv_heads * batch->spec.group;
  const size_t element = dtype_bytes(batch->spec.q_dtype);
  const size_t o_element = dtype_bytes(batch->spec.o_dtype);
  batch->q = draw_rows(batch, trial, heads, batch->spec.head_dim, batch->spec.q_dtype);
  batch->o = draw_rows(batch, trial, heads, batch->spec.v_dim, batch->spec.o_dtype);
  batch->k_new = draw_rows(batch, trial, batch->kv_heads, reference_k_rows(&batch->spec).dim, batch->spec.q_dtype);
  batch->v_new = draw_rows(batch, trial, batch->kv_heads, reference_v_rows(&batch->spec).dim, batch->spec.q_dtype);
  const size_t axes = batch->spec.rope_axes == 3 ? 3 : 1;
  const size_t places = derived_rotates_keys(&batch->spec) ? batch_case_places(batch) : 0;
  return batch_case_buffer(batch, trial, BUFFER_POSITIONS, axes * batch->tokens, sizeof(int32_t)) &&
         batch_case_buffer(batch, trial, BUFFER_KEY_POSITIONS, axes * places, sizeof(int32_t)) &&
         batch_case_buffer(batch, trial, BUFFER_ROPE_TABLE, batch->spec.rope_dim / 2, sizeof(uint64_t)) &&
         batch_scales_create(batch, trial) && batch_case_buffer(batch, trial, BUFFER_Q, batch->q.elements, element) &&
         batch_case_buffer(batch, trial, BUFFER_O, batch->o.elements, o_element) &&
         batch_case_buffer(batch, trial, BUFFER_LSE, (size_t)(batch->tokens + SPARE_TOKENS) * heads, sizeof(float)) &&
         batch_case_buffer(batch, trial, BUFFER_K_NEW, batch->k_new.elements, element) &&
         batch_case_buffer(batch, trial, BUFFER_V_NEW, batch->v_new.elements, element) &&
         batch_case_buffer(batch, trial, BUFFER_SLOTS, batch->tokens, sizeof(int64_t));
}

static void set_slot(struct batch_case *batch, uint32_t token, int64_t slot) {
  void *slots = batch->buffers[BUFFER_SLOTS].host;
  if (batch->spec.slots == FI_SLOTS_INT64)
    ((int64_t *)slots)[token] = slot;
  else
    ((int32_t *)slots)[token] = (int32_t)slot;
}

/* The slot of a KV token: by the page table, or in the list of all requests' tokens. */
static int64_t slot_of(struct batch_case *batch, uint32_t request, uint32_t at) {
  const uint32_t page_size = batch->spec.page_size;
  if (page_size == 0)
    return batch_case_ints(batch, BUFFER_KV_INDPTR)[request] + (int64_t)at;
  const int64_t page = batch_case_ints(batch, BUFFER_PAGE_TABLE)[request * batch->page_table_stride + at / page_size];
  return page * page_size + at % page_size;
}

/* Tokens of nobody, and those in front of their request's KV, have none. */
static void fill_slots(struct batch_case *batch) {
  if (batch->spec.slots == FI_SLOTS_NONE)
    return;
  const struct reference reference = batch_case_reference(batch);
  for (uint32_t token = 0; token < batch->tokens; token++)
    set_slot(batch, token, -1 - (int64_t)token);
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t i = 0; i < batch->q_len[r]; i++) {
      if (i + batch->kv_len[r] >= batch->q_len[r])
        set_slot(batch, reference_query_begin(&reference, r) + i,
                 slot_of(batch, r, batch->kv_len[r] - batch->q_len[r] + i));
    }
  }
}

static void fill_kv(struct batch_case *batch, struct trial *trial) {
  uint16_t noise[NOISE];
  uint16_t v_noise[NOISE];
  random_normal(&trial->random, batch->spec.kv_dtype, noise, NOISE);
  random_normal(&trial->random, reference_v_rows(&batch->spec).dtype, v_noise, NOISE);
  fill_cache(batch, trial, noise, v_noise);
}

static bool fill_and_upload(struct batch_case *batch, struct trial *trial) {
  uint16_t noise[NOISE];
  fill_small(batch, trial);
  fill_slots(batch);
  random_normal(&trial->random, batch->spec.q_dtype, noise, NOISE);
  fill_queries(batch, trial, noise);
  fill_kv(batch, trial);
  batch_indexer_draw(batch, trial);
  return batch_second_create(batch, trial) && batch_case_upload(batch, trial);
}

/* ------------------------------------------------------------------------------------------------ public */

bool batch_case_create_kv(struct batch_case *batch, struct trial *trial) {
  if (!fill_lengths(batch, trial) || !create_cache(batch, trial) || !batch_scales_create(batch, trial))
    return false;
  batch_scales_draw(batch, trial);
  fill_kv(batch, trial);
  return true;
}

bool batch_case_create(struct batch_case *batch, struct trial *trial, const fi_spec *canonical, const struct tile *tile,
                       enum batch_kind kind) {
  *batch = (struct batch_case){.spec = *canonical, .tile = *tile, .kind = kind};
  if (canonical->slots != FI_SLOTS_NONE && canonical->page_size == 0)
    batch->spec.index = FI_INDEX_CSR; /* one list of rows */
  batch_lengths_draw(batch, trial);
  return batch_second_draw(batch, trial) && fill_lengths(batch, trial) && create_cache(batch, trial) &&
         create_tensors(batch, trial) && batch_scores_draw(batch, trial) && batch_indexer_create(batch, trial) &&
         (canonical->snippet == FI_SNIPPET_NONE || batch_snippet_draw(batch, trial)) && fill_and_upload(batch, trial);
}

bool batch_case_upload(struct batch_case *batch, struct trial *trial) {
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    mirror_upload(&batch->buffers[buffer], &trial->device, batch->buffers[buffer].bytes);
  kv_pool_upload(&batch->pool, trial);
  batch_second_upload(batch, trial);
  return trial_ok(trial, "the uploads", FI_OK);
}

void batch_case_free(struct batch_case *batch, struct trial *trial) {
  batch_second_free(batch, trial);
  for (enum buffer buffer = 0; buffer < BUFFERS; buffer++)
    mirror_free(&batch->buffers[buffer], &trial->device);
  kv_pool_free(&batch->pool, trial);
  device_free(&trial->device, batch->workspace.memory);
  device_free(&trial->device, batch->workspace.scratch);
}

static uint64_t larger(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

bool batch_case_reserve_both(struct batch_case *batch, struct trial *trial, const fi_kernel *kernel,
                             const fi_kernel *other) {
  fi_workspace *workspace = &batch->workspace;
  fi_workspace of_other = *workspace;
  if (!trial_ok(trial, "fi_workspace_size", fi_workspace_size(kernel, workspace)) ||
      !trial_ok(trial, "fi_workspace_size", fi_workspace_size(other, &of_other)))
    return false;
  workspace->bytes = larger(workspace->bytes, of_other.bytes);
  workspace->scratch_bytes = larger(workspace->scratch_bytes, of_other.scratch_bytes);
  workspace->memory = device_alloc(&trial->device, workspace->bytes);
  workspace->scratch = device_alloc(&trial->device, workspace->scratch_bytes);
  if (trial_chance(trial, 2)) {
    device_fill(&trial->device, workspace->memory, POISON, workspace->bytes);
    device_fill(&trial->device, workspace->scratch, POISON, workspace->scratch_bytes);
  }
  return trial_ok(trial, "the workspace", FI_OK);
}

bool batch_case_reserve(struct batch_case *batch, struct trial *trial, const fi_kernel *kernel) {
  return batch_case_reserve_both(batch, trial, kernel, kernel);
}

const void *batch_case_pointer(const struct batch_case *batch, enum buffer buffer, bool on_host) {
  const struct mirror *mirror = &batch->buffers[buffer];
  return on_host ? mirror->host : mirror->device;
}

/* Arrays that the spec does not read are left out. Ragged KV without gaps has its lengths in kv_indptr. */
fi_batch batch_case_lengths(const struct batch_case *batch, bool on_host) {
  const bool is_ragged = is_csr(batch) && !is_paged(batch);
  fi_batch lengths = {.struct_size = sizeof lengths, .requests = batch->requests};
  if (batch->kind != BATCH_SINGLE)
    lengths.q_indptr = batch_case_pointer(batch, BUFFER_Q_INDPTR, on_host);
  if (batch->has_last_page_len)
    lengths.last_page_len = batch_case_pointer(batch, BUFFER_LAST_PAGE_LEN, on_host);
  else if (!is_ragged || batch->has_gaps)
    lengths.kv_len = batch_case_pointer(batch, BUFFER_KV_LEN, on_host);
  if (batch->spec.kv_start)
    lengths.kv_start = batch_case_pointer(batch, BUFFER_KV_START, on_host);
  if (batch->spec.ranges) {
    lengths.ranges = batch_case_pointer(batch, BUFFER_RANGES, on_host);
    lengths.range_indptr = batch_case_pointer(batch, BUFFER_RANGE_INDPTR, on_host);
  }
  if (batch->spec.mask_bits) {
    lengths.mask_bits = batch_case_pointer(batch, BUFFER_MASK_BITS, on_host);
    lengths.mask_offsets = batch_case_pointer(batch, BUFFER_MASK_OFFSETS, on_host);
    lengths.mask_stride = batch->mask_stride;
  }
  batch_lists_lengths(batch, on_host, &lengths);
  batch_second_lengths(batch, on_host, &lengths);
  if (is_csr(batch))
    lengths.kv_indptr = batch_case_pointer(batch, BUFFER_KV_INDPTR, on_host);
  if (batch->checks_pages)
    lengths.page_count = batch->pool.units;
  if (is_paged(batch))
    lengths.page_table = batch_case_pointer(batch, BUFFER_PAGE_TABLE, on_host);
  if (derived_tells_prefixes(&batch->spec))
    lengths.shared = batch_case_pointer(batch, BUFFER_SHARED, on_host);
  if (is_paged(batch) && !is_csr(batch))
    lengths.page_table_stride = batch->page_table_stride;
  return lengths;
}

static void describe_positions(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  tensors->positions = batch_case_pointer(batch, BUFFER_POSITIONS, on_host);
  tensors->position_stride = batch->tokens;
  if (!derived_rotates_keys(&batch->spec) || !batch->has_key_positions)
    return;
  tensors->key_positions = batch_case_pointer(batch, BUFFER_KEY_POSITIONS, on_host);
  tensors->key_position_stride = (int64_t)batch_case_places(batch);
  if (!is_paged(batch) && !is_csr(batch))
    tensors->key_page_stride = batch->workspace.max_kv_len;
}

fi_tensors batch_case_tensors(const struct batch_case *batch, bool on_host) {
  const fi_spec *spec = &batch->spec;
  fi_tensors tensors = {
      .struct_size = sizeof tensors,
      .softmax_scale = batch->softmax_scale,
      .q = batch_case_pointer(batch, BUFFER_Q, on_host),
      .o = (void *)(uintptr_t)batch_case_pointer(batch, BUFFER_O, on_host),
      .q_token_stride = batch->q.token_stride,
      .q_head_stride = batch->q.head_stride,
      .o_token_stride = batch->o.token_stride,
      .o_head_stride = batch->o.head_stride,
      .k_new.data = (void *)(uintptr_t)batch_case_pointer(batch, BUFFER_K_NEW, on_host),
      .v_new.data = (void *)(uintptr_t)batch_case_pointer(batch, BUFFER_V_NEW, on_host),
      .k_new.token_stride = batch->k_new.token_stride,
      .k_new.head_stride = batch->k_new.head_stride,
      .v_new.token_stride = batch->v_new.token_stride,
      .v_new.head_stride = batch->v_new.head_stride,
  };
  if (reference_v_rows(spec).dim == 0)
    tensors.v_new = (fi_kv){0};
  kv_pool_describe(&batch->pool, spec, on_host, &tensors);
  batch_scores_describe(batch, on_host, &tensors);
  batch_lists_describe(batch, on_host, &tensors);
  batch_second_describe(batch, on_host, &tensors);
  batch_indexer_describe(batch, on_host, &tensors);
  tensors.snippet_params = batch_case_pointer(batch, BUFFER_SNIPPET, on_host);
  tensors.o_scale = batch->o_scale;
  batch_scales_describe(batch, on_host, &tensors);
  if (spec->slots != FI_SLOTS_NONE) {
    tensors.slots = batch_case_pointer(batch, BUFFER_SLOTS, on_host);
    tensors.tokens = batch->tokens;
    tensors.heads = batch->kv_heads;
  }
  if (spec->lse)
    tensors.lse = (float *)(uintptr_t)batch_case_pointer(batch, BUFFER_LSE, on_host);
  if (spec->rope != FI_ROPE_NONE) {
    tensors.rope_table = batch_case_pointer(batch, BUFFER_ROPE_TABLE, on_host);
    tensors.rope_magnitude = batch->rope_magnitude;
  }
  if (spec->rope_positions == FI_POSITIONS_ARRAY)
    describe_positions(batch, on_host, &tensors);
  return tensors;
}

struct reference batch_case_reference(const struct batch_case *batch) {
  return (struct reference){
      .spec = batch->spec,
      .batch = batch_case_lengths(batch, true),
      .tensors = batch_case_tensors(batch, true),
      .kv_heads = batch->kv_heads,
      .max_selected = batch->workspace.max_selected,
      .snippet = snippet_function_of(batch->spec.snippet),
  };
}
