/* A job is a part of the query tokens of one request and KV head; the results are added up in the jobs' order. */
#include "tools/flashjit/verify.h"

#include "tests/dtypes.h"
#include "tools/common/random.h"
#include "tools/flashjit/parallel.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEAD_DIM = 576 };

/* Of single precision, relative to the largest element of a row: two products and a sum with a sine and a
 * cosine. */
static const double float_error = 0x1p-20;

struct crew {
  const struct verify_step *step;
  struct verify_result *results; /* of each job */
  size_t jobs;
  uint32_t parts;      /* of the query tokens of a request and KV head */
  double fraction;     /* of the rows that are checked; 1: all */
  double job_fraction; /* of the requests and KV heads whose attention is checked at all */
  atomic_bool out_of_memory;
};

/* --------------------------------------------------------------------------------------------- which rows */

static bool is_drawn(random_state state, double fraction) {
  return (double)(random_next(&state) >> 11) * 0x1p-53 < fraction;
}

/* Each request's first and last query token always. */
static bool is_checked(const struct crew *crew, uint32_t request, uint32_t i, uint32_t head) {
  uint32_t query_len = reference_query_len(&crew->step->append, request);
  random_state state = crew->step->seed ^ ((uint64_t)request << 40) ^ ((uint64_t)head << 32) ^ i;
  if (crew->fraction >= 1 || i == 0 || i == query_len - 1)
    return true;
  return is_drawn(state, crew->fraction);
}

/* The most KV tokens of the first KV that a query token sees. */
static uint32_t most_shown(const struct reference *reference, uint32_t request) {
  const fi_spec *spec = &reference->spec;
  const uint32_t both = spec->window_left > 0 && (spec->mask == FI_MASK_CAUSAL || spec->window_right > 0)
                            ? spec->window_left + spec->window_right
                            : 0;
  uint32_t most = reference_kv_len(reference, request);
  if (both > 0 && both < most)
    most = both;
  return spec->chunk > 0 && spec->chunk < most ? spec->chunk : most;
}

/* What a query token sees at most, and how many tokens of both KVs there are. */
struct extent {
  double seen;
  double tokens;
};

static struct extent extent_of(const struct reference *reference, uint32_t request) {
  const fi_spec *spec = &reference->spec;
  const double listed = (double)reference->max_selected * spec->select;
  const double shown = most_shown(reference, request);
  const uint32_t kv_len = reference_kv_len(reference, request);
  if (spec->second_page == 0)
    return (struct extent){spec->select > 0 ? fmin(listed, shown) : shown, kv_len};
  const struct reference second = reference_second(reference);
  const double second_len = reference_kv_len(&second, request);
  return (struct extent){shown + fmin(listed, second_len), kv_len + second_len};
}

/* What an element costs that is read, and asking of a token whether it is seen, in products. */
enum { PRODUCTS_OF_READING = 4, PRODUCTS_OF_ASKING = 6 };

/* Of the first query tokens of each request: at most so many. What they see is read for each head of KV. */
static double products_of(const struct reference *reference, uint32_t most_tokens) {
  const fi_spec *spec = &reference->spec;
  const double dims = (double)spec->head_dim + spec->v_dim;
  double products = 0;
  for (uint32_t r = 0; r < reference->batch.requests; r++) {
    const struct extent extent = extent_of(reference, r);
    const uint32_t tokens = reference_query_len(reference, r);
    const double rows = (double)(tokens < most_tokens ? tokens : most_tokens) * reference->kv_heads * spec->group;
    const double read = fmin(extent.tokens, tokens * extent.seen) * reference->kv_heads;
    products += rows * (extent.seen * dims + extent.tokens * PRODUCTS_OF_ASKING);
    products += read * dims * PRODUCTS_OF_READING;
  }
  return products;
}

static double fraction_of(const struct verify_step *step, uint32_t most_tokens) {
  const double products = step->attends ? products_of(&step->attention, most_tokens) : 0;
  return products > step->budget ? step->budget / products : 1;
}

/* Latents have one KV head and a chunk is one request: such a step, too, is work for all threads, each with a copy of
 * the head's K and V. What does not depend on the machine makes the same sums on each. */
