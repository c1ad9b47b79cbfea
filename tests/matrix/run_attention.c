/* An attention kernel on random batches: right, the same twice, and with a fixed split the same without its
 * neighbours. */
#include "tests/matrix/runs.h"

#include "tests/dtypes.h"
#include "tests/matrix/attention_check.h"
#include "tests/matrix/batch_snippet.h"
#include "tests/matrix/inside.h"
#include "tests/matrix/plan_check.h"
#include "tests/matrix/prefix_check.h"

#include <stdlib.h>
#include <string.h>

struct attention_run {
  struct trial *trial;
  fi_kernel *kernel;
  struct batch_case batch;
  unsigned char *o; /* results of the first launch */
  unsigned char *lse;
  int32_t *alone; /* on the device: q_indptr of one request alone, and what it shares with others */
};

static const struct mirror *output(const struct attention_run *run, enum buffer buffer) {
  return &run->batch.buffers[buffer];
}

static bool launch(struct attention_run *run, const fi_tensors *tensors) {
  return attention_launch(run->trial, run->kernel, &run->batch, tensors);
}

static bool plan(struct attention_run *run, const fi_batch *lengths) {
  const fi_status status = fi_plan(run->kernel, lengths, &run->batch.workspace, NULL);
  device_sync(&run->trial->device, NULL);
  return trial_ok(run->trial, "fi_plan", status);
}

static bool check_plan(struct attention_run *run, const fi_batch *lengths) {
  const struct batch_case *batch = &run->batch;
  struct prefix_cost cost;
  if (batch->kind == BATCH_SHARED || batch->kind == BATCH_DIVIDED)
    return prefix_check(run->trial, batch, run->kernel, &cost);
  const fi_batch masks = batch_case_lengths(batch, true);
  const struct planned planned = {
      .kernel = run->kernel,
      .spec = &batch->spec,
      .workspace = &batch->workspace,
      .page_table = lengths->page_table,
      .first_token = batch->first_token,
      .requests = batch->requests,
      .q_len = batch->q_len,
      .kv_len = batch->kv_len,
      .kv_indptr = batch->spec.index == FI_INDEX_CSR ? batch->buffers[BUFFER_KV_INDPTR].host : NULL,
      .masks = &masks,
  };
  return plan_check(run->trial, &planned);
}

/* ---------------------------------------------------------------------------------------------- same bits */

static bool keep_outputs(struct attention_run *run) {
  const struct mirror *o = output(run, BUFFER_O);
  const struct mirror *lse = output(run, BUFFER_LSE);
  run->o = malloc(o->bytes + 1);
  run->lse = malloc(lse->bytes + 1);
  if (!run->o || !run->lse)
    return trial_fail(run->trial, "no memory for the results");
  memcpy(run->o, o->host, o->bytes);
  memcpy(run->lse, lse->host, lse->bytes);
  return true;
}

static bool check_repetition(struct attention_run *run, const fi_tensors *tensors) {
  if (!launch(run, tensors))
    return false;
  if (memcmp(run->o, output(run, BUFFER_O)->host, output(run, BUFFER_O)->bytes) == 0 &&
      memcmp(run->lse, output(run, BUFFER_LSE)->host, output(run, BUFFER_LSE)->bytes) == 0)
    return true;
  return trial_fail(run->trial, "a second launch gives other bits than the first");
}

static void *shifted(const void *pointer, int64_t elements, size_t element) {
  return (char *)(uintptr_t)pointer + elements * (int64_t)element;
}

/* The lengths of one request alone. */
static fi_batch lengths_alone(const struct attention_run *run, uint32_t request) {
  const size_t id = run->batch.spec.page_ids == FI_IDS_INT64 ? sizeof(int64_t) : sizeof(int32_t);
  const struct reference reference = batch_case_reference(&run->batch);
  fi_batch lengths = batch_case_lengths(&run->batch, false);
  lengths.requests = 1;
  if (lengths.q_indptr)
    lengths.q_indptr = run->alone;
  if (lengths.kv_len)
    lengths.kv_len += request;
  if (lengths.last_page_len)
    lengths.last_page_len += request;
  if (lengths.kv_start)
    lengths.kv_start += request;
  if (lengths.mask_offsets)
    lengths.mask_offsets += request;
  if (lengths.range_indptr)
    lengths.range_indptr += request;
  if (lengths.shared)
    lengths.shared = run->alone + 2;
  if (lengths.selected_len)
    lengths.selected_len += reference_query_begin(&reference, request);
  if (lengths.kv_indptr)
    lengths.kv_indptr += request;
  if (lengths.page_table)
    lengths.page_table = shifted(lengths.page_table, request * lengths.page_table_stride, id);
  if (lengths.second_page_table) {
    lengths.second_page_table = shifted(lengths.second_page_table, request * lengths.second_page_table_stride, id);
    lengths.second_kv_len += request;
  }
  return lengths;
}

/* Scales of tokens or groups, to those of one request of a contiguous cache. */
static void shift_scales(struct reference_scale_rows rows, uint32_t request, fi_kv *kv) {
  if (rows.count > 0)
    kv->scales = shifted(kv->scales, request * kv->scale_page_stride, dtype_bytes(rows.dtype));
}

