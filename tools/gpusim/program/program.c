/* What a program holds, released, and the names of special registers. */
#include "program/program.h"

#include <stdlib.h>

const char *const sim_special_names[SIM_SPECIAL_COUNT] = {
    [SIM_TID_X] = "%tid.x",
    [SIM_TID_Y] = "%tid.y",
    [SIM_TID_Z] = "%tid.z",
    [SIM_NTID_X] = "%ntid.x",
    [SIM_NTID_Y] = "%ntid.y",
    [SIM_NTID_Z] = "%ntid.z",
    [SIM_CTAID_X] = "%ctaid.x",
    [SIM_CTAID_Y] = "%ctaid.y",
    [SIM_CTAID_Z] = "%ctaid.z",
    [SIM_NCTAID_X] = "%nctaid.x",
    [SIM_NCTAID_Y] = "%nctaid.y",
    [SIM_NCTAID_Z] = "%nctaid.z",
    [SIM_CLUSTERID_X] = "%clusterid.x",
    [SIM_CLUSTERID_Y] = "%clusterid.y",
    [SIM_CLUSTERID_Z] = "%clusterid.z",
    [SIM_NCLUSTERID_X] = "%nclusterid.x",
    [SIM_NCLUSTERID_Y] = "%nclusterid.y",
    [SIM_NCLUSTERID_Z] = "%nclusterid.z",
    [SIM_CLUSTER_CTAID_X] = "%cluster_ctaid.x",
    [SIM_CLUSTER_CTAID_Y] = "%cluster_ctaid.y",
    [SIM_CLUSTER_CTAID_Z] = "%cluster_ctaid.z",
    [SIM_CLUSTER_NCTAID_X] = "%cluster_nctaid.x",
    [SIM_CLUSTER_NCTAID_Y] = "%cluster_nctaid.y",
    [SIM_CLUSTER_NCTAID_Z] = "%cluster_nctaid.z",
    [SIM_CLUSTER_CTARANK] = "%cluster_ctarank",
    [SIM_CLUSTER_NCTARANK] = "%cluster_nctarank",
    [SIM_LANEID] = "%laneid",
    [SIM_WARPID] = "%warpid",
    [SIM_NWARPID] = "%nwarpid",
    [SIM_SMID] = "%smid",
    [SIM_NSMID] = "%nsmid",
    [SIM_GRIDID] = "%gridid",
    [SIM_LANEMASK_EQ] = "%lanemask_eq",
    [SIM_LANEMASK_LT] = "%lanemask_lt",
    [SIM_LANEMASK_LE] = "%lanemask_le",
    [SIM_LANEMASK_GT] = "%lanemask_gt",
    [SIM_LANEMASK_GE] = "%lanemask_ge",
    [SIM_DYNAMIC_SHARED] = "%dynamic_smem_size",
    [SIM_TOTAL_SHARED] = "%total_smem_size",
    [SIM_ZERO] = "%reserved_smem_offset_begin",
};

void sim_program_destroy(struct sim_program *program) {
  if (!program)
    return;
  free(program->code);
  free(program->image);
  free(program->specials);
  free(program);
}
