/* The tables of what each op reads of fi_tensors, and the checks that they drive. */
#include "runtime/tensors.h"

#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/dtypes.h"
#include "generator/error.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum {
  ATTENTION = 1 << FI_OP_ATTENTION,
  APPEND = 1 << FI_OP_APPEND,
  MERGE = 1 << FI_OP_MERGE,
  INDEX = 1 << FI_OP_INDEXER
};

/* Bytes. Rows of the cache that are not whole chunks are copied by half chunks. */
enum { CHUNK = 16, HALF_CHUNK = 8, WORD = 4 };

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

static bool rotates(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE;
}

static bool reads_positions(const fi_spec *spec) {
  return rotates(spec) && spec->rope_positions == FI_POSITIONS_ARRAY;
}

static bool reads_key_positions(const fi_spec *spec) {
  return reads_positions(spec) && spec->op == FI_OP_ATTENTION && spec->rope_keys == FI_KEYS_UNROTATED;
}

static bool needs_key_positions(const fi_spec *spec) {
  return reads_key_positions(spec) && spec->rope_axes == 3;
}

static bool reads_k_scales(const fi_spec *spec) {
  return spec->kv_scale != FI_SCALE_NONE;
}

static bool has_own_v(const fi_spec *spec) {
  return spec->v_source == FI_V_OWN;
}

static bool reads_v_scales(const fi_spec *spec) {
  return has_own_v(spec) && spec->kv_scale != FI_SCALE_NONE && derived_group_scale_bytes(spec->v_dtype) == 0;
}

static bool reads_sinks(const fi_spec *spec) {
  return spec->sinks;
}

static bool reads_slopes(const fi_spec *spec) {
  return spec->bias == FI_BIAS_SLOPES;
}

static bool reads_distances(const fi_spec *spec) {
  return spec->bias == FI_BIAS_DISTANCE;
}

static bool reads_halves(const fi_spec *spec) {
  return spec->bias == FI_BIAS_TOKEN_DISTANCE || spec->bias == FI_BIAS_DENSE;
}

static bool reads_weights(const fi_spec *spec) {
  return spec->scores == FI_SCORES_SUM;
}

static bool reads_slots(const fi_spec *spec) {
  return spec->slots != FI_SLOTS_NONE;
}

static bool reads_wide_slots(const fi_spec *spec) {
  return spec->slots == FI_SLOTS_INT64;
}

static bool is_in_chunks(uint32_t dim, uint32_t dtype) {
  return dim * dtype_of(dtype)->bits / 8 % CHUNK == 0;
}

/* Rows of 16 bits are always whole chunks: dims are multiples of 8. */
static bool has_q_in_halves(const fi_spec *spec) {
  return !is_in_chunks(spec->head_dim, spec->q_dtype);
}

static bool has_q_in_chunks(const fi_spec *spec) {
  return !has_q_in_halves(spec);
}

static bool has_k_in_chunks(const fi_spec *spec) {
  return is_in_chunks(derived_code_dims(spec), spec->kv_dtype);
}

static bool has_k_in_halves(const fi_spec *spec) {
  return !has_k_in_chunks(spec);
}

const fi_kv *tensors_values(const fi_spec *spec, const fi_tensors *tensors) {
  return has_own_v(spec) ? &tensors->v : &tensors->k;
}

/* Whether tensors.v is read: V of its own, or the wide dims of K. */
static bool has_v_rows(const fi_spec *spec) {
  return has_own_v(spec) || spec->wide_dims > 0;
}

static bool has_v_in_chunks(const fi_spec *spec) {
  return has_v_rows(spec) && is_in_chunks(derived_v_row_dims(spec), derived_v_row_dtype(spec));
}

static bool has_v_in_halves(const fi_spec *spec) {
  return has_v_rows(spec) && !has_v_in_chunks(spec);
}