static uint32_t parts_of(const struct reference *reference, size_t heads) {
  enum { ENOUGH_JOBS = 128, MOST_PARTS = 64 };
  const double most_bytes = 0x1p32;
  const double row_bytes = (double)(reference->spec.head_dim + reference->spec.v_dim) * sizeof(double);
  double tokens = 1;
  for (uint32_t r = 0; r < reference->batch.requests; r++)
    tokens = fmax(tokens, reference_kv_len(reference, r));
  const double wanted = ceil((double)ENOUGH_JOBS / (double)(heads > 0 ? heads : ENOUGH_JOBS));
  return (uint32_t)fmax(1, fmin(fmin(wanted, MOST_PARTS), most_bytes / (tokens * row_bytes)));
}

/* Query tokens of a request. */
struct part {
  uint32_t begin;
  uint32_t end;
};

static struct part part_of(const struct crew *crew, const struct reference *reference, uint32_t request,
                           uint32_t number) {
  const uint64_t query_len = reference_query_len(reference, request);
  return (struct part){(uint32_t)(query_len * number / crew->parts),
                       (uint32_t)(query_len * (number + 1) / crew->parts)};
}

/* Of requests and KV heads, one of each step always. */
static bool is_head_checked(const struct crew *crew, size_t head) {
  return crew->job_fraction >= 1 || head == crew->step->seed % (crew->jobs / crew->parts) ||
         is_drawn(crew->step->seed ^ (head << 20), crew->job_fraction);
}

/* ------------------------------------------------------------------------------------------------ append */

/* The deviation of one stored element in units of what is allowed. */
static double steps_off(uint32_t dtype, double stored, double expected, double row_largest) {
  double largest = dtype_largest(dtype);
  double least = dtype == FI_I4 ? -8 : -largest;
  double kept = dtype_bits(dtype) <= 8 ? fmax(least, fmin(largest, expected)) : expected;
  double step = dtype_spacing(dtype, fmax(fabs(stored), fabs(kept)));
  double steps = fabs(stored - kept) / (step + float_error * row_largest);
  return isnan(steps) ? INFINITY : steps;
}

/* A row of a cache. */
struct stored {
  const char *tensor;
  const void *cache;
  size_t offset;
  struct reference_rows rows;
  uint32_t request, token, kv_head;
};

static void check_stored(const struct stored *stored, const double *expected, struct verdict *verdict) {
  const uint32_t dtype = stored->rows.dtype;
  double row_largest = 0;
  for (uint32_t d = 0; d < stored->rows.dim; d++)
    row_largest = fmax(row_largest, fabs(expected[d]));
  for (uint32_t d = 0; d < stored->rows.dim; d++) {
    double value = dtype_decode(dtype, stored->cache, stored->offset + d);
    double steps = steps_off(dtype, value, expected[d], row_largest);
    if (!(steps <= 1) && !verdict->first.tensor)
      verdict->first =
          (struct mismatch){stored->tensor, stored->request, stored->token, stored->kv_head, d, value, expected[d]};
    verdict->steps = fmax(verdict->steps, steps);
  }
}

/* What is at tensors.v are values, or the last dims of K. */
static void check_token(const struct reference *reference, uint32_t request, uint32_t i, uint32_t kv_head,
                        struct verdict *verdict) {
  const struct reference_rows k_rows = reference_k_rows(&reference->spec);
  const struct reference_rows v_rows = reference_v_rows(&reference->spec);
  const bool is_own = reference->spec.v_source == FI_V_OWN;
  const uint32_t token = reference_kv_len(reference, request) - reference_query_len(reference, request) + i;
  double k[MOST_HEAD_DIM];
  double v[MOST_HEAD_DIM];
  reference_append(reference, request, i, kv_head, k, v);
  const struct stored keys = {
      .tensor = "K",
      .cache = reference->tensors.k.data,
      .offset = (size_t)reference_cache_offset(reference, request, token, kv_head),
      .rows = k_rows,
      .request = request,
      .token = token,
      .kv_head = kv_head,
  };
  struct stored others = keys;
  others.tensor = is_own ? "V" : "wide dims of K";
  others.cache = reference->tensors.v.data;
  others.rows = v_rows;
  check_stored(&keys, k, verdict);
  if (v_rows.dim == 0)
    return;
  others.offset = (size_t)reference_v_row_offset(reference, request, token, kv_head);
  check_stored(&others, is_own ? v : k + k_rows.dim, verdict);
}

