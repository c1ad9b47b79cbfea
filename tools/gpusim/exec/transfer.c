/* Bulk copies: boxes of tensors, or bytes in a row. A load moves its bytes when it lands, at a time drawn from the
 * seed; a store reads shared memory and writes global memory as late as the waits of its lane allow. */
#include "exec/transfer.h"

#include "check/global.h"
#include "check/proxy.h"
#include "check/reads.h"
#include "exec/access.h"
#include "exec/flight.h"
#include "exec/phase.h"
#include "machine/cluster.h"
#include "machine/fault.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 16, NAN_HALF = 0x7fff, NAN_WORD = 0x7fffffff };

struct sim_transfer {
  struct sim_box box;
  struct sim_block *owner; /* of the shared memory */
  uint32_t mbarrier;
  enum sim_reduction reduction;
  struct sim_read *read;
  uint8_t data[]; /* what a store has read */
};

static uint32_t place_of(const struct sim_transfer *transfer, uint32_t shared, uint32_t offset) {
  return sim_swizzle_place(transfer->box.map.swizzle, shared + offset);
}

static void check_box(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      const struct sim_box *box) {
  const struct sim_tensor_map *map = &box->map;
  if (map->swizzle && box->row_bytes != sim_swizzle_span(map->swizzle))
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER,
              "a box with rows of %u bytes and a swizzle of %u bytes: narrower boxes are not simulated", box->row_bytes,
              sim_swizzle_span(map->swizzle));
  if (box->row_bytes % CHUNK)
    sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "%u bytes are copied: multiples of %d are allowed", box->row_bytes,
              CHUNK);
}

/*
 * The rows of global memory that the box touches lie in allocations. So does the first element of the tensor if the
 * first row is outside of it: an H200 asks for that element in its place.
 */
static void check_rows(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                       bool is_load) {
  sim_check_early(warp, inst, 1u << lane);
  for (uint32_t r = 0; r < box->rows; r++) {
    const struct sim_box_row row = sim_box_row(box, r);
    if (row.to <= row.from && r == 0)
      sim_check_global(warp, inst, lane, box->map.address, box->map.element_bytes);
    if (row.to <= row.from)
      continue;
    struct sim_allocation *allocation = sim_check_global(warp, inst, lane, row.address, row.to - row.from);
    const bool written = sim_global_is_fresh(warp, allocation);
    for (uint32_t i = 0; is_load && written && warp->block->launch->checks && i < row.to - row.from; i += 4)
      sim_global_read(warp, inst, lane, allocation, row.address + i, 4, SIM_PLAIN);
  }
}

static uint32_t check_shared(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                             const struct sim_block *owner, const struct sim_box *box, uint32_t address) {
  uint32_t bytes = sim_box_bytes(box);
  uint32_t alignment = box->map.magic ? SIM_BOX_ALIGNMENT : SIM_BULK_ALIGNMENT;
  if (address % alignment)
    sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "misaligned shared address %u, needs %u bytes", address, alignment);
  if (bytes > owner->shared_bytes || address > owner->shared_bytes - bytes)
    sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS,
              "%u bytes at shared address %u are out of bounds: there are %u bytes", bytes, address,
              owner->shared_bytes);
  return bytes;
}

/* What is outside of the tensor. */
static void fill(const struct sim_tensor_map *map, uint8_t *to, uint32_t bytes) {
  const uint16_t half = NAN_HALF;
  const uint32_t word = NAN_WORD;
  const uint64_t wide = UINT64_C(0x7fffffffffffffff);
  const void *patterns[] = {[2] = &half, [4] = &word, [8] = &wide};
  memset(to, 0, bytes);
  for (uint32_t i = 0; map->fill_nan && i < bytes; i += map->element_bytes)
    memcpy(to + i, patterns[map->element_bytes], map->element_bytes);
}

/* The bytes of chunk `c` of a row, and which of them are undefined. */
static uint32_t fetch_chunk(const struct sim_box *box, const struct sim_box_row *row, uint32_t c, uint8_t out[CHUNK]) {
  uint32_t from = row->from > c ? row->from - c : 0;
  uint32_t to = row->to > c ? row->to - c : 0;
  to = to < CHUNK ? to : CHUNK;
  if (from || to < CHUNK)
    fill(&box->map, out, CHUNK);
  if (to <= from)
    return 0;
  uint64_t address = row->address + c + from - row->from;
  memcpy(out + from, (const void *)(uintptr_t)address, to - from);
  uint32_t undefined = 0;
  const struct sim_allocation *allocation = sim_memory_find(address);
  for (uint32_t i = from; allocation && allocation->undefined && i < to; i++)
    undefined |= sim_memory_undefined(address + i - from, 1) << i;
  return undefined;
}

/* The flight owns its transfer until then, also when a fault ends the launch. */
static void end_transfer(struct sim_flight *flight) {
  free(flight->transfer);
  flight->transfer = NULL;
}