static const struct pointer_rule {
  const char *name;
  size_t offset;
  uint32_t ops;
  bool (*needed)(const fi_spec *spec);
  const char *needed_for;
  uintptr_t alignment;
} pointer_rules[] = {
    {"q", offsetof(fi_tensors, q), ATTENTION, has_q_in_chunks, "attention", CHUNK},
    {"q", offsetof(fi_tensors, q), ATTENTION, has_q_in_halves, "attention", HALF_CHUNK},
    {"q", offsetof(fi_tensors, q), INDEX, always, "an indexer", CHUNK},
    {"o", offsetof(fi_tensors, o), ATTENTION | MERGE, always, "the result", CHUNK},
    {"lse", offsetof(fi_tensors, lse), ATTENTION | MERGE, writes_lse, "spec.lse", sizeof(float)},
    {"positions", offsetof(fi_tensors, positions), ATTENTION | APPEND, reads_positions, "positions=array",
     sizeof(int32_t)},
    {"key_positions", offsetof(fi_tensors, key_positions), ATTENTION, needs_key_positions, "axes=3 keys=unrotated",
     sizeof(int32_t)},
    {"rope_table", offsetof(fi_tensors, rope_table), ATTENTION | APPEND, rotates, "spec.rope", sizeof(uint64_t)},
    {"k.data", offsetof(fi_tensors, k.data), ATTENTION | APPEND | INDEX, has_k_in_chunks, "the cache", CHUNK},
    {"k.data", offsetof(fi_tensors, k.data), ATTENTION | APPEND, has_k_in_halves, "the cache", HALF_CHUNK},
    {"v.data", offsetof(fi_tensors, v.data), ATTENTION | APPEND, has_v_in_chunks, "the cache", CHUNK},
    {"v.data", offsetof(fi_tensors, v.data), ATTENTION | APPEND, has_v_in_halves, "the cache", HALF_CHUNK},
    {"k.scales", offsetof(fi_tensors, k.scales), ATTENTION | APPEND | INDEX, reads_k_scales, "kv_scale", sizeof(float)},
    {"v.scales", offsetof(fi_tensors, v.scales), ATTENTION | APPEND, reads_v_scales, "kv_scale", sizeof(float)},
    {"sinks", offsetof(fi_tensors, sinks), ATTENTION, reads_sinks, "spec.sinks", sizeof(float)},
    {"slopes", offsetof(fi_tensors, slopes), ATTENTION, reads_slopes, "bias=slopes", sizeof(float)},
    {"bias", offsetof(fi_tensors, bias), ATTENTION, reads_distances, "spec.bias", sizeof(float)},
    {"bias", offsetof(fi_tensors, bias), ATTENTION, reads_halves, "spec.bias", sizeof(uint16_t)},
    {"k_new.data", offsetof(fi_tensors, k_new.data), APPEND, always, "append", CHUNK},
    {"v_new.data", offsetof(fi_tensors, v_new.data), APPEND, has_v_rows, "append", CHUNK},
    {"slots", offsetof(fi_tensors, slots), APPEND, reads_slots, "spec.slots", sizeof(int32_t)},
    {"slots", offsetof(fi_tensors, slots), APPEND, reads_wide_slots, "spec.slots", sizeof(int64_t)},
    {"lists", offsetof(fi_tensors, lists), INDEX, always, "an indexer", sizeof(int32_t)},
    {"weights", offsetof(fi_tensors, weights), INDEX, reads_weights, "scores=sum", sizeof(float)},
    {"parts_o", offsetof(fi_tensors, parts_o), MERGE, always, "merge", CHUNK},
    {"parts_lse", offsetof(fi_tensors, parts_lse), MERGE, always, "merge", sizeof(float)},
};

/* Whether a field is one of the cache's. */
static bool is_in_cache(size_t offset) {
  return offset >= offsetof(fi_tensors, k) && offset < offsetof(fi_tensors, v) + sizeof(fi_kv);
}

/* Whether a field is to be looked at: all are, but of a second KV those that have a place in it. */
static bool is_checked(const char *prefix, size_t offset) {
  return prefix[0] == '\0' || is_in_cache(offset);
}

static fi_status check_pointers(const fi_spec *spec, const fi_tensors *tensors, const char *prefix) {
  for (size_t i = 0; i < sizeof pointer_rules / sizeof *pointer_rules; i++) {
    const struct pointer_rule *rule = &pointer_rules[i];
    const void *pointer;
    memcpy(&pointer, (const char *)tensors + rule->offset, sizeof pointer);
    if (!is_read_by(rule->ops, spec) || !rule->needed(spec) || !is_checked(prefix, rule->offset))
      continue;
    if (!pointer)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s is NULL; %s needs it", prefix, rule->name, rule->needed_for);
    if ((uintptr_t)pointer % rule->alignment)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s is %p; it must be aligned to %zu bytes", prefix, rule->name,
                       pointer, (size_t)rule->alignment);
  }
  return FI_OK;
}

