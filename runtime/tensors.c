/* The tables of what each op reads of fi_tensors, and the checks that they drive. */
#include "runtime/tensors.h"

#include "generator/error.h"

#include <stdbool.h>
#include <string.h>

enum { ATTENTION = 1 << FI_OP_ATTENTION, APPEND = 1 << FI_OP_APPEND, MERGE = 1 << FI_OP_MERGE };

enum { DATA_ALIGNMENT = 16 };

static bool is_read_by(uint32_t ops, const fi_spec *spec) {
  return ops >> spec->op & 1;
}

/* -------------------------------------------------------------------------------- pointers */

static bool always(const fi_spec *spec) {
  (void)spec;
  return true;
}

static bool writes_lse(const fi_spec *spec) {
  return spec->lse;
}

static bool reads_positions(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE && spec->rope_positions == FI_POSITIONS_ARRAY;
}

static bool reads_scales(const fi_spec *spec) {
  return spec->kv_scale != FI_SCALE_NONE;
}

static const struct pointer_rule {
  const char *name;
  size_t offset;
  uint32_t ops;
  bool (*needed)(const fi_spec *spec);
  const char *needed_for;
  uintptr_t alignment;
} pointer_rules[] = {
    {"q", offsetof(fi_tensors, q), ATTENTION, always, "attention", DATA_ALIGNMENT},
    {"o", offsetof(fi_tensors, o), ATTENTION | MERGE, always, "the result", DATA_ALIGNMENT},
    {"lse", offsetof(fi_tensors, lse), ATTENTION | MERGE, writes_lse, "lse=1", sizeof(float)},
    {"positions", offsetof(fi_tensors, positions), ATTENTION | APPEND, reads_positions, "positions=array",
     sizeof(int32_t)},
    {"k_cache", offsetof(fi_tensors, k_cache), ATTENTION | APPEND, always, "the cache", DATA_ALIGNMENT},
    {"v_cache", offsetof(fi_tensors, v_cache), ATTENTION | APPEND, always, "the cache", DATA_ALIGNMENT},
    {"k_scale", offsetof(fi_tensors, k_scale), ATTENTION | APPEND, reads_scales, "kv_scale", sizeof(float)},
    {"v_scale", offsetof(fi_tensors, v_scale), ATTENTION | APPEND, reads_scales, "kv_scale", sizeof(float)},
    {"k_new", offsetof(fi_tensors, k_new), APPEND, always, "append", DATA_ALIGNMENT},
    {"v_new", offsetof(fi_tensors, v_new), APPEND, always, "append", DATA_ALIGNMENT},
    {"parts_o", offsetof(fi_tensors, parts_o), MERGE, always, "merge", DATA_ALIGNMENT},
    {"parts_lse", offsetof(fi_tensors, parts_lse), MERGE, always, "merge", sizeof(float)},
};

static fi_status check_pointers(const fi_spec *spec, const fi_tensors *tensors) {
  for (size_t i = 0; i < sizeof pointer_rules / sizeof *pointer_rules; i++) {
    const struct pointer_rule *rule = &pointer_rules[i];
    const void *pointer;
    memcpy(&pointer, (const char *)tensors + rule->offset, sizeof pointer);
    if (!is_read_by(rule->ops, spec) || !rule->needed(spec))
      continue;
    if (!pointer)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s is NULL; %s needs it", rule->name, rule->needed_for);
    if ((uintptr_t)pointer % rule->alignment)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %p; it must be aligned to %zu bytes", rule->name, pointer,
                       (size_t)rule->alignment);
  }
  return FI_OK;
}

/* -------------------------------------------------------------------------------- strides */

/* The extents that make up a packed stride, besides head_dim. */
enum { HEADS = 1, KV_HEADS = 2, PAGE = 4 };

/* Which type the elements have. */
enum element { ROW, STORED };

static const struct stride_rule {
  const char *name;
  size_t offset;
  uint32_t ops;
  enum element element;
  uint32_t packed;
} stride_rules[STRIDE_COUNT] = {
    [STRIDE_Q_TOKEN] = {"q_token_stride", offsetof(fi_tensors, q_token_stride), ATTENTION, ROW, HEADS},
    [STRIDE_Q_HEAD] = {"q_head_stride", offsetof(fi_tensors, q_head_stride), ATTENTION, ROW, 0},
    [STRIDE_O_TOKEN] = {"o_token_stride", offsetof(fi_tensors, o_token_stride), ATTENTION | MERGE, ROW, HEADS},
    [STRIDE_O_HEAD] = {"o_head_stride", offsetof(fi_tensors, o_head_stride), ATTENTION | MERGE, ROW, 0},
    [STRIDE_CACHE_PAGE] = {"cache_page_stride", offsetof(fi_tensors, cache_page_stride), ATTENTION | APPEND, STORED,
                           KV_HEADS | PAGE},
    [STRIDE_CACHE_TOKEN] = {"cache_token_stride", offsetof(fi_tensors, cache_token_stride), ATTENTION | APPEND, STORED,
                            KV_HEADS},
    [STRIDE_CACHE_HEAD] = {"cache_head_stride", offsetof(fi_tensors, cache_head_stride), ATTENTION | APPEND, STORED, 0},
    [STRIDE_NEW_TOKEN] = {"new_token_stride", offsetof(fi_tensors, new_token_stride), APPEND, ROW, KV_HEADS},
    [STRIDE_NEW_HEAD] = {"new_head_stride", offsetof(fi_tensors, new_head_stride), APPEND, ROW, 0},
};

