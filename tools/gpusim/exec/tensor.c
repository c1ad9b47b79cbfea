/* cp.async.bulk.tensor: copies of boxes that a tensor map describes. */
#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/transfer.h"
#include "machine/fault.h"
#include "program/modifiers.h"

/* The box of a lane. Coordinates follow the address of the map in the sources. */
static void box_of(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t which,
                   const struct sim_access *maps, struct sim_box *box) {
  const struct sim_tensor_map *map = (const void *)maps->host[lane];
  int32_t at[SIM_MAX_RANK];
  if (map->magic != SIM_TENSOR_MAP_MAGIC)
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "there is no tensor map at %#llx",
              (unsigned long long)maps->address[lane]);
  if (map->rank != inst->count)
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "%u coordinates for a tensor map of rank %u", inst->count, map->rank);
  for (uint32_t d = 0; d < inst->count; d++)
    at[d] = ((const int32_t *)sim_source(warp, inst, inst->address_source[which] + 1u + d))[lane];
  sim_box_set(box, map, at);
}

static void resolve_map(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t which,
                        struct sim_access *access) {
  sim_resolve(warp, inst, lanes, which, inst->space, SIM_TENSOR_MAP_BYTES, SIM_TENSOR_MAP_ALIGNMENT, access);
}

static void exec_load(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access to;
  struct sim_access map;
  struct sim_access mbarrier;
  sim_resolve(warp, inst, lanes, 0, PTX_SHARED, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &to);
  resolve_map(warp, inst, lanes, 1, &map);
  sim_resolve(warp, inst, lanes, 2, PTX_SHARED, 8, 8, &mbarrier);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_box box;
    box_of(warp, inst, lane, 1, &map, &box);
    sim_transfer_load(warp, inst, lane, &box, to.address[lane], mbarrier.address[lane],
                      sim_transfer_mask(warp, inst, lane));
  }
}

static void exec_store(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access map;
  struct sim_access from;
  resolve_map(warp, inst, lanes, 0, &map);
  sim_resolve(warp, inst, lanes, 1, PTX_SHARED, SIM_BULK_ALIGNMENT, SIM_BULK_ALIGNMENT, &from);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_box box;
    box_of(warp, inst, lane, 0, &map, &box);
    sim_transfer_store(warp, inst, lane, &box, from.address[lane], inst->mode);
  }
}

static void exec_prefetch(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access map;
  resolve_map(warp, inst, lanes, 0, &map);
  SIM_FOR_LANES(lane, lanes) {
    struct sim_box box;
    box_of(warp, inst, lane, 0, &map, &box);
  }
}

static void exec_prefetch_map(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access map;
  resolve_map(warp, inst, lanes, 0, &map);
}

static bool prepare_box(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->count = (uint8_t)(captures->items[0].text[1] - '0');
  return true;
}

static bool prepare_multicast(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode = SIM_MULTICAST;
  return prepare_box(inst, captures);
}

static bool prepare_map(struct sim_inst *inst, const struct sim_captures *captures) {
  sim_set_space(inst, captures, 0);
  return true;
}

static bool prepare_reduction(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode = (uint8_t)sim_reduction_of(captures, 1);
  return prepare_box(inst, captures);
}

#define ROW(pattern, operands, exec, prepare)                                                                          \
  { pattern, operands, exec, sim_taint_address, prepare, SIM_FLOW_NEXT }
#define RANK "(.1d|.2d|.3d|.4d|.5d)"
#define LOAD "cp.async.bulk.tensor" RANK "(.shared::cluster|.shared::cta).global[.tile].mbarrier::complete_tx::bytes"
#define STORE "cp.async.bulk.tensor" RANK ".global.shared::cta[.tile].bulk_group"
#define REDUCE "cp.reduce.async.bulk.tensor" RANK ".global.shared::cta"

static const struct sim_form forms[] = {
    ROW(LOAD, ":mMm", exec_load, prepare_box),
    ROW(LOAD ".L2::cache_hint", ":mMmx", exec_load, prepare_box),
    ROW(LOAD ".multicast::cluster", ":mMmw", exec_load, prepare_multicast),
    ROW(LOAD ".multicast::cluster.L2::cache_hint", ":mMmwx", exec_load, prepare_multicast),
    ROW(STORE, ":Mm", exec_store, prepare_box),
    ROW(STORE ".L2::cache_hint", ":Mmx", exec_store, prepare_box),
    ROW(REDUCE "(.add|.min|.max|.inc|.dec|.and|.or|.xor)[.tile].bulk_group", ":Mm", exec_store, prepare_reduction),
    ROW("cp.async.bulk.prefetch.tensor" RANK ".L2.global[.tile]", ":M", exec_prefetch, prepare_box),
    ROW("prefetch[.param|.const].tensormap", ":m", exec_prefetch_map, prepare_map),
};

const struct sim_form_table SIM_TABLE(sim_forms_tensor) = SIM_FORM_TABLE(forms);
