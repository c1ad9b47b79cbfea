/* The table of families. */
#include "family.h"

#include "flashjit_args.h"
#include "tile_plans.h"

static const struct family families[] = {
    {FI_OP_ATTENTION, FI_FAMILY_WGMMA, "kernels/attention_wgmma.cu", "flashjit_attention",
     sizeof(struct fi_attention_maps_args), true, true, tile_plan_wgmma},
    {FI_OP_ATTENTION, FI_FAMILY_WGMMA, "kernels/latent_wgmma.cu", "flashjit_attention",
     sizeof(struct fi_attention_maps_args), true, false, tile_plan_latent},
    {FI_OP_ATTENTION, FI_FAMILY_MMA, "kernels/attention_mma.cu", "flashjit_attention", sizeof(struct fi_attention_args),
     false, false, tile_plan_mma},
    {FI_OP_APPEND, FI_FAMILY_AUTO, "kernels/append.cu", "flashjit_append", sizeof(struct fi_append_args), false, false,
     tile_plan_rows},
    {FI_OP_MERGE, FI_FAMILY_AUTO, "kernels/merge.cu", "flashjit_merge", sizeof(struct fi_merge_args), false, false,
     tile_plan_rows},
    {FI_OP_INDEXER, FI_FAMILY_AUTO, "kernels/indexer.cu", "flashjit_indexer", sizeof(struct fi_indexer_args), false,
     false, tile_plan_indexer},
    {FI_OP_PLAN, FI_FAMILY_AUTO, "kernels/plan.cu", "flashjit_plan", sizeof(struct fi_plans_args), false, false,
     tile_plan_batch},
};

const struct family *family_at(uint32_t number) {
  return number < sizeof families / sizeof *families ? &families[number] : NULL;
}

bool family_serves(const struct family *family, const fi_spec *spec) {
  return family->op == spec->op && (spec->family == FI_FAMILY_AUTO || spec->family == family->number);
}
