/* fi_run: checks tensors, fills the kernel's argument and launches it. */
#include "generator/abi.h"
#include "generator/derived.h"
#include "generator/dtypes.h"
#include "generator/error.h"
#include "generator/family.h"
#include "runtime/lists.h"
#include "runtime/maps.h"
#include "runtime/overlaps.h"
#include "runtime/scores.h"
#include "runtime/tensors.h"
#include "runtime/workspace.h"

union args {
  struct fi_attention_args attention;
  struct fi_attention_maps_args maps; /* begins with it */
  struct fi_append_args append;
  struct fi_merge_args merge;
  struct fi_indexer_args indexer;
};

struct run {
  const fi_kernel *kernel;
  const fi_tensors *tensors;
  const fi_workspace *workspace;
  const struct workspace_layout *layout; /* of the member at hand */
  struct strides strides;
  struct strides second; /* of a second KV */
  uint32_t heads;        /* of Q and O */
  uint32_t kv_heads;
  uint32_t ctas; /* that the device holds at once, or the workspace says */
};

/* A grid that may be too large: kernels that get it step through their work by the size of the grid. */
static uint32_t capped_grid(uint64_t ctas, uint32_t most) {
  return ctas < most ? (uint32_t)ctas : most;
}

static float or_one(float scale) {
  return scale == 0 ? 1 : scale;
}

static struct fi_kv_args kv_args(const fi_kv *kv, const struct strides *strides, int first_stride, int scale_stride) {
  return (struct fi_kv_args){
      .data = kv->data,
      .scales = kv->scales,
      .scale = or_one(kv->scale),
      .page_stride = strides->of[first_stride],
      .token_stride = strides->of[first_stride + 1],
      .head_stride = strides->of[first_stride + 2],
      .scale_page_stride = strides->of[scale_stride],
      .scale_token_stride = strides->of[scale_stride + 1],
      .scale_head_stride = strides->of[scale_stride + 2],
  };
}

/* K of the first KV or of the second, whichever has these strides. */
static struct fi_kv_args key_args(const fi_kv *k, const struct strides *strides) {
  return kv_args(k, strides, STRIDE_K_PAGE, STRIDE_K_SCALE_PAGE);
}

/* Kernels count V, and the wide dims of K, in elements of K: where they have fewer bits, there are fewer of them. */
static struct fi_kv_args value_args(const fi_spec *spec, const fi_kv *k, const fi_kv *v,
                                    const struct strides *strides) {
  if (spec->v_source == FI_V_KEYS && spec->wide_dims == 0)
    return key_args(k, strides);
  struct fi_kv_args args = kv_args(v, strides, STRIDE_V_PAGE, STRIDE_V_SCALE_PAGE);
  const int64_t v_bits = dtype_of(derived_v_row_dtype(spec))->bits;
  const int64_t k_bits = derived_kv_bits(spec);
  args.page_stride = args.page_stride * v_bits / k_bits;
  args.token_stride = args.token_stride * v_bits / k_bits;
  args.head_stride = args.head_stride * v_bits / k_bits;
  return args;
}

static struct fi_rope_args rope_args(const struct run *run) {
  const fi_tensors *tensors = run->tensors;
  const int64_t page_stride = tensors->key_page_stride;
  return (struct fi_rope_args){
      .key_positions = tensors->key_positions,
      .position_stride = tensors->position_stride,
      .key_position_stride = tensors->key_position_stride,
      .key_page_stride = page_stride > 0 ? page_stride : run->kernel->spec.page_size,
      .table = (const unsigned long long *)tensors->rope_table,
      .magnitude = or_one(tensors->rope_magnitude),
  };
}

/* -------------------------------------------------------------------------------- attention */

static fi_status check_attention(const struct run *run) {
  const fi_status status = scores_check(&run->kernel->spec, run->tensors, run->workspace->max_kv_len);
  return status ? status : lists_check(&run->kernel->spec, run->tensors, run->workspace);
}

static uint32_t fill_attention(const struct run *run, union args *args) {
  const fi_tensors *tensors = run->tensors;
  const fi_kv *values = tensors_values(&run->kernel->spec, tensors);
  const int64_t *stride = run->strides.of;
  args->attention = (struct fi_attention_args){
      .plan = run->layout->arrays.plan,
      .q = tensors->q,
      .o = tensors->o,
      .lse = tensors->lse,
      .k = key_args(&tensors->k, &run->strides),
      .v = value_args(&run->kernel->spec, &tensors->k, &tensors->v, &run->strides),
      .positions = tensors->positions,
      .q_token_stride = stride[STRIDE_Q_TOKEN],
      .q_head_stride = stride[STRIDE_Q_HEAD],
      .o_token_stride = stride[STRIDE_O_TOKEN],
      .o_head_stride = stride[STRIDE_O_HEAD],
      .lse_token_stride = (int)run->heads,
      .plan_id = run->layout->id,
      .o_factor = or_one(tensors->o_scale) * or_one(values->scale) * scores_unit(run->kernel->spec.v_dtype),
      .rope = rope_args(run),
      .snippet_params = tensors->snippet_params,
  };
  scores_fill(&run->kernel->spec, tensors, &args->attention);
  lists_fill(tensors, run->workspace, &args->attention);
  if (run->kernel->spec.second_page) {
    args->attention.second_k = key_args(&tensors->second_k, &run->second);
    args->attention.second_v = value_args(&run->kernel->spec, &tensors->second_k, &tensors->second_v, &run->second);
  }
  return run->layout->ctas;
}