/* The tensors of one request alone: pointers to its first token, and to its place in a contiguous cache. */
static fi_tensors tensors_alone(const struct attention_run *run, uint32_t request) {
  const struct batch_case *batch = &run->batch;
  const struct reference reference = batch_case_reference(batch);
  const fi_spec *spec = &batch->spec;
  const int64_t token = reference_query_begin(&reference, request);
  fi_tensors tensors = batch_case_tensors(batch, false);
  tensors.q = shifted(tensors.q, token * tensors.q_token_stride, dtype_bytes(spec->q_dtype));
  tensors.o = shifted(tensors.o, token * tensors.o_token_stride, dtype_bytes(spec->o_dtype));
  if (tensors.lse)
    tensors.lse += token * batch->kv_heads * spec->group;
  if (tensors.positions)
    tensors.positions += token;
  if (tensors.selected)
    tensors.selected += reference_list_offset(&reference, (uint32_t)token, 0);
  tensors.snippet_params = batch_snippet_alone(batch, tensors.snippet_params, request);
  if (tensors.bias)
    tensors.bias = shifted(tensors.bias, token * tensors.bias_token_stride,
                           spec->bias == FI_BIAS_DISTANCE ? sizeof(float) : sizeof(uint16_t));
  if (spec->page_size == 0 && spec->index == FI_INDEX_DENSE) {
    tensors.k.data = shifted(tensors.k.data, request * batch->pool.k.unit_stride, 1);
    if (reference_v_rows(spec).dim > 0)
      tensors.v.data = shifted(tensors.v.data, request * batch->pool.v.unit_stride, 1);
    shift_scales(reference_k_scale_rows(spec), request, &tensors.k);
    shift_scales(reference_v_scale_rows(spec), request, &tensors.v);
    if (tensors.key_positions)
      tensors.key_positions += request * tensors.key_page_stride;
  }
  return tensors;
}

/* Whether the rows of a request have the bits that they had in the whole batch. */
static bool same_rows(struct attention_run *run, uint32_t request) {
  const struct reference reference = batch_case_reference(&run->batch);
  const fi_spec *spec = &run->batch.spec;
  const size_t element = dtype_bytes(spec->o_dtype);
  const uint32_t heads = run->batch.kv_heads * spec->group;
  const uint32_t begin = reference_query_begin(&reference, request);
  for (uint32_t token = begin; token < begin + run->batch.q_len[request]; token++) {
    for (uint32_t head = 0; head < heads; head++) {
      const size_t o = (size_t)reference_o_offset(&reference, token, head) * element;
      const size_t lse = (token * heads + head) * sizeof(float);
      if (memcmp(run->o + o, (char *)output(run, BUFFER_O)->host + o, spec->v_dim * element) ||
          memcmp(run->lse + lse, (char *)output(run, BUFFER_LSE)->host + lse, sizeof(float)))
        return trial_fail(run->trial,
                          "request %u, token %u, head %u, alone with split_tokens=%u has other bits than in its batch",
                          request, token - begin, head, run->batch.workspace.split_tokens);
    }
  }
  return true;
}

/* With a fixed split a request's result depends neither on its neighbours nor on the number of CTAs. */
static bool check_independence(struct attention_run *run) {
  const uint32_t request = random_below(&run->trial->random, run->batch.requests);
  const int32_t alone[4] = {0, (int32_t)run->batch.q_len[request], 0, 0};
  const uint32_t ctas = run->batch.workspace.ctas;
  run->alone = device_alloc(&run->trial->device, sizeof alone);
  device_upload(&run->trial->device, run->alone, alone, sizeof alone);
  const fi_batch lengths = lengths_alone(run, request);
  const fi_tensors tensors = tensors_alone(run, request);
  run->batch.workspace.ctas = trial_between(run->trial, 1, ctas);
  const bool passed = plan(run, &lengths) && launch(run, &tensors) && same_rows(run, request);
  run->batch.workspace.ctas = ctas;
  return passed;
}

/* ------------------------------------------------------------------------------------------------ run */

static bool check_batch(struct attention_run *run) {
  const fi_batch lengths = batch_case_lengths(&run->batch, false);
  const fi_tensors tensors = batch_case_tensors(&run->batch, false);
  if (!batch_case_reserve(&run->batch, run->trial, run->kernel) || !plan(run, &lengths) || !check_plan(run, &lengths) ||
      !launch(run, &tensors) || !keep_outputs(run) || !attention_check(run->trial, &run->batch))
    return false;
  const bool is_repeated =
      run->batch.kind == BATCH_SPLIT || run->batch.kind == BATCH_PIECES || trial_chance(run->trial, 4);
  if (is_repeated && (!check_repetition(run, &tensors) || !check_plan(run, &lengths)))
    return false;
  return run->batch.workspace.split_tokens == 0 || check_independence(run);
}

static bool run_batch(struct trial *trial, fi_kernel *kernel, const fi_spec *canonical, const struct tile *tile,
                      enum batch_kind kind) {
  struct attention_run run = {.trial = trial, .kernel = kernel};
  const bool passed = batch_case_create(&run.batch, trial, canonical, tile, kind) && check_batch(&run);
  batch_case_free(&run.batch, trial);
  device_free(&trial->device, run.alone);
  free(run.o);
  free(run.lse);
  return passed;
}

bool run_attention(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)))
    return false;
  const struct tile *tile = inside_tile(kernel);
  const enum batch_kind usual = trial_chance(trial, 4) ? BATCH_SINGLE : BATCH_MIXED;
  const enum batch_kind first = canonical->prefixes ? BATCH_SHARED : usual;
  return run_batch(trial, kernel, canonical, tile, first) && run_batch(trial, kernel, canonical, tile, BATCH_SPLIT);
}

bool run_pieces(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  return trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)) &&
         run_batch(trial, kernel, canonical, inside_tile(kernel), BATCH_PIECES) &&
         run_batch(trial, kernel, canonical, inside_tile(kernel), BATCH_ALONE);
}

bool run_divided(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  return trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)) &&
         run_batch(trial, kernel, canonical, inside_tile(kernel), BATCH_DIVIDED);
}
