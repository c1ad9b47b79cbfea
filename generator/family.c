/* The table of families. */
#include "family.h"

#include "flashjit_args.h"
#include "tile_plans.h"

/* There is one kernel, and nothing to choose. */
#define NO_COSTS                                                                                                       \
  {                                                                                                                    \
    0, {                                                                                                               \
      0                                                                                                                \
    }                                                                                                                  \
  }

/*
 * Launches as measured on an H200, group 4, pages of 16: 4 requests of 16 query tokens on 1k take 16.0, 16.8, 21.8 and
 * 28.3 us with tiles of 16, 32, 64 and 128 rows of mma, 17.9 with 128 of wgmma, less what their tiles take by the
 * target's rates. With 2.3 times mma's rate a chunk of 512 tokens on 8k, 8 of 256 on 4k and a prompt of 16k take wgmma
 * what they took there, 138, 302 and 4485 us, within 15 %. V of 512 dims makes 426 TFLOP/s where it makes 610. A tile
 * of 64 rows takes as long as one of 128, which so outdoes it where rows are left open.
 */
static const struct family families[] = {
    {FI_OP_ATTENTION,
     FI_FAMILY_WGMMA,
     "kernels/attention_wgmma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_maps_args),
     true,
     true,
     false,
     {230, {0, 0, 0, 13000}},
     tile_plan_wgmma},
    {FI_OP_ATTENTION,
     FI_FAMILY_WGMMA,
     "kernels/attention_wgmma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_maps_args),
     true,
     true,
     false,
     {115, {0, 0, 13000, 0}},
     tile_plan_few_rows},
    {FI_OP_ATTENTION,
     FI_FAMILY_WGMMA,
     "kernels/shared_rows_wgmma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_maps_args),
     true,
     false,
     true,
     {230, {0, 0, 13000, 13000}},
     tile_plan_latent},
    {FI_OP_ATTENTION,
     FI_FAMILY_WGMMA,
     "kernels/shared_rows_wgmma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_maps_args),
     true,
     true,
     true,
     {160, {0, 0, 13000, 13000}},
     tile_plan_halves},
    {FI_OP_ATTENTION,
     FI_FAMILY_WGMMA,
     "kernels/attention_wgmma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_maps_args),
     true,
     true,
     false,
     {320, {0, 0, 0, 13000}},
     tile_plan_e4m3},
    {FI_OP_ATTENTION,
     FI_FAMILY_MMA,
     "kernels/attention_mma.cu",
     "flashjit_attention",
     sizeof(struct fi_attention_args),
     false,
     false,
     false,
     {100, {1000, 9000, 17000, 21000}},
     tile_plan_mma},
    {FI_OP_APPEND, FI_FAMILY_AUTO, "kernels/append.cu", "flashjit_append", sizeof(struct fi_append_args), false, false,
     false, NO_COSTS, tile_plan_rows},
    {FI_OP_MERGE, FI_FAMILY_AUTO, "kernels/merge.cu", "flashjit_merge", sizeof(struct fi_merge_args), false, false,
     false, NO_COSTS, tile_plan_rows},
    {FI_OP_INDEXER, FI_FAMILY_AUTO, "kernels/indexer.cu", "flashjit_indexer", sizeof(struct fi_indexer_args), false,
     false, false, NO_COSTS, tile_plan_indexer},
    {FI_OP_PLAN, FI_FAMILY_AUTO, "kernels/plan.cu", "flashjit_plan", sizeof(struct fi_plans_args), false, false, false,
     NO_COSTS, tile_plan_batch},
};

const struct family *family_at(uint32_t number) {
  return number < sizeof families / sizeof *families ? &families[number] : NULL;
}

bool family_serves(const struct family *family, const fi_spec *spec) {
  return family->op == spec->op && (spec->family == FI_FAMILY_AUTO || spec->family == family->number);
}

uint32_t family_tile_size(uint32_t rows) {
  uint32_t size = 0;
  while (size + 1 < FAMILY_TILE_SIZES && 16u << size < rows)
    size++;
  return size;
}
