/*
 * Bad input over the public functions: each case changes one thing of a call that works, and the answer must
 * have the status and name what is wrong.
 */
#include "change.h"
#include "fakes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(bad_input, .init = fakes_reset);

static void expect(const char *table, size_t number, fi_status status, fi_status expected, const char *message) {
  cr_expect_eq(status, expected, "%s %zu: %s: %s", table, number, fi_status_name(status), fi_last_error());
  cr_expect(strstr(fi_last_error(), message), "%s %zu: %s", table, number, fi_last_error());
}

static const char *text_of(const struct change *change) {
  return change->spec ? change->spec : "attention group=4 page=16";
}

/* -------------------------------------------------------------------------------- specs */

#define SPEC(field, value) CHANGE(fi_spec, field, value)

/* A latent cache with scales of groups and wide dims. */
#define LATENT "attention hd=576 v_dim=512 kv=e4m3 scale=groups page=64 v_source=keys"
#define LATENT_APPEND "append hd=512 kv=e4m3 scale=e8m0 page=64 v_source=keys"

static const struct change spec_changes[] = {
    {NULL, SPEC(op, 5), FI_ERROR_SPEC, "op is 5"},
    {NULL, SPEC(family, 3), FI_ERROR_SPEC, "family is 3"},
    {NULL, SPEC(head_dim, 100), FI_ERROR_SPEC, "head_dim is 100"},
    {NULL, SPEC(head_dim, 584), FI_ERROR_SPEC, "head_dim is 584"},
    {NULL, SPEC(head_dim, 36), FI_ERROR_SPEC, "head_dim is 36; allowed: multiples of 8 from 32 to 576"},
    {NULL, SPEC(head_dim, 264), FI_ERROR_UNSUPPORTED, "head_dim is 264 with v_source own: above 256 it is 512, or"},
    {"append v_dim=128", SPEC(head_dim, 576), FI_ERROR_UNSUPPORTED, "head_dim is 576 with v_source own"},
    {NULL, SPEC(v_dim, 24), FI_ERROR_SPEC, "v_dim is 24"},
    {NULL, SPEC(v_dim, 264), FI_ERROR_SPEC, "v_dim is 264; allowed: multiples of 8 from 32 to 256, and 512"},
    {NULL, SPEC(v_source, 2), FI_ERROR_SPEC, "v_source is 2; allowed: own, keys"},
    {"attention page=16", SPEC(prefixes, 3), FI_ERROR_SPEC, "prefixes is 3; allowed: 0, 1, 2"},
    {"plan", SPEC(prefixes, 1), FI_ERROR_UNSUPPORTED, "prefixes is 1 with intervals 0: a plan that knows of prefixes"},
    {"attention v_dim=128 v_source=keys", SPEC(head_dim, 64), FI_ERROR_UNSUPPORTED,
     "v_dim is 128 with head_dim 64: V in K is no longer than K"},
    {"attention hd=320 v_dim=64 v_source=keys", SPEC(v_dim, 0), FI_ERROR_UNSUPPORTED,
     "v_dim is 320 with head_dim 320: V has multiples of 8 from 32 to 256, or 512 elements"},
    {"append v_source=keys", SPEC(kv_dtype, FI_I4), FI_ERROR_UNSUPPORTED, "v_source is keys with kv_dtype int4"},
    {NULL, SPEC(kv_scale, 6), FI_ERROR_SPEC, "kv_scale is 6; allowed: none, tensor, head, token, groups, e8m0"},
    {LATENT, SPEC(wide_dims, 264), FI_ERROR_SPEC, "wide_dims is 264; allowed: 0 to 256"},
    {NULL, SPEC(group, 129), FI_ERROR_SPEC, "group is 129"},
    {NULL, SPEC(rows, 17), FI_ERROR_SPEC, "rows is 17"},
    {NULL, SPEC(rows, 256), FI_ERROR_SPEC, "rows is 256"},
    {"attention group=20", SPEC(rows, 16), FI_ERROR_UNSUPPORTED, "rows is 16 with group 20"},
    {NULL, SPEC(q_dtype, FI_E5M2), FI_ERROR_SPEC, "q_dtype is 4"},
    {NULL, SPEC(q_dtype, 9), FI_ERROR_SPEC, "q_dtype is 9"},
    {NULL, SPEC(kv_dtype, 5), FI_ERROR_SPEC, "kv_dtype is 5"},
    {NULL, SPEC(v_dtype, 5), FI_ERROR_SPEC, "v_dtype is 5; allowed: f16, bf16, e4m3, e5m2, int8, int4, nvfp4"},
    {NULL, SPEC(v_dtype, FI_F16), FI_ERROR_UNSUPPORTED, "v_dtype is f16 with kv_dtype bf16: V has the type of K"},
    {"attention kv=int4", SPEC(scale_group, 8), FI_ERROR_SPEC, "scale_group is 8; allowed: 16, 32, 64, 128"},
    {"append kv=nvfp4", SPEC(scale_group, 64), FI_ERROR_UNSUPPORTED, "scale_group is 64 with v_dtype nvfp4"},
    {"append kv=int4", SPEC(v_dim, 160), FI_ERROR_UNSUPPORTED, "scale_group is 32 with v_dim 160: the scales of a row"},
    {"attention kv=int8 v=int4", SPEC(kv_scale, FI_SCALE_TENSOR), FI_ERROR_UNSUPPORTED,
     "v_dtype is int4 with kv_scale tensor"},
    {"attention kv=e4m3", SPEC(kv_scale, FI_SCALE_TOKEN), FI_ERROR_UNSUPPORTED,
     "kv_scale is token with kv_dtype e4m3: only kv_dtype int8 has scales of tokens"},
    {NULL, SPEC(kv_scale, FI_SCALE_HEAD), FI_ERROR_UNSUPPORTED, "kv_scale is head with kv_dtype bf16"},
    {NULL, SPEC(page_size, 16385), FI_ERROR_SPEC, "page_size is 16385"},
    {NULL, SPEC(index, 2), FI_ERROR_SPEC, "index is 2"},
    {NULL, SPEC(mask, 2), FI_ERROR_SPEC, "mask is 2"},
    {NULL, SPEC(lse, 3), FI_ERROR_SPEC, "lse is 3"},
    {NULL, SPEC(rope, 3), FI_ERROR_SPEC, "rope is 3"},
    {"attention rope=half", SPEC(rope_keys, 2), FI_ERROR_SPEC, "rope_keys is 2"},
    {"attention rope=half", SPEC(rope_dim, 1), FI_ERROR_SPEC, "rope_dim is 1; allowed: 2 to 576"},
    {"attention rope=half", SPEC(rope_dim, 23), FI_ERROR_UNSUPPORTED, "rope_dim is 23 with rope half: dims"},
    {"append rope=half rope_dim=64", SPEC(rope_first, 66), FI_ERROR_UNSUPPORTED,
     "rope_first is 66 with rope_dim 64: the rotated dims must end within the head"},
    {"attention rope=half rope_dim=64", SPEC(rope_first, 1), FI_ERROR_UNSUPPORTED, "rope_first is 1 with rope half"},
    {"attention rope=half rope_dim=64", SPEC(rope_first, 575), FI_ERROR_SPEC, "rope_first is 575; allowed: 0 to 574"},
    {"attention rope=half hd=64", SPEC(rope_dim, 80), FI_ERROR_UNSUPPORTED, "rope_dim is 80 with head_dim 64"},
    {"attention rope=half positions=array", SPEC(rope_axes, 2), FI_ERROR_SPEC, "rope_axes is 2; allowed: 1, 3"},
    {"attention rope=half", SPEC(rope_positions, 2), FI_ERROR_SPEC, "rope_positions is 2"},
    {NULL, SPEC(softcap, 2), FI_ERROR_SPEC, "softcap is 2; allowed: 0, 1"},
    {NULL, SPEC(sinks, 2), FI_ERROR_SPEC, "sinks is 2; allowed: 0, 1"},
    {NULL, SPEC(bias, 5), FI_ERROR_SPEC, "bias is 5; allowed: none, slopes"},
    {NULL, SPEC(snippet, 3), FI_ERROR_SPEC, "snippet is 3; allowed: none, logit, weight"},
    {NULL, SPEC(snippet, FI_SNIPPET_LOGIT), FI_ERROR_SPEC,
     "snippet_hash is 0 with snippet logit; allowed: what fi_register_snippet gives"},
    {NULL, SPEC(snippet_hash, 0xdeadbeef), FI_ERROR_SPEC,
     "snippet_hash is 00000000deadbeef with snippet none; allowed: 0"},
    {"attention snippet=logit:00000000deadbeef", SPEC(group, 2), FI_ERROR_SPEC,
     "no snippet of this hash is registered in this process"},
    {"attention snippet=weight:00000000deadbeef", SPEC(lse, FI_LSE_BASE2), FI_ERROR_UNSUPPORTED,
     "snippet is weight with lse 2: weights of a snippet have no log-sum-exp"},
    {"attention snippet=weight:00000000deadbeef", SPEC(sinks, 1), FI_ERROR_UNSUPPORTED,
     "snippet is weight with sinks 1: weights of a snippet have no sum for a sink"},
    {"attention kv=int8 snippet=weight:00000000deadbeef", SPEC(kv_scale, FI_SCALE_TOKEN), FI_ERROR_UNSUPPORTED,
     "snippet is weight with kv_scale token: weights of a snippet do not take the scale of V of each token"},
    {NULL, SPEC(select, 16385), FI_ERROR_SPEC, "select is 16385; allowed: 0 to 16384"},
    {"attention bits=1", SPEC(select, 1), FI_ERROR_UNSUPPORTED, "select is 1 with mask_bits 1: lists say which tokens"},
    {"attention bias=slopes", SPEC(select, 16), FI_ERROR_UNSUPPORTED,
     "select is 16 with bias slopes: scores of listed"},
    {"attention rope=half keys=unrotated", SPEC(select, 1), FI_ERROR_UNSUPPORTED,
     "select is 1 with rope_keys unrotated"},
    {"attention snippet=logit:00000000deadbeef", SPEC(select, 1), FI_ERROR_UNSUPPORTED,
     "select is 1 with snippet logit"},
};