static void land_chunks(const struct sim_transfer *transfer, uint32_t shared, uint8_t agent, uint32_t clock) {
  struct sim_block *owner = transfer->owner;
  const struct sim_box *box = &transfer->box;
  for (uint32_t r = 0; r < box->rows; r++) {
    const struct sim_box_row row = sim_box_row(box, r);
    for (uint32_t c = 0; c < box->row_bytes; c += CHUNK) {
      uint32_t place = place_of(transfer, shared, row.offset + c);
      uint32_t undefined = fetch_chunk(box, &row, c, owner->shared + place);
      if (owner->cells)
        sim_proxy_write_end(owner, agent, clock, place, CHUNK, undefined);
    }
  }
}

static void land_load(struct sim_warp *warp, struct sim_flight *flight, const struct sim_actor *by) {
  struct sim_transfer *transfer = flight->transfer;
  struct sim_block *owner = transfer->owner;
  struct sim_mbarrier *mbarrier = sim_mbarrier_find(owner, transfer->mbarrier);
  (void)by;
  if (!mbarrier)
    sim_fault(warp, flight->inst, flight->lane, SIM_FAULT_CHECK,
              "the mbarrier at shared memory %u has ended before the copy that completes on it", transfer->mbarrier);
  uint32_t clock = ++owner->clock;
  mbarrier->copy = flight->inst;
  mbarrier->arriving.seen[mbarrier->agent] = clock;
  land_chunks(transfer, flight->destination, mbarrier->agent, clock);
  sim_phase_complete(warp, flight->inst, flight->lane, owner, mbarrier, flight->bytes);
  end_transfer(flight);
}

uint32_t sim_transfer_mask(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane) {
  if (inst->mode != SIM_MULTICAST)
    return 0;
  uint32_t source = inst->address_source[inst->address_count - 1] + 1u;
  return ((const uint32_t *)sim_source(warp, inst, source))[lane] & 0xffff;
}

/* The part of a load for one block: its memory, and its mbarrier. */
static void load_block(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                       struct sim_block *owner, uint32_t destination, uint32_t mbarrier) {
  uint32_t bytes = check_shared(warp, inst, lane, owner, box, destination);
  const struct sim_mbarrier *object = sim_phase_object(warp, inst, lane, owner, mbarrier);
  if (warp->block->launch->checks) {
    if (!object->published)
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "the mbarrier at shared memory %u (PTX line %u) is not shown to copies: no fence.mbarrier_init or "
                "fence.proxy.async after its init",
                object->address, object->init->line);
    sim_proxy_write_begin(warp, inst, lane, owner, destination, bytes);
  }
  struct sim_transfer *transfer = sim_allocate(sizeof *transfer);
  transfer->box = *box;
  transfer->owner = owner;
  transfer->mbarrier = mbarrier;
  const struct sim_flight flight = {.land = land_load,
                                    .inst = inst,
                                    .transfer = transfer,
                                    .destination = destination,
                                    .bytes = bytes,
                                    .lane = (uint8_t)lane,
                                    .target = (uint8_t)owner->rank};
  sim_flight_issue_timed(warp, &flight);
}

void sim_transfer_load(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                       uint64_t destination, uint64_t mbarrier, uint32_t mask) {
  struct sim_cluster *cluster = warp->block->cluster;
  struct sim_block *owner = sim_cluster_owner(warp->block, destination);
  uint32_t to = sim_cluster_offset(destination);
  uint32_t object = sim_cluster_offset(mbarrier);
  check_box(warp, inst, lane, box);
  check_rows(warp, inst, lane, box, true);
  if (mask >> cluster->count)
    sim_fault(warp, inst, lane, SIM_FAULT_OTHER, "a copy to blocks %#x of a cluster of %u", mask, cluster->count);
  if (owner != sim_cluster_owner(warp->block, mbarrier))
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the copy and its mbarrier are in different blocks");
  if (!mask)
    load_block(warp, inst, lane, box, owner, to, object);
  SIM_FOR_LANES(rank, mask)
    load_block(warp, inst, lane, box, cluster->blocks[rank], to, object);
}