static void check_append(const struct crew *crew, uint32_t request, uint32_t kv_head, uint32_t number,
                         struct verdict *verdict) {
  const struct reference *reference = &crew->step->append;
  const struct part part = part_of(crew, reference, request, number);
  verdict->rows += part.end - part.begin;
  for (uint32_t i = part.begin; i < part.end; i++) {
    if (!is_checked(crew, request, i, kv_head))
      continue;
    check_token(reference, request, i, kv_head, verdict);
    verdict->measure.rows++;
  }
}

/* ---------------------------------------------------------------------------------------------- attention */

static void check_row(const struct crew *crew, const struct reference_head *loaded, uint32_t request, uint32_t i,
                      uint32_t head, struct verdict *verdict) {
  const struct reference *reference = &crew->step->attention;
  double o[MOST_HEAD_DIM];
  double lse;
  uint32_t token = reference_query_begin(reference, request) + i;
  uint32_t head_dim = reference->spec.v_dim;
  uint32_t dtype = reference->spec.q_dtype;
  size_t offset = (size_t)reference_o_offset(reference, token, head);
  reference_attend(reference, loaded, request, i, head, o, &lse);
  uint32_t dim = measure_row(&verdict->measure, o, head_dim, crew->step->dtype, dtype, reference->tensors.o, offset);
  if (dim == head_dim || verdict->first.tensor)
    return;
  uint32_t position = reference_kv_len(reference, request) - reference_query_len(reference, request) + i;
  double got = dtype_decode(dtype, reference->tensors.o, offset + dim);
  verdict->first = (struct mismatch){"O", request, position, head, dim, got, o[dim]};
}

/* Of a head whose K and V are loaded for the first row that is checked, if there is any. */
static bool check_attention(const struct crew *crew, uint32_t request, uint32_t kv_head, uint32_t number,
                            struct verdict *verdict) {
  const struct reference *reference = &crew->step->attention;
  struct reference_head loaded = {0};
  const uint32_t group = reference->spec.group;
  const struct part part = part_of(crew, reference, request, number);
  for (uint32_t i = part.begin; i < part.end; i++) {
    for (uint32_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
      if (!is_checked(crew, request, i, head))
        continue;
      if (!loaded.k && !reference_head_load(reference, request, kv_head, &loaded))
        return false;
      check_row(crew, &loaded, request, i, head, verdict);
    }
  }
  reference_head_free(&loaded);
  return true;
}

/* ------------------------------------------------------------------------------------------------ jobs */

static void do_job(void *user, size_t job) {
  struct crew *crew = user;
  const struct verify_step *step = crew->step;
  struct verify_result *result = &crew->results[job];
  const uint32_t kv_heads = step->append.kv_heads;
  const uint32_t number = (uint32_t)(job % crew->parts);
  const size_t head = job / crew->parts;
  const uint32_t request = (uint32_t)(head / kv_heads);
  const uint32_t kv_head = (uint32_t)(head % kv_heads);
  check_append(crew, request, kv_head, number, &result->append);
  if (!step->attends)
    return;
  const struct part part = part_of(crew, &step->attention, request, number);
  result->attention.rows = (uint64_t)(part.end - part.begin) * step->attention.spec.group;
  if (is_head_checked(crew, head) && !check_attention(crew, request, kv_head, number, &result->attention))
    atomic_store(&crew->out_of_memory, true);
}

static void add_verdict(struct verdict *sum, const struct verdict *part) {
  measure_merge(&sum->measure, &part->measure);
  sum->steps = fmax(sum->steps, part->steps);
  sum->rows += part->rows;
  if (!sum->first.tensor)
    sum->first = part->first;
}

bool verify_step(const struct verify_step *step, struct verify_result *result) {
  struct crew crew = {.step = step, .fraction = fraction_of(step, UINT32_MAX), .job_fraction = fraction_of(step, 2)};
  const size_t heads = (size_t)step->append.batch.requests * step->append.kv_heads;
  crew.parts = parts_of(&step->append, heads);
  crew.jobs = heads * crew.parts;
  crew.results = calloc(crew.jobs + 1, sizeof *crew.results);
  *result = (struct verify_result){0};
  if (!crew.results)
    return false;
  parallel_run(crew.jobs, do_job, &crew);
  for (size_t job = 0; job < crew.jobs; job++) {
    add_verdict(&result->append, &crew.results[job].append);
    add_verdict(&result->attention, &crew.results[job].attention);
  }
  free(crew.results);
  return !atomic_load(&crew.out_of_memory);
}