Test(bad_input, specs) {
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof spec_changes / sizeof *spec_changes; i++) {
    fi_spec spec = spec_of(text_of(&spec_changes[i]));
    fi_kernel *kernel = address(1);
    change_apply(&spec_changes[i], &spec);
    expect("spec", i, fi_get_kernel(ctx, &spec, &kernel), spec_changes[i].status, spec_changes[i].message);
    cr_expect_null(kernel);
    expect("spec", i, fi_precompile(ctx, &spec, NULL), spec_changes[i].status, spec_changes[i].message);
  }
  cr_expect_eq(fakes.compiles, 0);
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- workspaces */

#define WORKSPACE(field, value) CHANGE(fi_workspace, field, value)

static const struct change workspace_changes[] = {
    {NULL, WORKSPACE(max_requests, 0), FI_ERROR_ARGUMENT, "workspace.max_requests is 0"},
    {NULL, WORKSPACE(max_tokens, 0), FI_ERROR_ARGUMENT, "workspace.max_tokens is 0"},
    {NULL, WORKSPACE(max_kv_len, 0), FI_ERROR_ARGUMENT, "workspace.max_kv_len is 0"},
    {NULL, WORKSPACE(kv_heads, 0), FI_ERROR_ARGUMENT, "workspace.kv_heads is 0"},
    {NULL, WORKSPACE(max_q_len, 1u << 31), FI_ERROR_ARGUMENT,
     "workspace.max_q_len is 2147483648; it must be 0 to 2147483647"},
    {NULL, WORKSPACE(max_requests, 0x80000000), FI_ERROR_ARGUMENT, "workspace.max_requests is 2147483648"},
    {NULL, WORKSPACE(max_kv_len, 0xffffffff), FI_ERROR_ARGUMENT, "workspace.max_kv_len is 4294967295"},
    {NULL, WORKSPACE(split_tokens, 100), FI_ERROR_ARGUMENT, "workspace.split_tokens is 100"},
    {NULL, WORKSPACE(ctas, 0x7fffffff), FI_ERROR_ARGUMENT, "workspace.ctas is 2147483647; it must be 0 to "},
    {NULL, WORKSPACE(memory, 0), FI_ERROR_ARGUMENT, "workspace.memory is NULL"},
    {NULL, WORKSPACE(memory, 0x10080), FI_ERROR_ARGUMENT, "workspace.memory is 0x10080"},
    {NULL, WORKSPACE(bytes, 0), FI_ERROR_ARGUMENT, "workspace has 0 bytes of memory; these bounds need "},
    {NULL, WORKSPACE(bytes, 4096), FI_ERROR_ARGUMENT, "workspace has 4096 bytes of memory; these bounds need "},
    {NULL, WORKSPACE(max_tokens, 100000), FI_ERROR_ARGUMENT, "these bounds need "},
    {NULL, WORKSPACE(scratch, 0), FI_ERROR_ARGUMENT, "workspace.scratch is NULL"},
    {NULL, WORKSPACE(scratch, 0x10001), FI_ERROR_ARGUMENT, "workspace.scratch is 0x10001"},
    {NULL, WORKSPACE(scratch_bytes, 255), FI_ERROR_ARGUMENT, "workspace has 255 bytes of scratch; these bounds need "},
    {NULL, WORKSPACE(scratch, 0x200000), FI_ERROR_ARGUMENT,
     "workspace.memory is 0x200000 and workspace.scratch is 0x200000; with "},
    {NULL, WORKSPACE(memory, 0x8fff00), FI_ERROR_ARGUMENT, "bytes they overlap"},
    {"attention select=128", WORKSPACE(max_selected, 0), FI_ERROR_ARGUMENT,
     "workspace.max_selected is 0; with select=128 it must be 1 to 16777215"},
    {"attention select=1", WORKSPACE(max_selected, 0x80000000), FI_ERROR_ARGUMENT,
     "workspace.max_selected is 2147483648; with select=1 it must be 1 to 2147483647"},
    {"append page=16", WORKSPACE(bytes, 255), FI_ERROR_ARGUMENT, "workspace has 255 bytes of memory"},
    {"append page=16", WORKSPACE(memory, 8), FI_ERROR_ARGUMENT, "workspace.memory is 0x8"},
};

