/* The memory of a resident block: registers, shadow, shared and local memory. A context is used for one block
 * after the other. */
#include "exec/block.h"

#include "check/ordering.h"
#include "check/reads.h"
#include "check/shared.h"
#include "exec/flight.h"
#include "machine/cluster.h"
#include "machine/mbarrier.h"

#include <stdlib.h>
#include <string.h>

static uint32_t total_shared(const struct sim_launch *launch) {
  return launch->program->static_shared + launch->dynamic_shared;
}

static struct sim_block *create_block(struct sim_launch *launch) {
  struct sim_block *block = sim_allocate(sizeof *block);
  const struct sim_program *program = launch->program;
  block->launch = launch;
  block->program = program;
  block->threads = launch->threads[0] * launch->threads[1] * launch->threads[2];
  block->warp_count = (block->threads + SIM_LANES - 1) / SIM_LANES;
  block->shared_bytes = total_shared(launch);
  size_t slots = (size_t)block->warp_count * program->slots;
  size_t local = (size_t)block->warp_count * SIM_LANES * program->local_bytes;
  block->warps = sim_allocate(block->warp_count * sizeof *block->warps);
  block->slots = aligned_alloc(64, slots * SIM_SLOT_BYTES + 64);
  block->taint = sim_allocate(slots * SIM_LANES);
  block->shared = sim_allocate(block->shared_bytes);
  block->local = sim_allocate(local);
  block->local_defined = sim_allocate(local);
  if (launch->checks)
    block->cells = sim_shared_cells(block->shared_bytes);
  for (uint32_t w = 0; w < block->warp_count; w++)
    block->warps[w].acquiring = sim_foreign_create();
  return block;
}

static void destroy_block(struct sim_block *block) {
  for (uint32_t w = 0; w < block->warp_count; w++) {
    sim_flights_release(&block->warps[w].copies);
    sim_flights_release(&block->warps[w].bulk);
    sim_flights_release(&block->warps[w].writes);
    free(block->warps[w].products.items);
    free(block->warps[w].products.busy);
    sim_foreign_destroy(block->warps[w].acquiring);
  }
  sim_foreign_destroy(block->foreign);
  sim_sync_table_destroy(block->sync);
  sim_mbarriers_clear(block);
  sim_reads_clear(block);
  sim_flights_release(&block->timed);
  free(block->warps);
  free(block->slots);
  free(block->taint);
  free(block->shared);
  free(block->local);
  free(block->local_defined);
  free(block->cells);
  free(block);
}

static uint32_t lane_mask(enum sim_special special, uint32_t lane) {
  uint32_t self = 1u << lane;
  switch (special) {
  case SIM_LANEMASK_EQ:
    return self;
  case SIM_LANEMASK_LT:
    return self - 1;
  case SIM_LANEMASK_LE:
    return self | (self - 1);
  case SIM_LANEMASK_GT:
    return ~(self | (self - 1));
  default:
    return ~(self - 1);
  }
}