/* -------------------------------------------------------------------------------- strides */

/* The extents that make up a packed stride, besides the dim of a row. */
enum { HEADS = 1, KV_HEADS = 2, PAGE = 4 };

/* Which dim the rows have, and which type their elements. Those of scales are what a token and head has. */
enum row { Q_ROW, O_ROW, K_ROW, V_ROW, K_NEW_ROW, V_NEW_ROW, K_SCALES, V_SCALES };

#define STRIDE(field, ops, row, packed)                                                                                \
  { #field, offsetof(fi_tensors, field), ops, row, packed }

static const struct stride_rule {
  const char *name;
  size_t offset;
  uint32_t ops;
  enum row row;
  uint32_t packed;
} stride_rules[STRIDE_COUNT] = {
    [STRIDE_Q_TOKEN] = STRIDE(q_token_stride, ATTENTION | INDEX, Q_ROW, HEADS),
    [STRIDE_Q_HEAD] = STRIDE(q_head_stride, ATTENTION | INDEX, Q_ROW, 0),
    [STRIDE_O_TOKEN] = STRIDE(o_token_stride, ATTENTION | MERGE, O_ROW, HEADS),
    [STRIDE_O_HEAD] = STRIDE(o_head_stride, ATTENTION | MERGE, O_ROW, 0),
    [STRIDE_K_PAGE] = STRIDE(k.page_stride, ATTENTION | APPEND | INDEX, K_ROW, KV_HEADS | PAGE),
    [STRIDE_K_TOKEN] = STRIDE(k.token_stride, ATTENTION | APPEND | INDEX, K_ROW, KV_HEADS),
    [STRIDE_K_HEAD] = STRIDE(k.head_stride, ATTENTION | APPEND | INDEX, K_ROW, 0),
    [STRIDE_V_PAGE] = STRIDE(v.page_stride, ATTENTION | APPEND, V_ROW, KV_HEADS | PAGE),
    [STRIDE_V_TOKEN] = STRIDE(v.token_stride, ATTENTION | APPEND, V_ROW, KV_HEADS),
    [STRIDE_V_HEAD] = STRIDE(v.head_stride, ATTENTION | APPEND, V_ROW, 0),
    [STRIDE_K_NEW_TOKEN] = STRIDE(k_new.token_stride, APPEND, K_NEW_ROW, KV_HEADS),
    [STRIDE_K_NEW_HEAD] = STRIDE(k_new.head_stride, APPEND, K_NEW_ROW, 0),
    [STRIDE_V_NEW_TOKEN] = STRIDE(v_new.token_stride, APPEND, V_NEW_ROW, KV_HEADS),
    [STRIDE_V_NEW_HEAD] = STRIDE(v_new.head_stride, APPEND, V_NEW_ROW, 0),
    [STRIDE_K_SCALE_PAGE] = STRIDE(k.scale_page_stride, ATTENTION | APPEND | INDEX, K_SCALES, KV_HEADS | PAGE),
    [STRIDE_K_SCALE_TOKEN] = STRIDE(k.scale_token_stride, ATTENTION | APPEND | INDEX, K_SCALES, KV_HEADS),
    [STRIDE_K_SCALE_HEAD] = STRIDE(k.scale_head_stride, ATTENTION | APPEND | INDEX, K_SCALES, 0),
    [STRIDE_V_SCALE_PAGE] = STRIDE(v.scale_page_stride, ATTENTION | APPEND, V_SCALES, KV_HEADS | PAGE),
    [STRIDE_V_SCALE_TOKEN] = STRIDE(v.scale_token_stride, ATTENTION | APPEND, V_SCALES, KV_HEADS),
    [STRIDE_V_SCALE_HEAD] = STRIDE(v.scale_head_stride, ATTENTION | APPEND, V_SCALES, 0),
};

static bool is_of_k(enum row row) {
  return row == K_ROW || row == K_NEW_ROW;
}

static bool is_of_v(enum row row) {
  return row == V_ROW || row == V_NEW_ROW || row == V_SCALES;
}

static bool is_of_scales(enum row row) {
  return row == K_SCALES || row == V_SCALES;
}

/* Of all scales of a token and head, and of one. */
static uint32_t scale_row_bytes(enum row row, const fi_spec *spec) {
  return row == K_SCALES ? derived_key_scale_bytes(spec) : derived_value_scale_bytes(spec);
}

static uint32_t scale_bytes(enum row row, const fi_spec *spec) {
  return row == K_SCALES ? derived_key_scale_element(spec) : derived_value_scale_element(spec);
}

/* The dims of rows. K has its wide dims, where there are such, in the rows of V. */
struct row_dims {
  uint32_t count;
  const char *name;
};

static struct row_dims row_dims(enum row row, const fi_spec *spec) {
  if (is_of_scales(row))
    return (struct row_dims){scale_row_bytes(row, spec) / scale_bytes(row, spec), "the scales of a row"};
  if (is_of_k(row) && spec->wide_dims > 0)
    return (struct row_dims){derived_code_dims(spec), "head_dim less wide_dims"};
  if (is_of_v(row))
    return (struct row_dims){derived_v_row_dims(spec), spec->wide_dims > 0 ? "wide_dims" : "v_dim"};
  if (row == Q_ROW || is_of_k(row))
    return (struct row_dims){spec->head_dim, "head_dim"};
  return (struct row_dims){spec->v_dim, "v_dim"};
}

static uint32_t row_dim(enum row row, const fi_spec *spec) {
  return row_dims(row, spec).count;
}

static uint32_t row_dtype(enum row row, const fi_spec *spec) {
  switch (row) {
  case K_ROW:
    return spec->kv_dtype;
  case V_ROW:
    return derived_v_row_dtype(spec);
  case O_ROW:
    return spec->o_dtype;
  default:
    return spec->q_dtype;
  }
}

static int64_t element_bits(enum row row, const fi_spec *spec) {
  return is_of_scales(row) ? 8 * scale_bytes(row, spec) : dtype_of(row_dtype(row, spec))->bits;
}

/* What strides of a row are multiples of, in bytes. */
static int64_t row_alignment(enum row row, const fi_spec *spec) {
  const uint32_t bytes = scale_row_bytes(row, spec);
  if (is_of_scales(row))
    return bytes % CHUNK == 0 ? CHUNK : bytes % HALF_CHUNK == 0 ? HALF_CHUNK : WORD;
  return row_dim(row, spec) * element_bits(row, spec) / 8 % CHUNK ? HALF_CHUNK : CHUNK;
}

static bool is_page_stride(int stride) {
  return stride == STRIDE_K_PAGE || stride == STRIDE_V_PAGE || stride == STRIDE_K_SCALE_PAGE ||
         stride == STRIDE_V_SCALE_PAGE;
}

/* V in K has no strides, but the wide dims do. Ragged KV, and a cache of slots without pages, have no pages and no
 * requests to step over. */
static bool is_used(int stride, const fi_spec *spec) {
  const enum row row = stride_rules[stride].row;
  if (is_of_v(row) && !has_v_rows(spec))
    return false;
  if (is_of_scales(row) && scale_row_bytes(row, spec) == 0)
    return false;
  if (is_page_stride(stride) && spec->page_size == 0 && (spec->index == FI_INDEX_CSR || spec->slots != FI_SLOTS_NONE))
    return false;
  return is_read_by(stride_rules[stride].ops, spec);
}

/* Scales of groups are aligned as they are copied. */
static fi_status check_group_scales(const fi_spec *spec, const fi_tensors *tensors, const char *prefix) {
  const struct {
    const char *name;
    const void *scales;
    enum row row;
    bool has_groups;
  } sides[] = {
      {"k", tensors->k.scales, K_SCALES, spec->wide_dims > 0 || derived_group_scale_bytes(spec->kv_dtype) > 0},
      {"v", tensors->v.scales, V_SCALES, derived_group_scale_bytes(spec->v_dtype) > 0},
  };
  for (size_t i = 0; i < 2 && is_read_by(ATTENTION | APPEND, spec); i++) {
    if (!sides[i].has_groups)
      continue;
    if (!sides[i].scales)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s.scales is NULL; 4-bit types need it", prefix, sides[i].name);
    const int64_t alignment = row_alignment(sides[i].row, spec);
    if ((uintptr_t)sides[i].scales % (uintptr_t)alignment)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s.scales is %p; it must be aligned to %lld bytes", prefix,
                       sides[i].name, sides[i].scales, (long long)alignment);
  }
  return FI_OK;
}