static fi_batch good_batch(void) {
  return (fi_batch){.struct_size = sizeof(fi_batch),
                    .requests = 8,
                    .q_indptr = address(0x1000),
                    .kv_len = address(0x2000),
                    .kv_indptr = address(0x3000),
                    .page_table = address(0x4000),
                    .page_table_stride = 63,
                    .kv_start = address(0x4800),
                    .ranges = address(0x5000),
                    .range_indptr = address(0x6000),
                    .mask_bits = address(0x7000),
                    .mask_offsets = address(0x8000),
                    .selected_len = address(0x9000),
                    .shared = address(0xa000)};
}

static fi_tensors good_tensors(void) {
  return (fi_tensors){.struct_size = sizeof(fi_tensors),
                      .q = address(0x10000),
                      .o = address(0x20000),
                      .lse = address(0x30000),
                      .positions = address(0x40000),
                      .k.data = address(0x50000),
                      .v.data = address(0x60000),
                      .k.page_stride = 1 << 20,
                      .v.page_stride = 1 << 20,
                      .k.scales = address(0x70000),
                      .k.scale_page_stride = 1 << 16,
                      .v.scale_page_stride = 1 << 16,
                      .v.scales = address(0x80000),
                      .k_new.data = address(0x90000),
                      .v_new.data = address(0xa0000),
                      .slots = address(0xd0000),
                      .rope_table = address(0xe0000),
                      .key_positions = address(0xf0000),
                      .position_stride = 40,
                      .key_position_stride = 1 << 20,
                      .key_page_stride = 1000,
                      .parts_o = address(0xb0000),
                      .parts_lse = address(0xc0000),
                      .parts = 2,
                      .tokens = 3,
                      .heads = 4,
                      .sinks = address(0xe0000),
                      .slopes = address(0xf0000),
                      .bias = address(0x100000),
                      .bias_token_stride = 1 << 20,
                      .bias_head_stride = 1 << 15,
                      .bias_extent = 64,
                      .softcap = 50,
                      .selected = address(0x110000)};
}

