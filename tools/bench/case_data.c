/* Makes the inputs of a case on the device, as often as it takes to exceed the L2 cache. */
#include "tools/bench/case_parts.h"

#include "tools/flashjit/problem.h"

#include <stdlib.h>

enum { SET_BYTES = 300000000 /* of KV in all sets together: several times L2 */ };

static const float softcap = 50; /* Gemma 2's */

static bool call_worked(const char *call, fi_status status) {
  return status == FI_OK || problem_set("%s: %s", call, fi_last_error());
}

/* What the kernels write, and nobody needs to have drawn. */
static bool is_on_host(enum case_buffer buffer) {
  static const bool is_written[CASE_BUFFERS] = {
      [CASE_O] = true, [CASE_LISTS] = true, [CASE_LSE] = true, [CASE_MEMORY] = true, [CASE_SCRATCH] = true};
  return !is_written[buffer];
}

static bool make_host(struct case_data *data) {
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
    if (data->bytes[b] == 0 || !is_on_host(b))
      continue;
    data->host[b] = calloc(1, data->bytes[b]);
    if (!data->host[b])
      return problem_set("no host memory for %zu bytes", data->bytes[b]);
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ device */

static bool make_kernel(struct case_data *data, fi_ctx *ctx) {
  const struct bench_case *what = &data->what;
  fi_spec spec;
  data->spec.struct_size = sizeof data->spec;
  data->bounds = bench_batch_bounds(&what->batch, what->kv_heads);
  data->bounds.max_selected = what->listed;
  const bool made = call_worked("fi_spec_parse", fi_spec_parse(what->spec_text, &spec)) &&
                    call_worked("fi_get_kernel", fi_get_kernel(ctx, &spec, &data->kernel)) &&
                    call_worked("fi_kernel_spec", fi_kernel_spec(data->kernel, &data->spec)) &&
                    call_worked("fi_workspace_size", fi_workspace_size(data->kernel, &data->bounds));
  data->spec.v_source = what->spec.v_source; /* an indexer's has no V at all */
  data->spec.v_dim = what->spec.v_dim;
  return made;
}

static void make_set(struct case_data *data, uint32_t set) {
  struct device *device = data->device;
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
    if (data->bytes[b] == 0)
      continue;
    data->memory[set][b] = device_alloc(device, data->bytes[b]);
    if (data->host[b])
      device_upload(device, data->memory[set][b], data->host[b], data->bytes[b]);
    else
      device_fill(device, data->memory[set][b], 0xff, data->bytes[b]);
  }
}

static uint32_t count_sets(const struct case_data *data) {
  const double sets = data->device->simulated ? 1 : SET_BYTES / bench_case_bytes(&data->what) + 1;
  return sets > MOST_SETS ? MOST_SETS : (uint32_t)sets;
}

bool case_data_make(struct case_data *data, const struct bench_case *what, struct device *device, fi_ctx *ctx,
                    random_state *random) {
  *data = (struct case_data){.device = device};
  if (!bench_case_launched(what, &data->what) || !make_kernel(data, ctx))
    return false;
  case_set_sizes(data);
  if (!make_host(data) || !case_fill(data, random))
    return false;
  data->sets = count_sets(data);
  for (uint32_t set = 0; set < data->sets; set++) {
    make_set(data, set);
    if (device_failed(device))
      break;
    const fi_batch batch = case_batch(data, set);
    const fi_workspace workspace = case_workspace(data, set);
    if (!call_worked("fi_plan", fi_plan(data->kernel, &batch, &workspace, NULL)))
      return false;
  }
  device_sync(device, NULL);
  return !device_failed(device) || problem_set("%s", device->error);
}

void case_data_free(struct case_data *data) {
  for (uint32_t set = 0; set < data->sets; set++) {
    for (enum case_buffer b = 0; b < CASE_BUFFERS; b++) {
      if (data->memory[set][b])
        device_free(data->device, data->memory[set][b]);
    }
  }
  for (enum case_buffer b = 0; b < CASE_BUFFERS; b++)
    free(data->host[b]);
  bench_batch_free(&data->what.batch);
  *data = (struct case_data){0};
}