static uint32_t special_value(const struct sim_warp *warp, enum sim_special special, uint32_t lane) {
  const struct sim_block *block = warp->block;
  const struct sim_launch *launch = block->launch;
  uint32_t thread = warp->index * SIM_LANES + lane;
  switch (special) {
  case SIM_TID_X:
    return thread % launch->threads[0];
  case SIM_TID_Y:
    return thread / launch->threads[0] % launch->threads[1];
  case SIM_TID_Z:
    return thread / launch->threads[0] / launch->threads[1];
  case SIM_NTID_X:
  case SIM_NTID_Y:
  case SIM_NTID_Z:
    return launch->threads[special - SIM_NTID_X];
  case SIM_CTAID_X:
  case SIM_CTAID_Y:
  case SIM_CTAID_Z:
    return block->id[special - SIM_CTAID_X];
  case SIM_NCTAID_X:
  case SIM_NCTAID_Y:
  case SIM_NCTAID_Z:
    return launch->grid[special - SIM_NCTAID_X];
  case SIM_CLUSTERID_X:
  case SIM_CLUSTERID_Y:
  case SIM_CLUSTERID_Z:
    return block->id[special - SIM_CLUSTERID_X] / launch->cluster[special - SIM_CLUSTERID_X];
  case SIM_NCLUSTERID_X:
  case SIM_NCLUSTERID_Y:
  case SIM_NCLUSTERID_Z:
    return launch->grid[special - SIM_NCLUSTERID_X] / launch->cluster[special - SIM_NCLUSTERID_X];
  case SIM_CLUSTER_CTAID_X:
  case SIM_CLUSTER_CTAID_Y:
  case SIM_CLUSTER_CTAID_Z:
    return block->id[special - SIM_CLUSTER_CTAID_X] % launch->cluster[special - SIM_CLUSTER_CTAID_X];
  case SIM_CLUSTER_NCTAID_X:
  case SIM_CLUSTER_NCTAID_Y:
  case SIM_CLUSTER_NCTAID_Z:
    return launch->cluster[special - SIM_CLUSTER_NCTAID_X];
  case SIM_CLUSTER_CTARANK:
    return block->rank;
  case SIM_CLUSTER_NCTARANK:
    return block->cluster->count;
  case SIM_LANEID:
    return lane;
  case SIM_WARPID:
    return warp->index;
  case SIM_NWARPID:
    return block->warp_count;
  case SIM_SMID:
    return block->index % launch->multiprocessors;
  case SIM_NSMID:
    return launch->multiprocessors;
  case SIM_GRIDID:
    return launch->tag;
  case SIM_DYNAMIC_SHARED:
    return launch->dynamic_shared;
  case SIM_TOTAL_SHARED:
    return block->shared_bytes;
  case SIM_ZERO:
  case SIM_SPECIAL_COUNT:
    return 0;
  default:
    return lane_mask(special, lane);
  }
}

/* Whether threads may touch no memory before they have waited for the launch before. */
static bool must_wait(const struct sim_launch *launch) {
  return launch->checks && launch->overlaps && !launch->released;
}

static void start_warp(struct sim_block *block, uint32_t index) {
  const struct sim_program *program = block->program;
  struct sim_warp *warp = &block->warps[index];
  struct sim_flights copies = warp->copies;
  struct sim_flights bulk = warp->bulk;
  struct sim_flights writes = warp->writes;
  struct sim_product *items = warp->products.items;
  uint32_t capacity = warp->products.capacity;
  free(warp->products.busy);
  struct sim_foreign *acquiring = warp->acquiring;
  sim_flights_clear(&copies);
  sim_flights_clear(&bulk);
  sim_flights_clear(&writes);
  memset(warp, 0, sizeof *warp);
  warp->copies = copies;
  warp->bulk = bulk;
  warp->writes = writes;
  warp->products.items = items;
  warp->products.capacity = capacity;
  warp->acquiring = acquiring;
  sim_foreign_clear(acquiring);
  warp->block = block;
  warp->index = index;
  warp->slots = block->slots + (size_t)index * program->slots * SIM_SLOT_BYTES;
  warp->taint = block->taint + (size_t)index * program->slots * SIM_LANES;
  uint32_t threads = block->threads - index * SIM_LANES;
  warp->live = threads >= SIM_LANES ? UINT32_MAX : (1u << threads) - 1;
  warp->early = must_wait(block->launch) ? warp->live : 0;
  warp->beside = block->launch->released ? warp->live : 0;
  warp->registers = program->registers;
  warp->fragments[0].lanes = warp->live;
  warp->fragment_count = 1;
  memcpy(warp->slots, program->image, (size_t)program->image_slots * SIM_SLOT_BYTES);
  memset(warp->slots + (size_t)program->image_slots * SIM_SLOT_BYTES, 0,
         (size_t)(program->slots - program->image_slots) * SIM_SLOT_BYTES);
  for (size_t s = 0; s < program->special_count; s++) {
    uint32_t *values = sim_slot(warp, program->specials[s].slot);
    for (uint32_t lane = 0; lane < SIM_LANES; lane++)
      values[lane] = special_value(warp, program->specials[s].special, lane);
  }
  sim_clock_tick(warp);
}