Test(bad_input, workspaces) {
  fi_ctx *ctx = make_context(NULL);
  const fi_batch batch = good_batch();
  const fi_tensors tensors = good_tensors();
  for (size_t i = 0; i < sizeof workspace_changes / sizeof *workspace_changes; i++) {
    const struct change *change = &workspace_changes[i];
    fi_kernel *kernel = kernel_of(ctx, text_of(change));
    fi_workspace workspace = good_workspace(kernel, 40);
    cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%zu: %s", i, fi_last_error());
    change_apply(change, &workspace);
    expect("workspace", i, fi_plan(kernel, &batch, &workspace, NULL), change->status, change->message);
    expect("workspace", i, fi_run(kernel, &tensors, &workspace, NULL), change->status, change->message);
  }
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- batches */

#define BATCH(field, value) CHANGE(fi_batch, field, value)

static const struct change batch_changes[] = {
    {NULL, BATCH(requests, 0), FI_ERROR_ARGUMENT, "batch.requests is 0"},
    {NULL, BATCH(requests, 9), FI_ERROR_ARGUMENT, "batch.requests is 9"},
    {NULL, BATCH(q_indptr, 0x1001), FI_ERROR_ARGUMENT, "batch.q_indptr is 0x1001"},
    {NULL, BATCH(kv_len, 0), FI_ERROR_ARGUMENT, "batch.kv_len is NULL; a dense page table needs it"},
    {NULL, BATCH(kv_len, 0x2002), FI_ERROR_ARGUMENT, "batch.kv_len is 0x2002"},
    {NULL, BATCH(page_table, 0), FI_ERROR_ARGUMENT, "batch.page_table is NULL"},
    {NULL, BATCH(page_table_stride, 0), FI_ERROR_ARGUMENT, "batch.page_table_stride is 0"},
    {NULL, BATCH(page_table_stride, -5), FI_ERROR_ARGUMENT, "batch.page_table_stride is -5"},
    {"attention", BATCH(kv_len, 0), FI_ERROR_ARGUMENT, "batch.kv_len is NULL; a contiguous cache needs it"},
    {"attention index=csr", BATCH(kv_indptr, 0), FI_ERROR_ARGUMENT, "batch.kv_indptr is NULL; ragged KV needs it"},
    {"attention index=csr page=1", BATCH(kv_indptr, 0), FI_ERROR_ARGUMENT, "a CSR page table needs it"},
    {"attention index=csr page=1", BATCH(kv_len, 0), FI_ERROR_ARGUMENT, "batch.kv_len is NULL"},
    {"attention index=csr page=1", BATCH(page_table, 0), FI_ERROR_ARGUMENT, "batch.page_table is NULL"},
    {"append page=16", BATCH(page_table, 2), FI_ERROR_ARGUMENT, "batch.page_table is 0x2"},
    {"attention start=1", BATCH(kv_start, 0), FI_ERROR_ARGUMENT, "batch.kv_start is NULL; spec.kv_start needs it"},
    {"attention ranges=1", BATCH(ranges, 0), FI_ERROR_ARGUMENT, "batch.ranges is NULL; spec.ranges needs it"},
    {"attention ranges=1", BATCH(range_indptr, 0x6001), FI_ERROR_ARGUMENT, "batch.range_indptr is 0x6001"},
    {"attention bits=1", BATCH(mask_bits, 0), FI_ERROR_ARGUMENT, "batch.mask_bits is NULL; spec.mask_bits needs it"},
    {"attention bits=1", BATCH(mask_offsets, 0x8004), FI_ERROR_ARGUMENT, "batch.mask_offsets is 0x8004"},
    {"attention bits=1", BATCH(mask_stride, 31), FI_ERROR_ARGUMENT,
     "batch.mask_stride is 31; it must be 0, or 32 or more"},
    {"attention bits=1", BATCH(mask_stride, -1), FI_ERROR_ARGUMENT,
     "batch.mask_stride is -1; it must be 0, or 32 or more"},
    {"attention select=1", BATCH(selected_len, 0x9002), FI_ERROR_ARGUMENT,
     "batch.selected_len is 0x9002; it must be aligned to 4 bytes"},
    {"attention page=16 prefixes=2", BATCH(shared, 0), FI_ERROR_ARGUMENT,
     "batch.shared is NULL; spec.prefixes 2 needs it"},
    {"attention page=16 prefixes=2", BATCH(shared, 0x9002), FI_ERROR_ARGUMENT, "batch.shared is 0x9002"},
    {NULL, BATCH(second_page_count, 4), FI_ERROR_ARGUMENT,
     "batch.second_page_count is 4; it must be 0 to 2147483647, and 0 without pages"},
};

Test(bad_input, batches) {
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof batch_changes / sizeof *batch_changes; i++) {
    const struct change *change = &batch_changes[i];
    fi_kernel *kernel = kernel_of(ctx, text_of(change));
    fi_workspace workspace = good_workspace(kernel, 40);
    fi_batch batch = good_batch();
    cr_assert_eq(fi_plan(kernel, &batch, &workspace, NULL), FI_OK, "%zu: %s", i, fi_last_error());
    change_apply(change, &batch);
    expect("batch", i, fi_plan(kernel, &batch, &workspace, NULL), change->status, change->message);
  }
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- tensors */

#define TENSORS(field, value) CHANGE(fi_tensors, field, value)

/* Floats by their bits. */
#define MINUS_ONE 0xbf800000
#define NOT_A_NUMBER 0x7fc00000
#define INFINITE 0x7f800000

static const struct change tensor_changes[] = {
    {NULL, TENSORS(softmax_scale, MINUS_ONE), FI_ERROR_ARGUMENT, "tensors.softmax_scale is -1"},
    {NULL, TENSORS(softmax_scale, NOT_A_NUMBER), FI_ERROR_ARGUMENT, "tensors.softmax_scale is nan"},
    {NULL, TENSORS(softmax_scale, INFINITE), FI_ERROR_ARGUMENT, "tensors.softmax_scale is inf"},
    {NULL, TENSORS(q, 0), FI_ERROR_ARGUMENT, "tensors.q is NULL"},
    {NULL, TENSORS(q, 0x10008), FI_ERROR_ARGUMENT, "tensors.q is 0x10008"},
    {NULL, TENSORS(o, 0), FI_ERROR_ARGUMENT, "tensors.o is NULL"},
    {NULL, TENSORS(o, 0x10002), FI_ERROR_ARGUMENT, "tensors.o is 0x10002"},
    {NULL, TENSORS(k.reserved[0], 7), FI_ERROR_ABI, "tensors.k.reserved[0] is 7; it must be 0"},
    {NULL, TENSORS(v_new.reserved[5], 1), FI_ERROR_ABI, "tensors.v_new.reserved[5] is 1; it must be 0"},
    {NULL, TENSORS(k.data, 0), FI_ERROR_ARGUMENT, "tensors.k.data is NULL"},
    {NULL, TENSORS(k.data, 0x50001), FI_ERROR_ARGUMENT, "tensors.k.data is 0x50001"},
    {NULL, TENSORS(v.data, 0), FI_ERROR_ARGUMENT, "tensors.v.data is NULL"},
    {NULL, TENSORS(v.data, 0x5000c), FI_ERROR_ARGUMENT, "tensors.v.data is 0x5000c"},
    {"attention lse=1", TENSORS(lse, 0), FI_ERROR_ARGUMENT, "tensors.lse is NULL"},
    {"attention lse=1", TENSORS(lse, 0x30002), FI_ERROR_ARGUMENT, "tensors.lse is 0x30002"},
    {"attention rope=half positions=array", TENSORS(positions, 0), FI_ERROR_ARGUMENT, "tensors.positions is NULL"},
    {"append rope=half positions=array", TENSORS(positions, 0), FI_ERROR_ARGUMENT, "tensors.positions is NULL"},
    {"attention rope=half positions=array axes=3", TENSORS(position_stride, 0), FI_ERROR_ARGUMENT,
     "tensors.position_stride is 0; it must be at least 1: rope_axes 3 has three positions a token"},
    {"append rope=half positions=array axes=3 slots=int32", TENSORS(position_stride, 2), FI_ERROR_ARGUMENT,
     "tensors.position_stride is 2; it must be at least 3: rope_axes 3 has three positions a token"},
    {"attention page=16 rope=half positions=array axes=3 keys=unrotated", TENSORS(key_position_stride, 15),
     FI_ERROR_ARGUMENT, "tensors.key_position_stride is 15; it must be at least 16"},
    {"attention rope=half positions=array axes=3 keys=unrotated", TENSORS(key_positions, 0), FI_ERROR_ARGUMENT,
     "tensors.key_positions is NULL; axes=3 keys=unrotated needs it"},
    {"attention rope=half positions=array axes=3 keys=unrotated", TENSORS(key_position_stride, -1), FI_ERROR_ARGUMENT,
     "tensors.key_position_stride is -1; it must be at least 1"},
    {"attention rope=half positions=array keys=unrotated", TENSORS(key_page_stride, 0), FI_ERROR_ARGUMENT,
     "tensors.key_page_stride is 0; it must be at least 1: a contiguous cache needs the stride between requests"},
    {"attention page=16 rope=half positions=array keys=unrotated", TENSORS(key_page_stride, 15), FI_ERROR_ARGUMENT,
     "tensors.key_page_stride is 15; it must be at least 16: the tokens of a page, or 0"},
    {"attention rope=half", TENSORS(rope_table, 0), FI_ERROR_ARGUMENT,
     "tensors.rope_table is NULL; spec.rope needs it"},
    {"append rope=interleaved", TENSORS(rope_table, 0x20004), FI_ERROR_ARGUMENT, "tensors.rope_table is 0x20004"},
    {"attention rope=half", TENSORS(rope_magnitude, MINUS_ONE), FI_ERROR_ARGUMENT,
     "tensors.rope_magnitude is -1; it must be 0 (1) or positive, and finite"},
    {"append rope=half", TENSORS(rope_magnitude, NOT_A_NUMBER), FI_ERROR_ARGUMENT, "tensors.rope_magnitude is nan"},
    {"append rope=half", TENSORS(rope_magnitude, INFINITE), FI_ERROR_ARGUMENT, "tensors.rope_magnitude is inf"},
    {"attention kv=e4m3 scale=tensor", TENSORS(k.scales, 0), FI_ERROR_ARGUMENT, "tensors.k.scales is NULL"},
    {"attention kv=e4m3 scale=head", TENSORS(v.scales, 0), FI_ERROR_ARGUMENT, "tensors.v.scales is NULL"},
    {"append kv=e4m3 scale=head", TENSORS(v.scales, 0x80001), FI_ERROR_ARGUMENT, "tensors.v.scales is 0x80001"},
    {"attention kv=int8 scale=token", TENSORS(k.scales, 0), FI_ERROR_ARGUMENT, "tensors.k.scales is NULL"},
    {LATENT, TENSORS(k.scales, 0x70008), FI_ERROR_ARGUMENT, "k.scales is 0x70008; it must be aligned to 16"},
    {LATENT, TENSORS(k.scale, MINUS_ONE), FI_ERROR_ARGUMENT, "tensors.k.scale is -1; it must be 0, as K has wide_dims"},
    {LATENT, TENSORS(v.data, 0), FI_ERROR_ARGUMENT, "tensors.v.data is NULL"},
    {LATENT, TENSORS(v.token_stride, 56), FI_ERROR_ARGUMENT, "v.token_stride is 56; it must be 0 (packed) or at least"},
    {LATENT, TENSORS(k.token_stride, 496), FI_ERROR_ARGUMENT, "at least head_dim less wide_dims, 512"},
    {LATENT_APPEND, TENSORS(k.scale_token_stride, 7), FI_ERROR_ARGUMENT, "at least the scales of a row, 8"},
    {LATENT, TENSORS(v.data, 0x501f0), FI_ERROR_ARGUMENT,
     "tensors.k.data is 0x50000, rows of 512 bytes, 1024 a token, and tensors.v.data is 0x501f0, rows of 128 bytes, "
     "256 a token; they would overlap"},
    {LATENT, TENSORS(v.data, 0x50200), FI_ERROR_ARGUMENT, "rows of 128 bytes, 256 a token; they would overlap"},
    {LATENT, TENSORS(k.scales, 0x4fff0), FI_ERROR_ARGUMENT,
     "tensors.k.data is 0x50000, rows of 512 bytes, 1024 a token, and tensors.k.scales is 0x4fff0, rows of 16 bytes"},
    {LATENT, TENSORS(k.scales, 0x60010), FI_ERROR_ARGUMENT, "tensors.v.data is 0x60000, rows of 128 bytes"},
    {"append page=16", TENSORS(v.data, 0x50000), FI_ERROR_ARGUMENT, "tensors.v.data is 0x50000, rows of 256 bytes"},
    {LATENT_APPEND, TENSORS(v_new.data, 0), FI_ERROR_ARGUMENT, "tensors.v_new.data is NULL"},
    {"append kv=int8 scale=token", TENSORS(v.scales, 0x80002), FI_ERROR_ARGUMENT,
     "tensors.v.scales is 0x80002; it must be aligned to 4 bytes"},
    {"attention kv=int8", TENSORS(k.scale, MINUS_ONE), FI_ERROR_ARGUMENT,
     "tensors.k.scale is -1; it must be 0 (1) or positive and finite"},
    {"append kv=int8", TENSORS(v.scale, NOT_A_NUMBER), FI_ERROR_ARGUMENT, "tensors.v.scale is nan; it must be 0 (1)"},
    {"append kv=int8", TENSORS(v.scale, INFINITE), FI_ERROR_ARGUMENT, "tensors.v.scale is inf; it must be 0 (1)"},
    {"attention kv=int8 scale=token page=16", TENSORS(k.scale_token_stride, 1), FI_ERROR_ARGUMENT,
     "tensors.k.scale_token_stride is 1 and tensors.k.scale_head_stride is 1; rows would overlap"},
    {"attention kv=int8 scale=token page=16", TENSORS(v.scale_head_stride, -1), FI_ERROR_ARGUMENT,
     "tensors.v.scale_head_stride is -1; it must be 0 (packed) or at least the scales of a row, 1"},
    {"append kv=int8 scale=token page=16", TENSORS(v.scale_page_stride, 31), FI_ERROR_ARGUMENT,
     "tensors.v.scale_page_stride is 31 and tensors.v.scale_token_stride is 2; rows would overlap"},
    {"attention kv=int8 scale=token", TENSORS(k.scale_page_stride, 0), FI_ERROR_ARGUMENT,
     "tensors.k.scale_page_stride is 0; a contiguous cache needs the stride between requests"},
    {"attention kv=int4", TENSORS(k.scales, 0), FI_ERROR_ARGUMENT, "tensors.k.scales is NULL; 4-bit types need it"},
    {"append kv=int8 v=nvfp4", TENSORS(v.scales, 0x80004), FI_ERROR_ARGUMENT,
     "tensors.v.scales is 0x80004; it must be aligned to 8 bytes"},
    {"attention kv=nvfp4", TENSORS(v.scale, INFINITE), FI_ERROR_ARGUMENT,
     "tensors.v.scale is inf; it must be 0 (1) or positive and finite"},
    {"attention kv=int4 page=16", TENSORS(k.scale_head_stride, 3), FI_ERROR_ARGUMENT,
     "tensors.k.scale_head_stride is 3; it must be 0 (packed) or at least the scales of a row, 4"},
    {"attention kv=int4 page=16", TENSORS(k.scale_token_stride, 10), FI_ERROR_ARGUMENT,
     "tensors.k.scale_token_stride is 10; it must be a multiple of 4 elements (8 bytes)"},
    {"append kv=nvfp4 page=16", TENSORS(v.scale_token_stride, 8), FI_ERROR_ARGUMENT,
     "tensors.v.scale_token_stride is 8 and tensors.v.scale_head_stride is 8; rows would overlap"},
    {"attention kv=int4", TENSORS(k.head_stride, 144), FI_ERROR_ARGUMENT,
     "tensors.k.head_stride is 144; it must be a multiple of 32 elements (16 bytes)"},
    {NULL, TENSORS(k.unused, 3), FI_ERROR_ABI, "tensors.k.unused is 3; it must be 0"},
    {NULL, TENSORS(q_token_stride, 64), FI_ERROR_ARGUMENT, "tensors.q_token_stride is 64"},
    {NULL, TENSORS(q_token_stride, 1025), FI_ERROR_ARGUMENT,
     "tensors.q_token_stride is 1025; it must be a multiple of 8"},
    {NULL, TENSORS(q_head_stride, -128), FI_ERROR_ARGUMENT, "tensors.q_head_stride is -128"},
    {NULL, TENSORS(o_token_stride, 128), FI_ERROR_ARGUMENT, "rows would overlap"},
    {NULL, TENSORS(o_token_stride, 1020), FI_ERROR_ARGUMENT, "tensors.o_token_stride is 1020"},
    {NULL, TENSORS(o_head_stride, 120), FI_ERROR_ARGUMENT, "tensors.o_head_stride is 120"},
    {NULL, TENSORS(o_head_stride, 136), FI_ERROR_ARGUMENT,
     "tensors.o_token_stride is 1024 and tensors.o_head_stride is 136"},
    {NULL, TENSORS(k.page_stride, 2048), FI_ERROR_ARGUMENT, "rows would overlap"},
    {NULL, TENSORS(k.page_stride, -4096), FI_ERROR_ARGUMENT, "tensors.k.page_stride is -4096"},
    {NULL, TENSORS(k.token_stride, 128), FI_ERROR_ARGUMENT, "tensors.k.token_stride is 128"},
    {NULL, TENSORS(k.token_stride, 260), FI_ERROR_ARGUMENT, "tensors.k.token_stride is 260"},
    {NULL, TENSORS(k.head_stride, 2048), FI_ERROR_ARGUMENT, "rows would overlap"},
    {"attention kv=e4m3 page=16", TENSORS(k.token_stride, 264), FI_ERROR_ARGUMENT,
     "tensors.k.token_stride is 264; it must be a multiple of 16"},
    {"attention hd=72 v_dim=64 kv=e4m3 page=16", TENSORS(k.token_stride, 156), FI_ERROR_ARGUMENT,
     "tensors.k.token_stride is 156; it must be a multiple of 8 elements (8 bytes)"},
    {"attention hd=64 v_dim=72 kv=e4m3 page=16", TENSORS(k.token_stride, 264), FI_ERROR_ARGUMENT,
     "tensors.k.token_stride is 264; it must be a multiple of 16"},
    {"attention hd=72 v_dim=64 kv=e4m3 page=16", TENSORS(k.data, 0x50004), FI_ERROR_ARGUMENT,
     "tensors.k.data is 0x50004; it must be aligned to 8 bytes"},
    {"attention hd=72 v_dim=64 kv=e4m3 page=16", TENSORS(v.data, 0x50008), FI_ERROR_ARGUMENT,
     "tensors.v.data is 0x50008; it must be aligned to 16 bytes"},
    {"append hd=72 page=16", TENSORS(k.token_stride, 148), FI_ERROR_ARGUMENT,
     "tensors.k.token_stride is 148; it must be a multiple of 8 elements (16 bytes)"},
    {"attention", TENSORS(k.page_stride, 0), FI_ERROR_ARGUMENT, "tensors.k.page_stride is 0"},
    {"append", TENSORS(k.page_stride, 0), FI_ERROR_ARGUMENT, "tensors.k.page_stride is 0"},
    {"append page=16", TENSORS(k_new.data, 0), FI_ERROR_ARGUMENT, "tensors.k_new.data is NULL"},
    {"append page=16", TENSORS(v_new.data, 0xa0004), FI_ERROR_ARGUMENT, "tensors.v_new.data is 0xa0004"},
    {"append page=16", TENSORS(k_new.token_stride, 64), FI_ERROR_ARGUMENT, "tensors.k_new.token_stride is 64"},
    {"append page=16", TENSORS(k_new.head_stride, 129), FI_ERROR_ARGUMENT, "tensors.k_new.head_stride is 129"},
    {"merge", TENSORS(parts_o, 0), FI_ERROR_ARGUMENT, "tensors.parts_o is NULL"},
    {"merge", TENSORS(parts_lse, 0), FI_ERROR_ARGUMENT, "tensors.parts_lse is NULL"},
    {"merge", TENSORS(o, 0), FI_ERROR_ARGUMENT, "tensors.o is NULL"},
    {"merge lse=1", TENSORS(lse, 0), FI_ERROR_ARGUMENT, "tensors.lse is NULL"},
    {"merge", TENSORS(parts, 0), FI_ERROR_ARGUMENT, "tensors.parts is 0"},
    {"append page=16 kv=e4m3", TENSORS(k.scale, 0xbf800000), FI_ERROR_ARGUMENT, "tensors.k.scale is -1; it must be 0"},
    {"append page=16", TENSORS(v.scale, 0x3f800000), FI_ERROR_ARGUMENT,
     "tensors.v.scale is 1; it must be 0, as kv_dtype"},
    {NULL, TENSORS(o_scale, 0x7fc00000), FI_ERROR_ARGUMENT, "tensors.o_scale is nan; it must be finite"},
    {"append page=16 slots=int64", TENSORS(slots, 0), FI_ERROR_ARGUMENT, "tensors.slots is NULL; spec.slots needs it"},
    {"append page=16 slots=int64", TENSORS(slots, 0x1004), FI_ERROR_ARGUMENT, "tensors.slots is 0x1004"},
    {"append page=16 slots=int64", TENSORS(tokens, 0), FI_ERROR_ARGUMENT, "tensors.tokens is 0"},
    {"append page=16 slots=int64", TENSORS(heads, 0x80000000), FI_ERROR_ARGUMENT, "tensors.heads is 2147483648"},
    {NULL, TENSORS(softmax_scale, 0x7f7fffff), FI_ERROR_ARGUMENT, "their product is too large"},
    {"attention softcap=1", TENSORS(softcap, 0), FI_ERROR_ARGUMENT, "tensors.softcap is 0"},
    {"attention softcap=1", TENSORS(softcap, MINUS_ONE), FI_ERROR_ARGUMENT, "tensors.softcap is -1"},
    {"attention softcap=1", TENSORS(softcap, NOT_A_NUMBER), FI_ERROR_ARGUMENT, "tensors.softcap is nan"},
    {"attention softcap=1", TENSORS(softcap, INFINITE), FI_ERROR_ARGUMENT, "must be positive, at most 10000"},
    {"attention sinks=1", TENSORS(sinks, 0), FI_ERROR_ARGUMENT, "tensors.sinks is NULL; spec.sinks needs it"},
    {"attention sinks=1", TENSORS(sinks, 0x1002), FI_ERROR_ARGUMENT, "tensors.sinks is 0x1002"},
    {"attention bias=slopes", TENSORS(slopes, 0), FI_ERROR_ARGUMENT, "tensors.slopes is NULL"},
    {"attention select=1", TENSORS(selected, 0), FI_ERROR_ARGUMENT, "tensors.selected is NULL; spec.select needs it"},
    {"attention select=1", TENSORS(selected, 0x110001), FI_ERROR_ARGUMENT,
     "tensors.selected is 0x110001; it must be aligned to 4 bytes"},
    {"attention select=1", TENSORS(selected_token_stride, 31), FI_ERROR_ARGUMENT,
     "tensors.selected_token_stride is 31; it must be 0 (packed) or at least workspace.max_selected, 32"},
    {"attention select=8", TENSORS(selected_head_stride, -32), FI_ERROR_ARGUMENT,
     "tensors.selected_head_stride is -32; it must be 0 (all KV heads have one list) or at least "
     "workspace.max_selected"},
    {"attention bias=distance", TENSORS(bias, 0), FI_ERROR_ARGUMENT, "tensors.bias is NULL; spec.bias needs it"},
    {"attention bias=distance", TENSORS(bias, 0x1002), FI_ERROR_ARGUMENT, "tensors.bias is 0x1002"},
    {"attention bias=distance", TENSORS(bias_extent, 0), FI_ERROR_ARGUMENT, "tensors.bias_extent is 0; it must be 1"},
    {"attention bias=distance", TENSORS(bias_head_stride, 63), FI_ERROR_ARGUMENT,
     "tensors.bias_head_stride is 63; it must be 0 (all heads have one) or at least bias_extent, 64"},
    {"attention bias=distance", TENSORS(bias_first, 0x80000000), FI_ERROR_ARGUMENT, "tensors.bias_first is -21474836"},
    {"attention bias=token_distance", TENSORS(bias, 0x1001), FI_ERROR_ARGUMENT, "tensors.bias is 0x1001"},
    {"attention bias=token_distance", TENSORS(bias_token_stride, 0), FI_ERROR_ARGUMENT,
     "tensors.bias_token_stride is 0; it must be at least bias_extent, 64"},
    {"attention bias=dense", TENSORS(bias, 0), FI_ERROR_ARGUMENT, "tensors.bias is NULL"},
    {"attention bias=dense", TENSORS(bias_token_stride, 7), FI_ERROR_ARGUMENT,
     "tensors.bias_token_stride is 7; it must be at least max_kv_len"},
    {"attention bias=dense", TENSORS(bias_head_stride, -1), FI_ERROR_ARGUMENT, "tensors.bias_head_stride is -1"},
    {"merge", TENSORS(tokens, 0), FI_ERROR_ARGUMENT, "tensors.tokens is 0"},
    {"merge", TENSORS(heads, 0), FI_ERROR_ARGUMENT, "tensors.heads is 0"},
};

Test(bad_input, tensors) {
  fi_ctx *ctx = make_context(NULL);
  for (size_t i = 0; i < sizeof tensor_changes / sizeof *tensor_changes; i++) {
    const struct change *change = &tensor_changes[i];
    fi_kernel *kernel = kernel_of(ctx, text_of(change));
    fi_workspace workspace = {0};
    if (strncmp(text_of(change), "merge", 5) != 0)
      workspace = good_workspace(kernel, 40);
    fi_tensors tensors = good_tensors();
    cr_assert_eq(fi_run(kernel, &tensors, &workspace, NULL), FI_OK, "%zu: %s", i, fi_last_error());
    change_apply(change, &tensors);
    expect("tensors", i, fi_run(kernel, &tensors, &workspace, NULL), change->status, change->message);
  }
  fi_ctx_destroy(ctx);
}

/* -------------------------------------------------------------------------------- null pointers */

Test(bad_input, null_pointers) {
  fi_ctx *ctx = make_context(NULL);
  fi_kernel *kernel = kernel_of(ctx, "attention group=4 page=16");
  fi_kernel *merge = kernel_of(ctx, "merge");
  fi_kernel *plan = kernel_of(ctx, "plan");
  const fi_spec spec = spec_of("attention");
  fi_workspace workspace = good_workspace(kernel, 40);
  const fi_batch batch = good_batch();
  const fi_tensors tensors = good_tensors();
  fi_facts facts = {.struct_size = sizeof facts};
  fi_counters counters = {.struct_size = sizeof counters};
  fi_kernel *out;
  size_t number = 0;
#define EXPECT(call, status, message) expect(#call, number++, call, status, message)
  EXPECT(fi_ctx_create(NULL, NULL), FI_ERROR_ARGUMENT, "ctx is NULL");
  EXPECT(fi_get_kernel(NULL, &spec, &out), FI_ERROR_ARGUMENT, "ctx is NULL");
  EXPECT(fi_get_kernel(ctx, NULL, &out), FI_ERROR_ARGUMENT, "spec is NULL");
  EXPECT(fi_get_kernel(ctx, &spec, NULL), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_precompile(NULL, &spec, NULL), FI_ERROR_ARGUMENT, "ctx is NULL");
  EXPECT(fi_precompile(ctx, NULL, NULL), FI_ERROR_ARGUMENT, "spec is NULL");
  EXPECT(fi_ctx_set_mode(NULL, FI_MODE_ON), FI_ERROR_ARGUMENT, "ctx is NULL");
  EXPECT(fi_ctx_set_mode(ctx, FI_MODE_DEFAULT), FI_ERROR_ARGUMENT, "mode is 0");
  EXPECT(fi_ctx_set_mode(ctx, 4), FI_ERROR_ARGUMENT, "mode is 4; it must be");
  EXPECT(fi_counters_read(NULL, &counters), FI_ERROR_ARGUMENT, "ctx is NULL");
  EXPECT(fi_counters_read(ctx, NULL), FI_ERROR_ARGUMENT, "counters is NULL");
  EXPECT(fi_kernel_facts(NULL, &facts), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_kernel_facts(kernel, NULL), FI_ERROR_ARGUMENT, "facts is NULL");
  EXPECT(fi_kernel_spec(NULL, NULL), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_kernel_spec(kernel, NULL), FI_ERROR_ARGUMENT, "spec is NULL");
  EXPECT(fi_kernel_prepare(NULL), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_workspace_size(NULL, &workspace), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_workspace_size(kernel, NULL), FI_ERROR_ARGUMENT, "workspace is NULL");
  EXPECT(fi_plan(NULL, &batch, &workspace, NULL), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_plan(kernel, NULL, &workspace, NULL), FI_ERROR_ARGUMENT, "batch is NULL");
  EXPECT(fi_plan(kernel, &batch, NULL, NULL), FI_ERROR_ARGUMENT, "workspace is NULL");
  EXPECT(fi_plan(merge, &batch, &workspace, NULL), FI_ERROR_ARGUMENT, "fi_plan takes attention, indexer and append");
  EXPECT(fi_plan(plan, &batch, &workspace, NULL), FI_ERROR_ARGUMENT, "fi_plan takes attention, indexer and append");
  EXPECT(fi_run(NULL, &tensors, &workspace, NULL), FI_ERROR_ARGUMENT, "kernel is NULL");
  EXPECT(fi_run(kernel, NULL, &workspace, NULL), FI_ERROR_ARGUMENT, "tensors is NULL");
  EXPECT(fi_run(kernel, &tensors, NULL, NULL), FI_ERROR_ARGUMENT, "workspace is NULL");
  EXPECT(fi_run(plan, &tensors, &workspace, NULL), FI_ERROR_ARGUMENT, "kernel is a plan kernel");
#undef EXPECT
  fi_ctx_destroy(NULL);
  fi_ctx_destroy(ctx);
}
