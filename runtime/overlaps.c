/* Rows that overlap where it is never meant: in O and in the cache. */
#include "runtime/overlaps.h"

#include "generator/error.h"

#include <stdbool.h>

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
  return error_set(FI_ERROR_ARGUMENT, "tensors.%s%s is %lld and tensors.%s%s is %lld; rows would overlap",
                   strides->prefix, stride_name(a.stride), (long long)strides->of[a.stride], strides->prefix,
                   stride_name(b.stride), (long long)strides->of[b.stride]);
}

/* Of K, of V or of their scales, whose stride between pages is the first of three. */
static fi_status check_cache_overlaps(const fi_spec *spec, uint32_t kv_heads, const struct strides *strides,
                                      int page_stride) {
  const struct axis page = {page_stride, 0};
  const struct axis token = {page_stride + 1, spec->page_size};
  const struct axis head = {page_stride + 2, kv_heads};
  fi_status status = FI_OK;
  if (stride_is_used(token.stride, spec))
    status = check_overlap(strides, token, head);
  if (!status && stride_is_used(page.stride, spec))
    status = check_overlap(strides, page, token);
  if (!status && stride_is_used(page.stride, spec))
    status = check_overlap(strides, page, head);
  return status;
}

/* Rows of K or V, or their scales: the first one, and how far the next token's is. */
struct rows {
  const char *name;
  const void *first;
  int64_t bytes;
  int64_t token_bytes;
};

static struct rows rows_of(const char *name, const void *first, int token_stride, const fi_spec *spec,
                           const struct strides *strides) {
  const int64_t bytes = stride_row_bytes(token_stride, spec);
  const bool takes_steps = spec->page_size != 1;
  return (struct rows){name, first, bytes, takes_steps ? stride_bytes(token_stride, spec, strides) : bytes};
}

/* Whether the first rows share bytes, or the later ones lie between tokens of the others and take other steps. */
static bool rows_collide(const struct rows *first, const struct rows *later) {
  const uintptr_t distance = (uintptr_t)later->first - (uintptr_t)first->first;
  return distance < (uintptr_t)first->bytes ||
         (distance < (uintptr_t)first->token_bytes && first->token_bytes != later->token_bytes);
}

static fi_status check_apart(const char *prefix, const struct rows *a, const struct rows *b) {
  const bool in_order = (uintptr_t)a->first <= (uintptr_t)b->first;
  if (!rows_collide(in_order ? a : b, in_order ? b : a))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "tensors.%s%s is %p, rows of %lld bytes, %lld a token, and tensors.%s%s is %p, rows of %lld bytes, "
                   "%lld a token; they would overlap",
                   prefix, a->name, a->first, (long long)a->bytes, (long long)a->token_bytes, prefix, b->name, b->first,
                   (long long)b->bytes, (long long)b->token_bytes);
}

/* What append writes must lie apart; attention may have V of its own that is K, but tokens with wide dims are one. */
static fi_status check_parts_of_tokens(const fi_spec *spec, const fi_tensors *tensors, const struct strides *strides) {
  const bool writes_two = spec->op == FI_OP_APPEND && spec->v_source == FI_V_OWN;
  if (spec->wide_dims == 0 && !writes_two)
    return FI_OK;
  const struct rows keys = rows_of("k.data", tensors->k.data, STRIDE_K_TOKEN, spec, strides);
  const struct rows values = rows_of("v.data", tensors->v.data, STRIDE_V_TOKEN, spec, strides);
  const struct rows scales = rows_of("k.scales", tensors->k.scales, STRIDE_K_SCALE_TOKEN, spec, strides);
  fi_status status = check_apart(strides->prefix, &keys, &values);
  if (!status && spec->wide_dims > 0)
    status = check_apart(strides->prefix, &keys, &scales);
  if (!status && spec->wide_dims > 0)
    status = check_apart(strides->prefix, &values, &scales);
  return status;
}

fi_status overlaps_check(const fi_spec *spec, const fi_tensors *tensors, uint32_t heads, uint32_t kv_heads,
                         const struct strides *strides) {
  static const int page_strides[] = {STRIDE_K_PAGE, STRIDE_V_PAGE, STRIDE_K_SCALE_PAGE, STRIDE_V_SCALE_PAGE};
  const struct axis o_token = {STRIDE_O_TOKEN, 0};
  const struct axis o_head = {STRIDE_O_HEAD, heads};
  fi_status status = FI_OK;
  if (stride_is_used(STRIDE_O_TOKEN, spec))
    status = check_overlap(strides, o_token, o_head);
  for (size_t i = 0; i < sizeof page_strides / sizeof *page_strides && !status; i++)
    status = check_cache_overlaps(spec, kv_heads, strides, page_strides[i]);
  return status ? status : check_parts_of_tokens(spec, tensors, strides);
}