static fi_status check_stride(const struct stride_rule *rule, const fi_spec *spec, const char *prefix, int64_t stride) {
  const uint32_t dim = row_dim(rule->row, spec);
  if (stride < dim)
    return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s is %lld; it must be 0 (packed) or at least %s, %u", prefix,
                     rule->name, (long long)stride, row_dims(rule->row, spec).name, dim);
  const int64_t alignment = row_alignment(rule->row, spec);
  const int64_t multiple = alignment * 8 / element_bits(rule->row, spec);
  if (stride % multiple)
    return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s is %lld; it must be a multiple of %lld elements (%lld bytes)",
                     prefix, rule->name, (long long)stride, (long long)multiple, (long long)alignment);
  return FI_OK;
}

static int64_t packed_stride(const struct stride_rule *rule, const fi_spec *spec, uint32_t heads, uint32_t kv_heads) {
  int64_t stride = row_dim(rule->row, spec);
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
    if (!is_used(i, spec) || !is_checked(strides->prefix, rule->offset))
      continue;
    memcpy(&strides->of[i], (const char *)tensors + rule->offset, sizeof strides->of[i]);
    if (is_page_stride(i) && spec->page_size == 0 && strides->of[i] == 0)
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s is 0; a contiguous cache needs the stride between requests",
                       rule->name);
    if (strides->of[i] == 0)
      strides->of[i] = packed_stride(rule, spec, heads, kv_heads);
    const fi_status status = check_stride(rule, spec, strides->prefix, strides->of[i]);
    if (status)
      return status;
  }
  return FI_OK;
}

