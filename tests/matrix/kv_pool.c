/* Layouts of the KV cache. */
#include "tests/matrix/kv_pool.h"

#include "generator/dtypes.h"
#include "tests/dtypes.h"
#include "tests/reference.h"
#include "tools/common/mirror.h"

#include <string.h>
#include <sys/mman.h>

enum { CHUNK = 16, HALF_CHUNK = 8 }; /* bytes */

/* Whole numbers have no NaN: what nobody sees is large. */
enum { LARGE_CODES = 0x77 };

/* Offsets in a far pool do not fit 32 bits, as bytes or as elements of two bytes. */
static const size_t FAR_BYTES = ((size_t)1 << 32) + ((size_t)1 << 26);

/* What strides of these rows must be multiples of: a chunk, or half a one where the rows end with it. */
static int64_t unit_of(const struct kv_rows *rows) {
  return rows->row_bytes % CHUNK ? HALF_CHUNK : CHUNK;
}

/* No bytes, or a few units of them. */
static int64_t draw_padding(const struct kv_rows *rows, struct trial *trial) {
  const uint32_t units = trial_chance(trial, 3) ? trial_between(trial, 1, 3) : 0;
  return units * unit_of(rows);
}

static int64_t align_up(int64_t bytes, int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/* Strides within a unit: tokens before heads (NHD) or heads before tokens (HND). Returns the unit's bytes. A head has
 * room for two tokens: with one, a call that does not tell how many there are would be refused. */
static int64_t lay_out_unit(struct trial *trial, uint32_t kv_heads, uint32_t unit_tokens, struct kv_rows *rows) {
  const int64_t row = rows->row_bytes + draw_padding(rows, trial);
  if (trial_chance(trial, 3)) {
    rows->token_stride = row;
    rows->head_stride = (unit_tokens > 1 ? unit_tokens : 2) * row + draw_padding(rows, trial);
    return kv_heads * rows->head_stride;
  }
  rows->head_stride = row;
  rows->token_stride = kv_heads * row + draw_padding(rows, trial);
  rows->packed = rows->token_stride == kv_heads * rows->row_bytes;
  return unit_tokens * rows->token_stride;
}

/* Each unit's V after its K. Returns the bytes of the whole pool. */
static int64_t interleave(struct kv_pool *pool, struct trial *trial, int64_t k_extent, int64_t v_extent) {
  pool->v.begin = align_up(k_extent + draw_padding(&pool->k, trial), unit_of(&pool->v));
  pool->k.unit_stride = align_up(pool->v.begin + v_extent + draw_padding(&pool->v, trial), CHUNK);
  pool->v.unit_stride = pool->k.unit_stride;
  pool->k.packed = false;
  pool->v.packed = false;
  return pool->units * pool->k.unit_stride;
}

/* V after all of K. */
static int64_t lay_out_apart(struct kv_pool *pool, struct trial *trial, int64_t k_extent, int64_t v_extent) {
  pool->k.unit_stride = k_extent + draw_padding(&pool->k, trial);
  pool->v.unit_stride = v_extent + draw_padding(&pool->v, trial);
  pool->k.packed &= pool->k.unit_stride == k_extent;
  pool->v.packed &= pool->v.unit_stride == v_extent;
  pool->v.begin = align_up(pool->units * pool->k.unit_stride, unit_of(&pool->v));
  return pool->v.begin + pool->units * pool->v.unit_stride;
}

/* Each unit's V after its K, and the last unit more than 4 GiB from the first. */
static void lay_out_far(struct kv_pool *pool, int64_t k_extent, int64_t v_extent) {
  const size_t distance = (FAR_BYTES - (1u << 25)) / (pool->units - 1) / CHUNK * CHUNK;
  pool->v.begin = align_up(k_extent, unit_of(&pool->v));
  pool->k.unit_stride = (int64_t)distance;
  pool->v.unit_stride = pool->k.unit_stride;
  pool->k.packed = false;
  pool->v.packed = false;
  pool->spans = pool->units;
  pool->span_stride = distance;
  pool->span_bytes = (size_t)(pool->v.begin + v_extent);
}

/* Host memory that costs what is touched of it. */
static unsigned char *map_host(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static bool reserve(struct kv_pool *pool, struct trial *trial) {
  pool->host = map_host(pool->host_bytes);
  if (!pool->host)
    return trial_fail(trial, "no host memory for a cache of %zu bytes", pool->host_bytes);
  pool->is_borrowed = pool->spans > 1;
  if (pool->is_borrowed && !trial->far_memory)
    trial->far_memory = device_alloc(&trial->device, FAR_BYTES);
  trial->is_far_taken |= pool->is_borrowed;
  pool->device = pool->is_borrowed ? trial->far_memory : device_alloc(&trial->device, pool->host_bytes);
  for (uint32_t i = 0; i < pool->spans; i++)
    memset(pool->host + i * pool->span_stride, pool->poison, pool->span_bytes);
  return trial_ok(trial, "the cache", FI_OK);
}

static int64_t bytes_of(uint32_t dtype, uint32_t elements) {
  return (int64_t)(dtype_bits(dtype) * elements / 8);
}

bool kv_pool_create(struct kv_pool *pool, struct trial *trial, const fi_spec *spec, uint32_t kv_heads, uint32_t units,
                    uint32_t unit_tokens) {
  *pool = (struct kv_pool){.units = units, .spans = 1};
  pool->poison = dtype_of(spec->v_dtype)->whole ? LARGE_CODES : POISON;
  const struct reference_rows k = reference_k_rows(spec);
  const struct reference_rows v = reference_v_rows(spec);
  const bool has_v = v.dim > 0;
  pool->k = (struct kv_rows){.dtype = k.dtype, .row_bytes = bytes_of(k.dtype, k.dim)};
  pool->v = (struct kv_rows){.dtype = v.dtype, .row_bytes = bytes_of(v.dtype, v.dim)};
  const int64_t k_extent = lay_out_unit(trial, kv_heads, unit_tokens, &pool->k);
  const int64_t v_extent = has_v ? lay_out_unit(trial, kv_heads, unit_tokens, &pool->v) : 0;
  const int64_t bytes = trial_chance(trial, 3) ? interleave(pool, trial, k_extent, v_extent)
                                               : lay_out_apart(pool, trial, k_extent, v_extent);
  pool->host_bytes = (size_t)bytes;
  pool->span_bytes = pool->host_bytes;
  if (units > 1 && trial_chance(trial, 8) && !trial->is_far_taken) {
    lay_out_far(pool, k_extent, v_extent);
    pool->host_bytes = FAR_BYTES;
  }
  return reserve(pool, trial);
}

void kv_pool_free(struct kv_pool *pool, struct trial *trial) {
  if (pool->host)
    munmap(pool->host, pool->host_bytes);
  if (!pool->is_borrowed)
    device_free(&trial->device, pool->device);
  trial->is_far_taken &= !pool->is_borrowed;
  *pool = (struct kv_pool){0};
}

void kv_pool_upload(const struct kv_pool *pool, struct trial *trial) {
  for (uint32_t i = 0; i < pool->spans; i++) {
    const size_t begin = i * pool->span_stride;
    device_upload(&trial->device, (char *)pool->device + begin, pool->host + begin, pool->span_bytes);
  }
}

void kv_pool_download(const struct kv_pool *pool, struct trial *trial) {
  for (uint32_t i = 0; i < pool->spans; i++) {
    const size_t begin = i * pool->span_stride;
    device_download(&trial->device, pool->host + begin, (char *)pool->device + begin, pool->span_bytes);
  }
}

unsigned char *kv_pool_copy(const struct kv_pool *pool) {
  unsigned char *copy = map_host(pool->host_bytes);
  for (uint32_t i = 0; copy && i < pool->spans; i++)
    memcpy(copy + i * pool->span_stride, pool->host + i * pool->span_stride, pool->span_bytes);
  return copy;
}

void kv_pool_copy_free(const struct kv_pool *pool, unsigned char *copy) {
  munmap(copy, pool->host_bytes);
}

static void describe(const struct kv_pool *pool, const struct kv_rows *rows, const fi_spec *spec, bool on_host,
                     fi_kv *kv) {
  char *memory = on_host ? (char *)pool->host : pool->device;
  const int64_t bits = (int64_t)dtype_bits(rows->dtype);
  kv->data = memory + rows->begin;
  if (!rows->packed || spec->page_size == 0)
    kv->page_stride = rows->unit_stride * 8 / bits;
  if (!rows->packed) {
    kv->token_stride = rows->token_stride * 8 / bits;
    kv->head_stride = rows->head_stride * 8 / bits;
  }
}

void kv_pool_describe(const struct kv_pool *pool, const fi_spec *spec, bool on_host, fi_tensors *tensors) {
  describe(pool, &pool->k, spec, on_host, &tensors->k);
  if (reference_v_rows(spec).dim > 0)
    describe(pool, &pool->v, spec, on_host, &tensors->v);
}