/* -------------------------------------------------------------------------------- indexer */

static fi_status check_indexer(const struct run *run) {
  return lists_check_made(&run->kernel->spec, run->tensors, run->workspace);
}

/* The workspace has ranks for as many CTAs as its layout says. */
static uint32_t fill_indexer(const struct run *run, union args *args) {
  args->indexer = (struct fi_indexer_args){
      .plan = run->layout->arrays.plan,
      .q = run->tensors->q,
      .k = key_args(&run->tensors->k, &run->strides),
      .ranks = run->layout->arrays.ranks,
      .q_token_stride = run->strides.of[STRIDE_Q_TOKEN],
      .q_head_stride = run->strides.of[STRIDE_Q_HEAD],
      .max_blocks = (int)run->layout->max_blocks,
      .kv_heads = (int)run->kv_heads,
      .rows_id = run->layout->rows_id,
  };
  lists_fill_made(&run->kernel->spec, run->tensors, run->workspace, &args->indexer);
  return capped_grid((uint64_t)run->workspace->max_tokens * run->kv_heads, run->ctas);
}

/* -------------------------------------------------------------------------------- append */

static uint32_t fill_append(const struct run *run, union args *args) {
  const fi_tensors *tensors = run->tensors;
  args->append = (struct fi_append_args){
      .plan = run->layout->arrays.plan,
      .k_new = kv_args(&tensors->k_new, &run->strides, STRIDE_K_NEW_PAGE, STRIDE_K_SCALE_PAGE),
      .v_new = kv_args(&tensors->v_new, &run->strides, STRIDE_V_NEW_PAGE, STRIDE_V_SCALE_PAGE),
      .k = key_args(&tensors->k, &run->strides),
      .v = value_args(&run->kernel->spec, &tensors->k, &tensors->v, &run->strides),
      .positions = tensors->positions,
      .slots = tensors->slots,
      .kv_heads = (int)run->kv_heads,
      .rows_id = run->layout->rows_id,
      .tokens = (int)tensors->tokens,
      .rope = rope_args(run),
  };
  const uint32_t tokens = run->kernel->plan ? run->workspace->max_tokens : tensors->tokens;
  return capped_grid((uint64_t)tokens * run->kv_heads, run->ctas);
}

/* -------------------------------------------------------------------------------- merge */

/* The extents that no plan says. */
static fi_status check_extents(const struct run *run) {
  const struct {
    const char *name;
    uint32_t value;
    bool read;
  } fields[] = {
      {"parts", run->tensors->parts, run->kernel->spec.op == FI_OP_MERGE},
      {"tokens", run->tensors->tokens, !run->kernel->plan},
      {"heads", run->tensors->heads, !run->kernel->plan},
  };
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (fields[i].read && (fields[i].value == 0 || fields[i].value > INT32_MAX))
      return error_set(FI_ERROR_ARGUMENT, "tensors.%s is %u; it must be 1 to %d", fields[i].name, fields[i].value,
                       INT32_MAX);
  }
  return FI_OK;
}

static uint32_t fill_merge(const struct run *run, union args *args) {
  const fi_tensors *tensors = run->tensors;
  args->merge = (struct fi_merge_args){
      .parts_o = tensors->parts_o,
      .parts_lse = tensors->parts_lse,
      .o = tensors->o,
      .lse = tensors->lse,
      .o_token_stride = run->strides.of[STRIDE_O_TOKEN],
      .o_head_stride = run->strides.of[STRIDE_O_HEAD],
      .parts = (int)tensors->parts,
      .tokens = (int)tensors->tokens,
      .heads = (int)tensors->heads,
      .o_factor = or_one(tensors->o_scale),
  };
  const uint64_t rows = (uint64_t)tensors->tokens * tensors->heads;
  const uint32_t warps = run->kernel->tile.threads / 32;
  return capped_grid((rows + warps - 1) / warps, INT32_MAX); /* a warp takes a row */
}

/* -------------------------------------------------------------------------------- run */

