/* Layouts of the KV cache. */
#include "tests/matrix/kv_pool.h"

#include "tests/dtypes.h"
#include "tools/common/mirror.h"

#include <string.h>
#include <sys/mman.h>

enum { CHUNK = 16 /* bytes that every stride is a multiple of */ };

/* Offsets in a far pool do not fit 32 bits, as bytes or as elements of two bytes. */
static const size_t FAR_BYTES = ((size_t)1 << 32) + ((size_t)1 << 26);

/* No elements, or a few chunks of them. */
static int64_t draw_padding(const struct kv_pool *pool, struct trial *trial) {
  const uint32_t chunks = trial_chance(trial, 3) ? trial_between(trial, 1, 3) : 0;
  return chunks * CHUNK / (int64_t)pool->element;
}

/* Strides within a unit: tokens before heads (NHD) or heads before tokens (HND). Returns the unit's elements.
 */
static int64_t lay_out_unit(struct kv_pool *pool, struct trial *trial, const fi_spec *spec, uint32_t kv_heads,
                            uint32_t unit_tokens) {
  const int64_t row = spec->head_dim + draw_padding(pool, trial);
  if (trial_chance(trial, 3)) {
    pool->token_stride = row;
    pool->head_stride = unit_tokens * row + draw_padding(pool, trial);
    return kv_heads * pool->head_stride;
  }
  pool->head_stride = row;
  pool->token_stride = kv_heads * row + draw_padding(pool, trial);
  pool->packed = pool->token_stride == (int64_t)kv_heads * spec->head_dim;
  return unit_tokens * pool->token_stride;
}

/* V after all of K, or each unit's V behind its K. Returns the elements of the whole pool. */
static int64_t lay_out_pool(struct kv_pool *pool, struct trial *trial, int64_t extent) {
  const bool interleaved = trial_chance(trial, 3);
  pool->unit_stride = extent + draw_padding(pool, trial);
  pool->packed &= !interleaved && pool->unit_stride == extent;
  pool->v_offset = interleaved ? pool->unit_stride : pool->units * pool->unit_stride;
  if (interleaved)
    pool->unit_stride *= 2;
  return interleaved ? pool->units * pool->unit_stride : 2 * pool->v_offset;
}

/* Each unit's V behind its K, and the last unit more than 4 GiB from the first. */
static void lay_out_far(struct kv_pool *pool, int64_t extent) {
  const size_t distance = (FAR_BYTES - (1u << 25)) / (pool->units - 1) / CHUNK * CHUNK;
  pool->packed = false;
  pool->v_offset = extent;
  pool->unit_stride = (int64_t)(distance / pool->element);
  pool->spans = pool->units;
  pool->span_stride = distance;
  pool->span_bytes = 2 * (size_t)extent * pool->element;
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
  pool->device = pool->is_borrowed ? trial->far_memory : device_alloc(&trial->device, pool->host_bytes);
  for (uint32_t i = 0; i < pool->spans; i++)
    memset(pool->host + i * pool->span_stride, POISON, pool->span_bytes);
  return trial_ok(trial, "the cache", FI_OK);
}

bool kv_pool_create(struct kv_pool *pool, struct trial *trial, const fi_spec *spec, uint32_t kv_heads, uint32_t units,
                    uint32_t unit_tokens) {
  *pool = (struct kv_pool){.element = dtype_bytes(spec->kv_dtype), .units = units, .spans = 1};
  const int64_t extent = lay_out_unit(pool, trial, spec, kv_heads, unit_tokens);
  const size_t bytes = (size_t)lay_out_pool(pool, trial, extent) * pool->element;
  pool->span_bytes = bytes;
  pool->host_bytes = bytes;
  if (units > 1 && trial_chance(trial, 8)) {
    lay_out_far(pool, extent);
    pool->host_bytes = FAR_BYTES;
  }
  return reserve(pool, trial);
}

void kv_pool_free(struct kv_pool *pool, struct trial *trial) {
  if (pool->host)
    munmap(pool->host, pool->host_bytes);
  if (!pool->is_borrowed)
    device_free(&trial->device, pool->device);
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

static void describe_strides(const struct kv_pool *pool, const fi_spec *spec, fi_kv *kv) {
  if (!pool->packed || spec->page_size == 0)
    kv->page_stride = pool->unit_stride;
  if (!pool->packed) {
    kv->token_stride = pool->token_stride;
    kv->head_stride = pool->head_stride;
  }
}

void kv_pool_describe(const struct kv_pool *pool, const fi_spec *spec, bool on_host, fi_tensors *tensors) {
  char *memory = on_host ? (char *)pool->host : pool->device;
  tensors->k.data = memory;
  tensors->v.data = memory + pool->v_offset * (int64_t)pool->element;
  describe_strides(pool, spec, &tensors->k);
  describe_strides(pool, spec, &tensors->v);
}
