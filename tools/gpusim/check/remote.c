/* The shadow of shared memory as other blocks of the cluster see it. Their writes are those of one actor of the block
 * that owns the memory: between several writers nothing is told. */
#include "check/remote.h"

#include "check/cell.h"
#include "check/ordering.h"
#include "check/reads.h"
#include "check/shared.h"
#include "machine/fault.h"

static uint32_t part_of(uint32_t word, uint32_t offset, uint32_t bytes) {
  uint32_t start = word * SIM_WORD_BYTES;
  uint32_t first = offset > start ? offset - start : 0;
  uint32_t end = offset + bytes - start < SIM_WORD_BYTES ? offset + bytes - start : SIM_WORD_BYTES;
  return ((1u << end) - 1) & ~((1u << first) - 1);
}

static void check_writer(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         const struct sim_block *owner, const struct sim_cell *cell, uint32_t offset, uint32_t part,
                         enum sim_access_kind kind, const char *what) {
  if (cell->pending & (part | SIM_CELL_MBARRIER))
    sim_shared_fault_pending(warp, inst, lane, owner, offset, what);
  if (kind == SIM_ATOMIC && cell->atomic)
    return;
  if ((cell->written & part) && cell->writer != SIM_REMOTE_ACTOR &&
      !sim_ordered(warp, owner->index, cell->writer, cell->write_clock))
    sim_fault(
        warp, inst, lane, SIM_FAULT_CHECK,
        "data race: %s of shared memory at %u of block %u, written by its warp %u with nothing that orders the two",
        what, offset, owner->index, cell->writer);
}

uint32_t sim_remote_read(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         struct sim_block *owner, uint32_t offset, uint32_t bytes, enum sim_access_kind kind) {
  uint32_t undefined = 0;
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    const struct sim_cell *cell = &owner->cells[word];
    uint32_t part = part_of(word, offset, bytes);
    check_writer(warp, inst, lane, owner, cell, word * SIM_WORD_BYTES, part, kind, "read");
    uint32_t missing = part & ~(uint32_t)cell->defined;
    undefined |= word * SIM_WORD_BYTES >= offset ? missing << (word * SIM_WORD_BYTES - offset)
                                                 : missing >> (offset - word * SIM_WORD_BYTES);
  }
  return undefined;
}

void sim_remote_write(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                      uint32_t offset, uint32_t bytes, uint32_t undefined, enum sim_access_kind kind) {
  sim_reads_check(warp, inst, lane, owner, offset, bytes);
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    struct sim_cell *cell = &owner->cells[word];
    uint32_t part = part_of(word, offset, bytes);
    check_writer(warp, inst, lane, owner, cell, word * SIM_WORD_BYTES, part, kind, "write");
    SIM_FOR_LANES(reader, cell->readers) {
      if ((cell->read & part) && !sim_ordered(warp, owner->index, reader, cell->read_clock))
        sim_fault(
            warp, inst, lane, SIM_FAULT_CHECK,
            "data race: write of shared memory at %u of block %u, read by its warp %u with nothing that orders the "
            "two",
            word * SIM_WORD_BYTES, owner->index, reader);
    }
    uint32_t missing = word * SIM_WORD_BYTES >= offset ? undefined >> (word * SIM_WORD_BYTES - offset)
                                                       : undefined << (offset - word * SIM_WORD_BYTES);
    *cell = (struct sim_cell){.write_clock = ++owner->clock,
                              .writer = SIM_REMOTE_ACTOR,
                              .written = SIM_WORD_MASK,
                              .atomic = kind == SIM_ATOMIC,
                              .defined = (uint8_t)((cell->defined | part) & ~(missing & part)),
                              .write_lane = {SIM_LANE_NONE, SIM_LANE_NONE},
                              .read_lane = {SIM_LANE_NONE, SIM_LANE_NONE}};
  }
}

void sim_remote_publish(struct sim_block *owner, struct sim_known *known) {
  known->seen[SIM_REMOTE_ACTOR] = ++owner->clock;
}