static void land_write(struct sim_warp *warp, struct sim_flight *flight, const struct sim_actor *by) {
  struct sim_transfer *transfer = flight->transfer;
  const struct sim_box *box = &transfer->box;
  bool reduces = transfer->reduction != SIM_REPLACE;
  (void)by;
  pthread_mutex_lock(&warp->block->launch->sync_lock);
  for (uint32_t r = 0; r < box->rows; r++) {
    const struct sim_box_row row = sim_box_row(box, r);
    const uint8_t *from = transfer->data + row.offset + row.from;
    uint32_t bytes = row.to > row.from ? row.to - row.from : 0;
    if (reduces)
      sim_reduce(transfer->reduction, box->map.type, box->map.element_bytes, (uint8_t *)(uintptr_t)row.address, from,
                 bytes);
    else
      memcpy((void *)(uintptr_t)row.address, from, bytes);
  }
  pthread_mutex_unlock(&warp->block->launch->sync_lock);
  for (uint32_t r = 0; warp->block->launch->checks && r < box->rows; r++) {
    const struct sim_box_row row = sim_box_row(box, r);
    uint32_t step = row.address % 4 || (row.to - row.from) % 4 ? 1 : 4;
    for (uint32_t i = row.from; i < row.to; i += step)
      sim_global_write(warp, flight->inst, flight->lane, sim_memory_find(row.address), row.address + i - row.from, step,
                       reduces ? SIM_ATOMIC : SIM_PLAIN);
  }
  end_transfer(flight);
}

/* Shared memory is read; what it held waits for the write. */
static void land_read(struct sim_warp *warp, struct sim_flight *flight, const struct sim_actor *by) {
  struct sim_transfer *transfer = flight->transfer;
  (void)by;
  for (uint32_t offset = 0; offset < flight->bytes; offset += CHUNK)
    memcpy(transfer->data + offset, transfer->owner->shared + place_of(transfer, flight->destination, offset), CHUNK);
  if (transfer->read)
    sim_read_end(warp, transfer->read);
  struct sim_flight write = *flight;
  write.land = land_write;
  sim_flight_move(&warp->writes, &write);
  flight->transfer = NULL;
}

static void check_source(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         const struct sim_box *box, uint32_t shared) {
  for (uint32_t r = 0; r < box->rows; r++) {
    const struct sim_box_row row = sim_box_row(box, r);
    for (uint32_t c = row.from / CHUNK * CHUNK; c < row.to; c += CHUNK) {
      uint32_t place = sim_swizzle_place(box->map.swizzle, shared + row.offset + c);
      if (sim_proxy_read(warp, inst, lane, place, CHUNK))
        sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                  "an undefined value (from memory never written), of shared memory at %u, is copied to global memory",
                  place);
    }
  }
}

void sim_transfer_store(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, const struct sim_box *box,
                        uint64_t source, enum sim_reduction reduction) {
  struct sim_block *block = warp->block;
  uint32_t shared = (uint32_t)source;
  check_box(warp, inst, lane, box);
  check_rows(warp, inst, lane, box, false);
  uint32_t bytes = check_shared(warp, inst, lane, block, box, shared);
  struct sim_read *read = NULL;
  if (block->launch->checks) {
    const struct sim_read_set set = {.first = shared, .chunks = bytes / CHUNK};
    check_source(warp, inst, lane, box, shared);
    read = sim_read_begin(warp, inst, warp->index, 1, (uint64_t)bytes << 32 | shared, &set);
  }
  struct sim_transfer *transfer = sim_allocate(sizeof *transfer + bytes);
  transfer->box = *box;
  transfer->owner = block;
  transfer->reduction = reduction;
  transfer->read = read;
  const struct sim_flight flight = {.land = land_read,
                                    .inst = inst,
                                    .transfer = transfer,
                                    .destination = shared,
                                    .bytes = bytes,
                                    .lane = (uint8_t)lane};
  sim_flight_issue(&warp->bulk, &flight);
}

void sim_transfer_commit(struct sim_warp *warp, uint32_t lanes) {
  sim_flight_commit(&warp->bulk, lanes);
  sim_flight_commit(&warp->writes, lanes);
}

void sim_transfer_wait(struct sim_warp *warp, uint32_t lanes, uint32_t pending, bool only_reads) {
  sim_flight_land_groups(warp, &warp->bulk, lanes, pending);
  if (!only_reads)
    sim_flight_land_groups(warp, &warp->writes, lanes, pending);
}

static void finish_warp(struct sim_warp *warp) {
  const struct sim_actor self = sim_flight_self(warp);
  if (warp->bulk.count && warp->block->launch->checks)
    sim_fault(warp, warp->bulk.items[0].inst, warp->bulk.items[0].lane, SIM_FAULT_CHECK,
              "the block ends while a bulk copy still reads its shared memory (no wait_group.read)");
  sim_flight_land_before(warp, &warp->bulk, UINT32_MAX, UINT64_MAX, &self);
  sim_flight_land_before(warp, &warp->writes, UINT32_MAX, UINT64_MAX, &self);
}

void sim_transfer_finish(struct sim_block *block) {
  for (size_t i = 0; i < block->timed.count; i++) {
    const struct sim_flight *flight = &block->timed.items[i];
    if (flight->transfer && block->launch->checks)
      sim_fault(&block->warps[flight->warp], flight->inst, flight->lane, SIM_FAULT_CHECK,
                "the block ends while a bulk copy still writes its shared memory");
  }
  for (uint32_t w = 0; w < block->warp_count; w++)
    finish_warp(&block->warps[w]);
}
