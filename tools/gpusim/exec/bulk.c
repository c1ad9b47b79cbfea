/* cp.async.bulk: copies of bytes in a row, and the groups of copies from shared memory. */
#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/transfer.h"
#include "machine/fault.h"

/* Which addresses and sources there are: destination, source, bytes and mbarrier, in this order. */
static uint32_t bytes_of(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane) {
  uint32_t bytes = ((const uint32_t *)sim_source(warp, inst, 2))[lane];
  if (bytes == 0 || bytes % SIM_BULK_ALIGNMENT)
    sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "%u bytes are copied: multiples of %d are allowed", bytes,
              SIM_BULK_ALIGNMENT);
  return bytes;
}

static void exec_load(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access to;
  struct sim_access from;
  struct sim_access mbarrier;
  sim_resolve(warp, inst, lanes, 0, PTX_SHARED, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &to);
  sim_resolve(warp, inst, lanes, 1, PTX_GLOBAL, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &from);
  sim_resolve(warp, inst, lanes, 2, PTX_SHARED, 8, 8, &mbarrier);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_box box;
    sim_box_set_linear(&box, from.address[lane], bytes_of(warp, inst, lane));
    sim_transfer_load(warp, inst, lane, &box, to.address[lane], mbarrier.address[lane],
                      sim_transfer_mask(warp, inst, lane));
  }
}

static void exec_store(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access to;
  struct sim_access from;
  sim_resolve(warp, inst, lanes, 0, PTX_GLOBAL, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &to);
  sim_resolve(warp, inst, lanes, 1, PTX_SHARED, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &from);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_box box;
    sim_box_set_linear(&box, to.address[lane], bytes_of(warp, inst, lane));
    if (inst->mode != SIM_REPLACE) {
      box.map.type = inst->size;
      box.map.element_bytes = inst->count;
      box.map.dims[0] = box.counts[0] = box.row_bytes / inst->count;
    }
    sim_transfer_store(warp, inst, lane, &box, from.address[lane], inst->mode);
  }
}

static void exec_prefetch(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access from;
  sim_resolve(warp, inst, lanes, 0, PTX_GLOBAL, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &from);
}

static void exec_commit(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  sim_transfer_commit(warp, lanes);
}

static void exec_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  sim_transfer_wait(warp, lanes, (uint32_t)inst->immediate, inst->mode);
}

static bool prepare_multicast(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->mode = SIM_MULTICAST;
  return true;
}

static bool prepare_wait(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode = sim_capture_is(captures, 0, ".read");
  return true;
}

/* The size holds the type of the elements, the count their bytes. */
static bool prepare_reduction(struct sim_inst *inst, const struct sim_captures *captures) {
  static const struct {
    const char *name;
    uint8_t type;
    uint8_t bytes;
  } types[] = {{".u32", SIM_TENSOR_U32, 4},  {".s32", SIM_TENSOR_S32, 4}, {".u64", SIM_TENSOR_U64, 8},
               {".s64", SIM_TENSOR_S64, 8},  {".b32", SIM_TENSOR_U32, 4}, {".b64", SIM_TENSOR_U64, 8},
               {".f16", SIM_TENSOR_F16, 2},  {".f32", SIM_TENSOR_F32, 4}, {".f64", SIM_TENSOR_F64, 8},
               {".bf16", SIM_TENSOR_BF16, 2}};
  inst->mode = (uint8_t)sim_reduction_of(captures, 0);
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (sim_capture_is(captures, captures->count - 1, types[i].name)) {
      inst->size = types[i].type;
      inst->count = types[i].bytes;
    }
  return true;
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }
#define LOAD "cp.async.bulk(.shared::cluster|.shared::cta).global.mbarrier::complete_tx::bytes"
#define STORE "cp.async.bulk.global.shared::cta.bulk_group"
#define REDUCE "cp.reduce.async.bulk.global.shared::cta.bulk_group"

static const struct sim_form forms[] = {
    ROW(LOAD, ":mmwm", exec_load, sim_taint_address, NULL),
    ROW(LOAD ".L2::cache_hint", ":mmwmx", exec_load, sim_taint_address, NULL),
    ROW(LOAD ".multicast::cluster", ":mmwmw", exec_load, sim_taint_address, prepare_multicast),
    ROW(LOAD ".multicast::cluster.L2::cache_hint", ":mmwmwx", exec_load, sim_taint_address, prepare_multicast),
    ROW(STORE, ":mmw", exec_store, sim_taint_address, NULL),
    ROW(STORE ".L2::cache_hint", ":mmwx", exec_store, sim_taint_address, NULL),
    ROW(REDUCE "(.add|.min|.max|.inc|.dec)[.noftz](.u32|.s32|.u64|.s64|.f16|.bf16|.f32|.f64)", ":mmw", exec_store,
        sim_taint_address, prepare_reduction),
    ROW(REDUCE "(.and|.or|.xor)(.b32|.b64)", ":mmw", exec_store, sim_taint_address, prepare_reduction),
    ROW("cp.async.bulk.prefetch.L2.global", ":mw", exec_prefetch, sim_taint_address, NULL),
    ROW("cp.async.bulk.commit_group", "", exec_commit, sim_taint_none, NULL),
    ROW("cp.async.bulk.wait_group[.read]", ":i", exec_wait, sim_taint_none, prepare_wait),
};

const struct sim_form_table SIM_TABLE(sim_forms_bulk) = SIM_FORM_TABLE(forms);