/* A shuffle of the warp order, the same for the same seed and block. */
static void order_warps(struct sim_block *block) {
  uint64_t state = block->launch->seed * 0x9e3779b97f4a7c15u + block->index;
  for (uint32_t w = 0; w < block->warp_count; w++)
    block->order[w] = w;
  if (!block->launch->seed)
    return;
  for (uint32_t w = block->warp_count - 1; w > 0; w--) {
    state = (state ^ state >> 31) * 0xbf58476d1ce4e5b9u + 1;
    uint32_t other = (uint32_t)(state >> 33) % (w + 1);
    uint32_t kept = block->order[w];
    block->order[w] = block->order[other];
    block->order[other] = kept;
  }
}

static void start_block(struct sim_block *block, const uint32_t id[3]) {
  const struct sim_launch *launch = block->launch;
  uint32_t index = (id[2] * launch->grid[1] + id[1]) * launch->grid[0] + id[0];
  block->index = index;
  memcpy(block->id, id, sizeof block->id);
  block->finished = false;
  memset(&block->met, 0, sizeof block->met);
  block->exited = 0;
  block->releases = false;
  block->executed = 0;
  block->clock = 0;
  block->events = 0;
  block->let_goes = 0;
  block->sleeps = false;
  block->let_go_events = 0;
  block->free_registers = 0;
  block->round = 0;
  block->chance = (launch->seed + 1) * 0x9e3779b97f4a7c15u + index;
  sim_mbarriers_clear(block);
  sim_reads_clear(block);
  sim_flights_clear(&block->timed);
  memset(block->barriers, 0, sizeof block->barriers);
  memset(block->taint, 0, (size_t)block->warp_count * block->program->slots * SIM_LANES);
  memset(block->local_defined, 0, (size_t)block->warp_count * SIM_LANES * block->program->local_bytes);
  sim_foreign_destroy(block->foreign);
  block->foreign = sim_foreign_create();
  sim_sync_table_destroy(block->sync);
  block->sync = sim_sync_table_create();
  if (block->cells) /* memory keeps what the last block left, as on a GPU; the checks know that it is undefined */
    sim_shared_clear(block->cells, block->shared_bytes);
  order_warps(block);
  for (uint32_t w = 0; w < block->warp_count; w++)
    start_warp(block, w);
}

struct sim_cluster *sim_cluster_create(struct sim_launch *launch) {
  struct sim_cluster *cluster = sim_allocate(sizeof *cluster);
  cluster->count = launch->cluster[0] * launch->cluster[1] * launch->cluster[2];
  for (uint32_t rank = 0; rank < cluster->count; rank++) {
    cluster->blocks[rank] = create_block(launch);
    cluster->blocks[rank]->cluster = cluster;
    cluster->blocks[rank]->rank = rank;
  }
  return cluster;
}

void sim_cluster_destroy(struct sim_cluster *cluster) {
  for (uint32_t rank = 0; rank < cluster->count; rank++)
    destroy_block(cluster->blocks[rank]);
  free(cluster);
}

/* `number` in its dimensions. */
static void split(uint32_t number, const uint32_t dims[3], uint32_t out[3]) {
  for (int d = 0; d < 3; d++) {
    out[d] = number % dims[d];
    number /= dims[d];
  }
}

void sim_cluster_start(struct sim_cluster *cluster, struct sim_worker *worker, uint32_t index) {
  const struct sim_launch *launch = cluster->blocks[0]->launch;
  uint32_t clusters[3];
  uint32_t at[3];
  for (int d = 0; d < 3; d++)
    clusters[d] = launch->grid[d] / launch->cluster[d];
  split(index, clusters, at);
  cluster->index = index;
  cluster->arrived = 0;
  cluster->phase = 0;
  for (uint32_t rank = 0; rank < cluster->count; rank++) {
    uint32_t id[3];
    split(rank, launch->cluster, id);
    for (int d = 0; d < 3; d++)
      id[d] += at[d] * launch->cluster[d];
    cluster->blocks[rank]->worker = worker;
    start_block(cluster->blocks[rank], id);
  }
}
