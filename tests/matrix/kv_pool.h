/*
 * The KV cache of a case: K and V in one piece of memory, in one of the orders that strides can say. What no
 * live token fills is NaN, or large where there is none.
 */
#ifndef TESTS_MATRIX_KV_POOL_H
#define TESTS_MATRIX_KV_POOL_H

#include "tests/matrix/trial.h"

#include <stdint.h>

/* Rows of K or of V. Strides and offsets count bytes. */
struct kv_rows {
  uint32_t dtype;
  int64_t row_bytes;
  int64_t begin; /* from the pool's first byte */
  int64_t unit_stride;
  int64_t token_stride;
  int64_t head_stride;
  bool packed; /* the strides are those that zeros stand for */
};

/*
 * A unit is what the page stride steps over: a page, the room of a request of a contiguous cache, all of a
 * ragged one.
 */
struct kv_pool {
  int poison; /* each byte of what no live token fills */
  uint32_t units;
  struct kv_rows k;
  struct kv_rows v;

  /* What is used of the memory: spans that lie far apart when the pool is larger than 4 GiB, else all of it.
   */
  uint32_t spans;
  size_t span_stride;
  size_t span_bytes;

  unsigned char *host;
  size_t host_bytes;
  void *device;
  bool is_borrowed; /* the device memory is the trial's */
};

/* Draws a layout and reserves its memory, poisoned on the host. */
bool kv_pool_create(struct kv_pool *pool, struct trial *trial, const fi_spec *spec, uint32_t kv_heads, uint32_t units,
                    uint32_t unit_tokens);
void kv_pool_free(struct kv_pool *pool, struct trial *trial);

void kv_pool_upload(const struct kv_pool *pool, struct trial *trial);
void kv_pool_download(const struct kv_pool *pool, struct trial *trial);

/* The host's memory once more, where holes cost nothing either; NULL without memory. */
unsigned char *kv_pool_copy(const struct kv_pool *pool);
void kv_pool_copy_free(const struct kv_pool *pool, unsigned char *copy);

/* The pool's part of tensors, for host or device. */
void kv_pool_describe(const struct kv_pool *pool, const fi_spec *spec, bool on_host, fi_tensors *tensors);

#endif