/* ------------------------------------------------------------------------------------------------ structs */

static fi_batch batch_on(const struct case_data *data, void *const *memory) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = data->what.batch.count,
                    .q_indptr = memory[CASE_Q_INDPTR],
                    .kv_len = memory[CASE_KV_LEN],
                    .kv_indptr = memory[CASE_KV_INDPTR],
                    .page_table = memory[CASE_PAGE_TABLE],
                    .page_table_stride = case_has_indptr(data) ? 0 : data->table_stride,
                    .second_page_table = memory[CASE_SECOND_TABLE],
                    .second_page_table_stride = data->second_stride,
                    .second_kv_len = memory[CASE_SECOND_LEN],
                    .mask_bits = memory[CASE_MASK_BITS],
                    .mask_offsets = memory[CASE_MASK_OFFSETS],
                    .mask_stride = (int64_t)case_mask_words(data),
                    .shared = memory[CASE_SHARED]};
}

/* Of a contiguous cache: elements from a request to the next. */
static int64_t request_stride(const struct case_data *data, uint32_t elements) {
  const bool is_contiguous = !case_is_paged(data) && !case_has_indptr(data);
  return is_contiguous ? (int64_t)bench_batch_most_kv(&data->what.batch) * data->what.kv_heads * elements : 0;
}

static fi_kv cache_on(const struct case_data *data, void *rows, void *scales, uint32_t dim, uint32_t scales_of_row) {
  return (fi_kv){.data = rows,
                 .scales = scales,
                 .page_stride = request_stride(data, dim),
                 .scale_page_stride = request_stride(data, scales_of_row)};
}

static fi_tensors tensors_on(const struct case_data *data, void *const *memory) {
  const fi_spec *spec = &data->spec;
  const struct case_bias bias = case_bias(data);
  return (fi_tensors){
      .struct_size = sizeof(fi_tensors),
      .q = memory[CASE_Q],
      .o = memory[CASE_O],
      .lse = memory[CASE_LSE],
      .k = cache_on(data, memory[CASE_K], memory[CASE_K_SCALES], reference_k_rows(spec).dim,
                    reference_k_scale_rows(spec).packed),
      .v = cache_on(data, memory[CASE_V], memory[CASE_V_SCALES], reference_v_rows(spec).dim,
                    reference_v_scale_rows(spec).packed),
      .sinks = memory[CASE_SINKS],
      .slopes = memory[CASE_SLOPES],
      .bias = memory[CASE_BIAS],
      .bias_token_stride = bias.token_stride,
      .bias_head_stride = bias.head_stride,
      .bias_extent = bias.extent,
      .bias_first = bias.first,
      .softcap = spec->softcap ? softcap : 0,
      .rope_table = memory[CASE_ROPE_TABLE],
      .rope_magnitude = data->rope_magnitude,
      .selected = memory[CASE_SELECTED],
      .weights = memory[CASE_WEIGHTS],
      .lists = memory[CASE_LISTS],
      .first_blocks = data->what.first,
      .last_blocks = data->what.last,
      .second_k = {.data = memory[CASE_SECOND_K], .scales = memory[CASE_SECOND_K_SCALES]},
      .second_v = {.data = memory[CASE_SECOND_V], .scales = memory[CASE_SECOND_V_SCALES]},
  };
}

fi_batch case_batch(const struct case_data *data, uint32_t set) {
  return batch_on(data, data->memory[set]);
}

fi_tensors case_tensors(const struct case_data *data, uint32_t set) {
  return tensors_on(data, data->memory[set]);
}

fi_workspace case_workspace(const struct case_data *data, uint32_t set) {
  fi_workspace workspace = data->bounds;
  workspace.memory = data->memory[set][CASE_MEMORY];
  workspace.scratch = data->memory[set][CASE_SCRATCH];
  return workspace;
}

struct reference case_reference(const struct case_data *data) {
  return (struct reference){.spec = data->spec,
                            .batch = batch_on(data, data->host),
                            .tensors = tensors_on(data, data->host),
                            .kv_heads = data->what.kv_heads,
                            .max_selected = data->what.listed};
}