/* -------------------------------------------------------------------------------- reserved words */

static fi_status check_records(const fi_tensors *tensors) {
  const struct {
    const char *name;
    const fi_kv *kv;
  } records[] = {{"tensors.k", &tensors->k},
                 {"tensors.v", &tensors->v},
                 {"tensors.k_new", &tensors->k_new},
                 {"tensors.v_new", &tensors->v_new},
                 {"tensors.second_k", &tensors->second_k},
                 {"tensors.second_v", &tensors->second_v}};
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    const fi_kv *kv = records[i].kv;
    const fi_status status = abi_check_reserved(records[i].name, kv->reserved, sizeof kv->reserved);
    if (status)
      return status;
    if (kv->unused)
      return error_set(FI_ERROR_ABI, "%s.unused is %u; it must be 0", records[i].name, kv->unused);
  }
  return FI_OK;
}

/* -------------------------------------------------------------------------------- scales */

static fi_status check_scale(const char *name, float scale, const fi_spec *spec, uint32_t dtype) {
  const bool scaled = dtype_of(dtype)->bits <= 8 && spec->wide_dims == 0;
  if (scale == 0 || (scaled && scale > 0 && scale <= FLT_MAX))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   scaled                ? "tensors.%s.scale is %g; it must be 0 (1) or positive and finite"
                   : spec->wide_dims > 0 ? "tensors.%s.scale is %g; it must be 0, as K has wide_dims"
                                         : "tensors.%s.scale is %g; it must be 0, as kv_dtype is of 16 bits",
                   name, (double)scale);
}

static fi_status check_scales(const fi_spec *spec, const fi_tensors *tensors) {
  fi_status status = FI_OK;
  if (is_read_by(ATTENTION | APPEND | INDEX, spec))
    status = check_scale("k", tensors->k.scale, spec, spec->kv_dtype);
  if (!status && is_read_by(ATTENTION | APPEND, spec) && has_own_v(spec))
    status = check_scale("v", tensors->v.scale, spec, spec->v_dtype);
  if (!status && is_read_by(ATTENTION | MERGE, spec) && !isfinite(tensors->o_scale))
    status = error_set(FI_ERROR_ARGUMENT, "tensors.o_scale is %g; it must be finite", (double)tensors->o_scale);
  const float v_scale = tensors_values(spec, tensors)->scale;
  if (!status && is_read_by(ATTENTION, spec) && !isfinite(tensors->o_scale * v_scale))
    status = error_set(FI_ERROR_ARGUMENT, "tensors.o_scale is %g and tensors.%s.scale %g; their product is too large",
                       (double)tensors->o_scale, has_own_v(spec) ? "v" : "k", (double)v_scale);
  return status;
}

/* -------------------------------------------------------------------------------- rope */

static fi_status check_magnitude(const fi_spec *spec, const fi_tensors *tensors) {
  const float magnitude = tensors->rope_magnitude;
  if (!is_read_by(ATTENTION | APPEND, spec) || !rotates(spec) || (magnitude >= 0 && magnitude <= FLT_MAX))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.rope_magnitude is %g; it must be 0 (1) or positive, and finite",
                   (double)magnitude);
}

