/* Clusters: their barrier, and addresses of the shared memory of other blocks. */
#include "machine/cluster.h"

#include "check/ordering.h"
#include "check/remote.h"
#include "exec/lanes.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

static uint32_t threads_left(const struct sim_cluster *cluster) {
  uint32_t threads = 0;
  for (uint32_t b = 0; b < cluster->count; b++)
    threads += cluster->blocks[b]->threads - cluster->blocks[b]->exited;
  return threads;
}

/* A location of its own, above all addresses. */
static uint64_t barrier_key(const struct sim_cluster *cluster) {
  return UINT64_C(1) << 63 | cluster->index;
}

static void end_phase(struct sim_cluster *cluster) {
  cluster->arrived = 0;
  cluster->phase++;
  for (uint32_t b = 0; b < cluster->count; b++) {
    sim_remote_publish(cluster->blocks[b], &cluster->blocks[b]->met);
    cluster->blocks[b]->events++;
  }
}

static void exec_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_cluster *cluster = warp->block->cluster;
  if (inst->aligned && !sim_converged(warp, lanes, UINT32_MAX))
    return;
  if (lanes & warp->met)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & warp->met), SIM_FAULT_CHECK,
              "the thread arrives at the cluster's barrier again, without barrier.cluster.wait");
  warp->met |= lanes;
  warp->met_phase = cluster->phase;
  cluster->arrived += (uint32_t)__builtin_popcount(lanes);
  if (inst->order & SIM_RELEASE) {
    sim_known_join(&warp->block->met, &warp->known);
    sim_order_location(warp, barrier_key(cluster), false, true);
  }
  sim_clock_tick(warp);
  if (cluster->arrived >= threads_left(cluster))
    end_phase(cluster);
}

static void exec_wait(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_cluster *cluster = warp->block->cluster;
  if (inst->aligned && !sim_converged(warp, lanes, UINT32_MAX))
    return;
  if (lanes & ~warp->met)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & ~warp->met), SIM_FAULT_CHECK,
              "barrier.cluster.wait without barrier.cluster.arrive");
  if (cluster->arrived && cluster->arrived >= threads_left(cluster)) /* the rest has exited meanwhile */
    end_phase(cluster);
  if (warp->met_phase == cluster->phase) {
    sim_wait_for_event(warp, lanes);
    return;
  }
  warp->met &= ~lanes;
  sim_order_location(warp, barrier_key(cluster), true, false);
  sim_known_join(&warp->known, &warp->block->met);
  sim_clock_tick(warp);
}

static bool prepare_barrier(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->order = sim_capture_is(captures, 0, ".relaxed") ? 0 : SIM_STRONG | SIM_ACQUIRE | SIM_RELEASE;
  inst->aligned = sim_capture_is(captures, captures->count - 1, ".aligned");
  return true;
}

static uint32_t rank_of(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane) {
  uint32_t rank = ((const uint32_t *)sim_source(warp, inst, 1))[lane];
  if (rank >= warp->block->cluster->count)
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "there is no block %u in a cluster of %u", rank,
              warp->block->cluster->count);
  return rank;
}

static void exec_map_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint32_t *from = sim_source(warp, inst, 0);
  uint32_t out[SIM_LANES];
  SIM_FOR_LANES(lane, lanes)
    out[lane] = (uint32_t)sim_cluster_address(rank_of(warp, inst, lane), from[lane]);
  sim_commit_word(warp, inst, 0, lanes, out);
}

/* Of generic addresses, the mode is 1. */
static void exec_map_wide(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  uint64_t window = inst->mode ? sim_window_shared() : 0;
  uint64_t out[SIM_LANES];
  SIM_FOR_LANES(lane, lanes)
    out[lane] = window + sim_cluster_address(rank_of(warp, inst, lane), from[lane] - window);
  sim_commit_wide(warp, inst, 0, lanes, out);
}

static bool prepare_generic(struct sim_inst *inst, const struct sim_captures *captures) {
  (void)captures;
  inst->mode = 1;
  return true;
}

#define ROW(pattern, operands, exec, taint, prepare)                                                                   \
  { pattern, operands, exec, taint, prepare, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ROW("barrier.cluster.arrive[.release|.relaxed][.aligned]", "", exec_arrive, sim_taint_none, prepare_barrier),
    ROW("barrier.cluster.wait[.acquire][.aligned]", "", exec_wait, sim_taint_none, prepare_barrier),
    ROW("mapa.shared::cluster.u32", "w:ww", exec_map_word, NULL, NULL),
    ROW("mapa.shared::cluster.u64", "x:xw", exec_map_wide, NULL, NULL),
    ROW("mapa.u64", "x:xw", exec_map_wide, NULL, prepare_generic),
};

const struct sim_form_table SIM_TABLE(sim_forms_cluster) = SIM_FORM_TABLE(forms);
