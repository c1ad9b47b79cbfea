/* The shadow of shared memory as bulk copies and matrix products see it. */
#include "check/proxy.h"

#include "check/cell.h"
#include "check/ordering.h"
#include "check/reads.h"
#include "check/shared.h"
#include "machine/fault.h"
#include "machine/mbarrier.h"

#include <string.h>

void sim_proxy_fence(struct sim_warp *warp) {
  memcpy(warp->known.proxied, warp->known.seen, sizeof warp->known.proxied);
  sim_clock_tick(warp);
  sim_mbarriers_publish(warp);
}

bool sim_proxy_read(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                    uint32_t bytes) {
  const struct sim_cell *cells = warp->block->cells;
  bool undefined = false;
  for (uint32_t word = offset / SIM_WORD_BYTES; word < (offset + bytes) / SIM_WORD_BYTES; word++) {
    const struct sim_cell *cell = &cells[word];
    if (cell->pending)
      sim_shared_fault_pending(warp, inst, lane, warp->block, word * SIM_WORD_BYTES, "read");
    undefined |= cell->defined != SIM_WORD_MASK;
    if (!cell->written)
      continue;
    if (cell->write_clock > warp->known.seen[cell->writer])
      sim_shared_fault_race(warp, inst, lane, cell, word * SIM_WORD_BYTES, "read");
    if (!cell->proxy && cell->write_clock > warp->known.proxied[cell->writer])
      sim_fault(
          warp, inst, lane, SIM_FAULT_CHECK,
          "no fence.proxy.async: shared memory at %u, which the operation reads, was written by stores of warp %u",
          word * SIM_WORD_BYTES, cell->writer);
  }
  return undefined;
}

static void check_readers(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                          const struct sim_block *owner, const struct sim_cell *cell, uint32_t offset) {
  SIM_FOR_LANES(reader, cell->readers) {
    if (!sim_ordered(warp, owner->index, reader, cell->read_clock))
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "data race: write of shared memory at %u, read by warp %u with nothing that orders the two", offset,
                reader);
  }
}

void sim_proxy_write_begin(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                           struct sim_block *owner, uint32_t offset, uint32_t bytes) {
  sim_reads_check(warp, inst, lane, owner, offset, bytes);
  for (uint32_t word = offset / SIM_WORD_BYTES; word < (offset + bytes) / SIM_WORD_BYTES; word++) {
    struct sim_cell *cell = &owner->cells[word];
    if (cell->pending)
      sim_shared_fault_pending(warp, inst, lane, owner, word * SIM_WORD_BYTES, "write");
    if (cell->written && !sim_ordered(warp, owner->index, cell->writer, cell->write_clock))
      sim_shared_fault_race(warp, inst, lane, cell, word * SIM_WORD_BYTES, "write");
    if (cell->readers)
      check_readers(warp, inst, lane, owner, cell, word * SIM_WORD_BYTES);
    cell->readers = 0;
    cell->read = 0;
    cell->pending = SIM_WORD_MASK;
  }
}

void sim_proxy_write_end(struct sim_block *owner, uint8_t actor, uint32_t clock, uint32_t offset, uint32_t bytes,
                         uint32_t undefined) {
  uint32_t first = offset / SIM_WORD_BYTES;
  for (uint32_t word = first; word < (offset + bytes) / SIM_WORD_BYTES; word++) {
    uint32_t missing = undefined ? undefined >> (word - first) * SIM_WORD_BYTES & SIM_WORD_MASK : 0;
    owner->cells[word] = (struct sim_cell){.write_clock = clock,
                                           .writer = actor,
                                           .written = SIM_WORD_MASK,
                                           .defined = (uint8_t)(SIM_WORD_MASK & ~missing),
                                           .write_lane = {SIM_LANE_NONE, SIM_LANE_NONE},
                                           .read_lane = {SIM_LANE_NONE, SIM_LANE_NONE},
                                           .proxy = 1};
  }
}