/* Ragged KV has no pages and no requests to step over. */
static bool is_used(int stride, const fi_spec *spec) {
  if (stride == STRIDE_CACHE_PAGE && spec->page_size == 0 && spec->index == FI_INDEX_CSR)
    return false;
  return is_read_by(stride_rules[stride].ops, spec);
}

static int64_t element_bytes(enum element element, const fi_spec *spec) {
  return element == STORED && (spec->kv_dtype == FI_E4M3 || spec->kv_dtype == FI_E5M2) ? 1 : 2;
}

static fi_status check_stride(const struct stride_rule *rule, const fi_spec *spec, int64_t stride) {
  if (stride < spec->head_dim)
    return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld; it must be 0 (packed) or at least head_dim, %u",
                     rule->name, (long long)stride, spec->head_dim);
  const int64_t multiple = DATA_ALIGNMENT / element_bytes(rule->element, spec);
  if (stride % multiple)
    return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld; it must be a multiple of %lld elements (16 bytes)",
                     rule->name, (long long)stride, (long long)multiple);
  return FI_OK;
}

static int64_t packed_stride(const struct stride_rule *rule, const fi_spec *spec, uint32_t heads, uint32_t kv_heads) {
  int64_t stride = spec->head_dim;
  if (rule->packed & HEADS)
    stride *= heads;
  if (rule->packed & KV_HEADS)
    stride *= kv_heads;
  if (rule->packed & PAGE)
    stride *= spec->page_size;
  return stride;
}

static fi_status resolve_strides(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                                 struct strides *strides) {
  for (int i = 0; i < STRIDE_COUNT; i++) {
    const struct stride_rule *rule = &stride_rules[i];
    strides->of[i] = 0;
    if (!is_used(i, spec))
      continue;
    memcpy(&strides->of[i], (const char *)tensors + rule->offset, sizeof strides->of[i]);
    if (i == STRIDE_CACHE_PAGE && spec->page_size == 0 && strides->of[i] == 0)
      return error_set(FI_ERROR_ARGUMENT, "tensors.cache_page_stride is 0; a contiguous cache needs the stride between "
                                          "requests");
    if (strides->of[i] == 0)
      strides->of[i] = packed_stride(rule, spec, heads, kv_heads);
    const fi_status status = check_stride(rule, spec, strides->of[i]);
    if (status)
      return status;
  }
  return FI_OK;
}

/* -------------------------------------------------------------------------------- overlap */

struct axis {
  int stride;
  int64_t extent; /* 0 when the call does not tell */
};

static bool runs_into(const struct strides *strides, struct axis inner, struct axis outer) {
  const int64_t inner_stride = strides->of[inner.stride];
  const int64_t outer_stride = strides->of[outer.stride];
  return inner_stride <= outer_stride && inner.extent > 1 && outer_stride / inner.extent < inner_stride;
}

/* Whichever axis has the smaller stride must end before the other takes its next step. */
static fi_status check_overlap(const struct strides *strides, struct axis a, struct axis b) {
  if (a.extent == 1 || b.extent == 1)
    return FI_OK;
  if (!runs_into(strides, a, b) && !runs_into(strides, b, a))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld and tensors.%s is %lld; rows would overlap",
                   stride_rules[a.stride].name, (long long)strides->of[a.stride], stride_rules[b.stride].name,
                   (long long)strides->of[b.stride]);
}

/* Only where an overlap is never meant: in O and in the cache. */
static fi_status check_overlaps(const fi_spec *spec, uint32_t heads, uint32_t kv_heads, const struct strides *strides) {
  const struct axis page = {STRIDE_CACHE_PAGE, 0};
  const struct axis token = {STRIDE_CACHE_TOKEN, spec->page_size};
  const struct axis head = {STRIDE_CACHE_HEAD, kv_heads};
  const struct {
    struct axis a;
    struct axis b;
  } pairs[] = {
      {{STRIDE_O_TOKEN, 0}, {STRIDE_O_HEAD, heads}},
      {token, head},
      {page, token},
      {page, head},
  };
  fi_status status = FI_OK;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs && !status; i++) {
    if (is_used(pairs[i].a.stride, spec) && is_used(pairs[i].b.stride, spec))
      status = check_overlap(strides, pairs[i].a, pairs[i].b);
  }
  return status;
}

fi_status tensors_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                        struct strides *strides) {
  fi_status status = check_pointers(spec, tensors);
  if (!status)
    status = resolve_strides(spec, tensors, heads, kv_heads, strides);
  return status ? status : check_overlaps(spec, heads, kv_heads, strides);
}