/* What differs between the ops. A launch has `fill`'s number of CTAs. */
static const struct op_rule {
  fi_status (*check)(const struct run *run);
  uint32_t (*fill)(const struct run *run, union args *args);
} op_rules[] = {
    [FI_OP_ATTENTION] = {check_attention, fill_attention},
    [FI_OP_APPEND] = {check_extents, fill_append},
    [FI_OP_MERGE] = {check_extents, fill_merge},
    [FI_OP_INDEXER] = {check_indexer, fill_indexer},
};

static fi_status prepare_run(fi_kernel *kernel, struct run *run, struct workspace_parts *parts, void *stream) {
  if (!kernel->plan) {
    *parts = (struct workspace_parts){.count = 1, .of = {{.kernel = kernel}}};
    run->heads = run->tensors->heads;
    run->kv_heads = run->tensors->heads;
    return kernel_prepare_for_stream(kernel, stream, &run->ctas);
  }
  const fi_status status = workspace_for_launch(kernel, run->workspace, stream, parts);
  if (status)
    return status;
  run->heads = run->workspace->kv_heads * kernel->spec.group;
  run->kv_heads = run->workspace->kv_heads;
  run->ctas = parts->of[0].layout.ctas;
  return FI_OK;
}

/* What a launch of the member at hand is given. */
static fi_status fill_launch(const struct run *run, union args *args, struct launch *launch) {
  launch->ctas = op_rules[run->kernel->spec.op].fill(run, args);
  launch->shape = kernel_shape(run->kernel);
  launch->args = args;
  if (!run->kernel->tile.family->maps)
    return FI_OK;
  return maps_fill(run->kernel, &run->strides, run->heads, run->kv_heads, &args->maps);
}

/*
 * Launches of the fewest rows come first: they have two CTAs an SM and leave it in parts, which kernels of more rows
 * wait for anyway. But what many requests share comes before what each has alone: the last partials of rows are then
 * those of many CTAs, which merge them side by side.
 */
static uint32_t part_at(const struct workspace_parts *parts, uint32_t place) {
  return parts->share ? parts->count - 1 - place : place;
}

/* Launches that are on the machine together have one CTA more, which waits for the one in front. */
static void set_order(struct launch *launch, union args *args, uint32_t place, uint32_t count) {
  if (!launch->shape.overlaps)
    return;
  const bool follows = place > 0;
  const bool leads = place + 1 < count;
  args->attention.order = (follows ? FI_ORDER_FOLLOWS : 0) | (leads ? FI_ORDER_LEADS : 0);
  launch->ctas += follows;
}

/* One launch for each of the kernel's members that the bounds allow, or none where one cannot be. */
static fi_status launch_parts(struct run *run, const struct workspace_parts *parts, void *stream) {
  union args args[MOST_MEMBERS];
  struct launch launches[MOST_MEMBERS];
  fi_status status = FI_OK;
  for (uint32_t i = 0; i < parts->count && !status; i++) {
    const struct workspace_part *part = &parts->of[part_at(parts, i)];
    launches[i] = (struct launch){.stream = stream};
    run->kernel = part->kernel;
    run->layout = &part->layout;
    status = fill_launch(run, &args[i], &launches[i]);
    if (parts->count > 1) {
      args[i].attention.plan.header = parts->of[0].layout.arrays.plan.header;
      set_order(&launches[i], &args[i], i, parts->count);
    }
  }
  for (uint32_t i = 0; i < parts->count && !status; i++)
    status = kernel_launch(parts->of[part_at(parts, i)].kernel, &launches[i]);
  return status;
}

static fi_status check_second(struct run *run) {
  fi_spec of_second;
  fi_tensors second;
  tensors_second(&run->kernel->spec, run->tensors, &of_second, &second);
  const fi_status status = tensors_check_second(&of_second, &second, run->kv_heads, &run->second);
  return status ? status : overlaps_check(&of_second, &second, run->heads, run->kv_heads, &run->second);
}

fi_status fi_run(fi_kernel *kernel, const fi_tensors *tensors, const fi_workspace *workspace, void *stream) {
  fi_status status = kernel_check(kernel);
  if (status)
    return status;
  if (kernel->spec.op == FI_OP_PLAN)
    return error_set(FI_ERROR_ARGUMENT, "kernel is a plan kernel; fi_plan launches it with the kernel it plans for");
  status = abi_check(ABI_tensors, tensors);
  if (status)
    return status;
  struct run run = {.kernel = kernel, .tensors = tensors, .workspace = workspace};
  struct workspace_parts parts;
  status = prepare_run(kernel, &run, &parts, stream);
  if (!status)
    status = op_rules[kernel->spec.op].check(&run);
  if (!status)
    status = tensors_check(&kernel->spec, tensors, run.heads, run.kv_heads, &run.strides);
  if (!status)
    status = overlaps_check(&kernel->spec, tensors, run.heads, run.kv_heads, &run.strides);
  if (!status && kernel->spec.second_page)
    status = check_second(&run);
  return status ? status : launch_parts(&run, &parts, stream);
}