static fi_status check_position_stride(const char *name, int64_t stride, int64_t least, const char *why) {
  if (stride >= least)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %lld; it must be at least %lld: %s", name, (long long)stride,
                   (long long)least, why);
}

/* Of launches by slots the tokens are known. */
static int64_t least_position_stride(const fi_spec *spec, const fi_tensors *tensors) {
  return spec->op == FI_OP_APPEND && spec->slots != FI_SLOTS_NONE ? tensors->tokens : 1;
}

static fi_status check_key_pages(const fi_spec *spec, const fi_tensors *tensors) {
  const int64_t stride = tensors->key_page_stride;
  if (!tensors->key_positions || (spec->page_size > 0 && stride == 0))
    return FI_OK;
  if (spec->page_size > 0)
    return check_position_stride("key_page_stride", stride, spec->page_size, "the tokens of a page, or 0");
  if (spec->index == FI_INDEX_CSR)
    return FI_OK;
  return check_position_stride("key_page_stride", stride, 1, "a contiguous cache needs the stride between requests");
}

static fi_status check_positions(const fi_spec *spec, const fi_tensors *tensors) {
  static const char three[] = "rope_axes 3 has three positions a token";
  fi_status status = check_magnitude(spec, tensors);
  if (!status && reads_positions(spec) && spec->rope_axes == 3)
    status =
        check_position_stride("position_stride", tensors->position_stride, least_position_stride(spec, tensors), three);
  if (!status && needs_key_positions(spec))
    status = check_position_stride("key_position_stride", tensors->key_position_stride,
                                   spec->page_size > 0 ? spec->page_size : 1, three);
  if (!status && reads_key_positions(spec))
    status = check_key_pages(spec, tensors);
  return status;
}

/* -------------------------------------------------------------------------------- public */

const char *stride_name(int stride) {
  return stride_rules[stride].name;
}

bool stride_is_used(int stride, const fi_spec *spec) {
  return is_used(stride, spec);
}

int64_t stride_bytes(int stride, const fi_spec *spec, const struct strides *strides) {
  return strides->of[stride] * element_bits(stride_rules[stride].row, spec) / 8;
}

int64_t stride_row_bytes(int stride, const fi_spec *spec) {
  const enum row row = stride_rules[stride].row;
  return row_dim(row, spec) * element_bits(row, spec) / 8;
}

fi_status tensors_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                        struct strides *strides) {
  fi_status status = check_records(tensors);
  strides->prefix = "";
  if (!status)
    status = check_scales(spec, tensors);
  if (!status)
    status = check_positions(spec, tensors);
  if (!status)
    status = check_pointers(spec, tensors, strides->prefix);
  if (!status)
    status = check_group_scales(spec, tensors, strides->prefix);
  return status ? status : resolve_strides(spec, tensors, heads, kv_heads, strides);
}

/* -------------------------------------------------------------------------------- second KV */

void tensors_second(const fi_spec *spec, const fi_tensors *tensors, fi_spec *of_second, fi_tensors *second) {
  *of_second = *spec;
  *second = *tensors;
  of_second->page_size = spec->second_page;
  if (spec->kv_scale == FI_SCALE_TENSOR || spec->kv_scale == FI_SCALE_HEAD)
    of_second->kv_scale = FI_SCALE_NONE;
  second->k = tensors->second_k;
  second->v = tensors->second_v;
}

/* Scales of all tokens or of a head, and those on the host, are the first KV's for both. */
static fi_status check_second_scales(const fi_tensors *second) {
  const bool is_of_v = second->k.scale == 0;
  const float scale = is_of_v ? second->v.scale : second->k.scale;
  if (scale == 0)
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT, "tensors.second_%s.scale is %g; it must be 0, as that of %s is for both KVs",
                   is_of_v ? "v" : "k", (double)scale, is_of_v ? "v" : "k");
}

fi_status tensors_check_second(const fi_spec *of_second, const fi_tensors *second, uint32_t kv_heads,
                               struct strides *strides) {
  strides->prefix = "second_";
  fi_status status = check_second_scales(second);
  if (!status)
    status = check_pointers(of_second, second, strides->prefix);
  if (!status)
    status = check_group_scales(of_second, second, strides->prefix);
  return status ? status : resolve_strides(of_second, second, 0, kv_heads, strides);
}
