/* Shared memory: a cell per word with the last write and the reads since, checked by happens-before. Where a
 * cell must forget (several writers of parts of a word, readers at several times) it forgets towards silence,
 * never towards a false report. */
#include "check/shared.h"

#include "check/cell.h"
#include "check/reads.h"
#include "machine/cluster.h"
#include "machine/fault.h"
#include "machine/mbarrier.h"

#include <stdio.h>
#include <string.h>

static size_t cell_count(uint32_t bytes) {
  return (size_t)bytes / SIM_WORD_BYTES + 1;
}

struct sim_cell *sim_shared_cells(uint32_t bytes) {
  return sim_allocate(cell_count(bytes) * sizeof(struct sim_cell));
}

void sim_shared_clear(struct sim_cell *cells, uint32_t bytes) {
  size_t count = cell_count(bytes);
  memset(cells, 0, count * sizeof *cells);
  for (size_t i = 0; i < count; i++)
    memset(cells[i].write_lane, SIM_LANE_NONE, sizeof cells[i].write_lane + sizeof cells[i].read_lane);
}

static uint32_t half_of(uint32_t bytes) {
  return bytes & 3 ? 0 : 1;
}

/* The bytes of word `word` touched by [offset, offset + bytes). Accesses are aligned: longer ones take whole words. */
static uint32_t word_part(uint32_t word, uint32_t offset, uint32_t bytes) {
  if (bytes >= SIM_WORD_BYTES)
    return SIM_WORD_MASK;
  uint32_t start = word * SIM_WORD_BYTES;
  uint32_t first = offset > start ? offset - start : 0;
  uint32_t end = offset + bytes - start < SIM_WORD_BYTES ? offset + bytes - start : SIM_WORD_BYTES;
  return ((1u << end) - 1) & ~((1u << first) - 1);
}

static bool other_lane(const uint8_t lanes[2], uint32_t part, uint32_t lane) {
  for (uint32_t half = half_of(part); half <= (part & 12 ? 1u : 0u); half++) {
    uint8_t known = lanes[half];
    if (known != SIM_LANE_NONE && (known == SIM_LANE_MANY || known != lane))
      return true;
  }
  return false;
}

static void note_lane(uint8_t lanes[2], uint32_t part, uint32_t lane) {
  for (uint32_t half = half_of(part); half <= (part & 12 ? 1u : 0u); half++)
    lanes[half] = lanes[half] == SIM_LANE_NONE || lanes[half] == lane ? (uint8_t)lane : SIM_LANE_MANY;
}

void sim_shared_describe_actor(const struct sim_block *block, uint32_t actor, char *text, size_t bytes) {
  uint32_t index = 0;
  const struct sim_mbarrier *mbarrier;
  if (actor == SIM_REMOTE_ACTOR)
    snprintf(text, bytes, "other blocks of the cluster");
  else
    snprintf(text, bytes, "warp %u", actor);
  while (actor >= SIM_MAX_WARPS && (mbarrier = sim_mbarrier_next(block, &index)))
    if (mbarrier->agent == actor && mbarrier->copy)
      snprintf(text, bytes, "the copy at PTX line %u, which completes on the mbarrier at %u", mbarrier->copy->line,
               mbarrier->address);
}

/* The bulk copy in flight that will write there, or NULL: then it is a cp.async. */
static const struct sim_flight *bulk_copy_to(const struct sim_block *block, uint32_t offset) {
  for (uint32_t b = 0; b < block->cluster->count; b++) {
    const struct sim_flights *timed = &block->cluster->blocks[b]->timed;
    for (size_t i = 0; i < timed->count; i++) {
      const struct sim_flight *flight = &timed->items[i];
      if (flight->target == block->rank && offset - flight->destination < flight->bytes)
        return flight;
    }
  }
  return NULL;
}

void sim_shared_fault_pending(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                              const struct sim_block *owner, uint32_t offset, const char *what) {
  const struct sim_flight *flight = bulk_copy_to(owner, offset);
  if (owner->cells[offset / SIM_WORD_BYTES].pending & SIM_CELL_MBARRIER)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "%s of shared memory at %u, which is a part of an mbarrier", what,
              offset);
  if (flight)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
              "%s of shared memory at %u, which the copy at PTX line %u (warp %u, lane %u) still has to write (no wait "
              "for its mbarrier yet)",
              what, offset, flight->inst->line, flight->warp, flight->lane);
  sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
            "%s of shared memory at %u, which a cp.async still has to write (no wait_group for it yet)", what, offset);
}

static void check_pending(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                          const struct sim_cell *cell, uint32_t offset, uint32_t part, const char *what) {
  if (cell->pending & (part | SIM_CELL_MBARRIER))
    sim_shared_fault_pending(warp, inst, lane, warp->block, offset, what);
}

void sim_shared_fault_race(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                           const struct sim_cell *cell, uint32_t offset, const char *what) {
  char who[128];
  sim_shared_describe_actor(warp->block, cell->writer, who, sizeof who);
  sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
            "data race: %s of shared memory at %u, written by %s with nothing that orders the two", what, offset, who);
}

/* Is the last write to the cell unordered with this access? */
static void check_last_write(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                             const struct sim_cell *cell, uint32_t offset, uint32_t part, enum sim_access_kind kind,
                             const char *what) {
  if (!(cell->written & part) || (kind == SIM_ATOMIC && cell->atomic))
    return;
  if (cell->write_clock > warp->known.seen[cell->writer])
    sim_shared_fault_race(warp, inst, lane, cell, offset, what);
  bool same_interval = cell->writer == warp->index && cell->write_clock == warp->known.seen[warp->index];
  bool is_read = what[0] == 'r';
  if (!is_read || !same_interval || cell->atomic || kind == SIM_ATOMIC)
    return;
  if (kind == SIM_COLLECTIVE || other_lane(cell->write_lane, part & cell->written, lane))
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
              "data race within the warp: read of shared memory at %u, written by another lane with no "
              "bar.warp.sync between",
              offset);
}

/* Are earlier reads of the cell unordered with this write? */
static void check_reads(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                        const struct sim_cell *cell, uint32_t offset, uint32_t part, const char *what) {
  if (!(cell->read & part))
    return;
  SIM_FOR_LANES(reader, cell->readers) {
    if (reader != warp->index && cell->read_clock > warp->known.seen[reader])
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "data race: %s of shared memory at %u, read by warp %u with nothing that orders the two", what, offset,
                reader);
  }
  if (cell->readers == 1u << warp->index && cell->read_clock == warp->known.seen[warp->index] &&
      other_lane(cell->read_lane, part & cell->read, lane))
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
              "data race within the warp: %s of shared memory at %u, read by another lane with no bar.warp.sync "
              "between",
              what, offset);
}

static bool readers_ordered(const struct sim_warp *warp, const struct sim_cell *cell) {
  SIM_FOR_LANES(reader, cell->readers) {
    if (cell->read_clock > warp->known.seen[reader])
      return false;
  }
  return true;
}

static void forget_reads(struct sim_cell *cell) {
  cell->readers = 0;
  cell->read = 0;
  cell->read_lane[0] = cell->read_lane[1] = SIM_LANE_NONE;
}

static void note_read(const struct sim_warp *warp, struct sim_cell *cell, uint32_t part, uint32_t lane,
                      enum sim_access_kind kind) {
  uint32_t now = warp->known.seen[warp->index];
  uint32_t self = 1u << warp->index;
  bool is_current = cell->readers == self && cell->read_clock == now;
  if (!is_current && (!cell->readers || readers_ordered(warp, cell))) {
    forget_reads(cell);
    cell->read_clock = now;
  }
  /* Several warps count as readers of what all of them have read: warps that read other parts are forgotten. */
  if (cell->readers & ~self && !(cell->read & part)) {
    forget_reads(cell);
    cell->read_clock = now;
  }
  const bool shared = cell->readers & ~self;
  /* One clock for all readers: the smallest, which may miss a race but never invents one. */
  cell->read_clock = cell->read_clock < now ? cell->read_clock : now;
  cell->readers |= self;
  cell->read = (uint8_t)(shared ? cell->read & part : cell->read | part);
  if (kind == SIM_PLAIN)
    note_lane(cell->read_lane, part, lane);
}

uint32_t sim_shared_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                         uint32_t bytes, enum sim_access_kind kind) {
  struct sim_cell *cells = warp->block->cells;
  uint32_t undefined = 0;
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    struct sim_cell *cell = &cells[word];
    uint32_t part = word_part(word, offset, bytes);
    check_pending(warp, inst, lane, cell, word * SIM_WORD_BYTES, part, "read");
    check_last_write(warp, inst, lane, cell, word * SIM_WORD_BYTES, part, kind, "read");
    if (kind != SIM_ATOMIC)
      note_read(warp, cell, part, lane, kind);
    uint32_t missing = part & ~(uint32_t)cell->defined;
    if (missing)
      undefined |= word * SIM_WORD_BYTES >= offset ? missing << (word * SIM_WORD_BYTES - offset)
                                                   : missing >> (offset - word * SIM_WORD_BYTES);
  }
  return undefined;
}

static void note_write(uint32_t actor, uint32_t now, struct sim_cell *cell, uint32_t part, uint32_t lane,
                       bool is_atomic) {
  bool same = cell->writer == actor && cell->write_clock == now && cell->atomic == is_atomic;
  if (!same) {
    cell->written = 0;
    cell->write_lane[0] = cell->write_lane[1] = SIM_LANE_NONE;
  }
  cell->writer = (uint8_t)actor;
  cell->proxy = 0;
  cell->write_clock = now;
  cell->atomic = is_atomic;
  cell->written |= (uint8_t)part;
  note_lane(cell->write_lane, part, lane);
}

static void check_write(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                        const struct sim_cell *cell, uint32_t offset, uint32_t part, enum sim_access_kind kind) {
  check_pending(warp, inst, lane, cell, offset, part, "write");
  check_last_write(warp, inst, lane, cell, offset, part, kind, "write");
  check_reads(warp, inst, lane, cell, offset, part, "write");
}

void sim_shared_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                      uint32_t bytes, uint32_t undefined, enum sim_access_kind kind) {
  struct sim_cell *cells = warp->block->cells;
  if (warp->block->reads)
    sim_reads_check(warp, inst, lane, warp->block, offset, bytes);
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    struct sim_cell *cell = &cells[word];
    uint32_t part = word_part(word, offset, bytes);
    uint32_t missing = word * SIM_WORD_BYTES >= offset ? undefined >> (word * SIM_WORD_BYTES - offset)
                                                       : undefined << (offset - word * SIM_WORD_BYTES);
    check_write(warp, inst, lane, cell, word * SIM_WORD_BYTES, part, kind);
    if (part == SIM_WORD_MASK || (part & cell->read) == cell->read)
      forget_reads(cell);
    note_write(warp->index, warp->known.seen[warp->index], cell, part, lane, kind == SIM_ATOMIC);
    cell->defined = (uint8_t)((cell->defined | part) & ~(missing & part));
  }
}

void sim_shared_mark_mbarrier(struct sim_block *block, uint32_t offset, bool marked) {
  for (uint32_t word = offset / SIM_WORD_BYTES; word < (offset + SIM_MBARRIER_BYTES) / SIM_WORD_BYTES; word++)
    block->cells[word].pending = marked ? SIM_CELL_MBARRIER : 0;
}

void sim_shared_copy_begin(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t offset,
                           uint32_t bytes) {
  struct sim_cell *cells = warp->block->cells;
  if (warp->block->reads)
    sim_reads_check(warp, inst, lane, warp->block, offset, bytes);
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    uint32_t part = word_part(word, offset, bytes);
    check_write(warp, inst, lane, &cells[word], word * SIM_WORD_BYTES, part, SIM_PLAIN);
    forget_reads(&cells[word]);
    cells[word].pending |= (uint8_t)part;
  }
}

void sim_shared_copy_end(struct sim_block *block, uint32_t actor, uint32_t clock, uint32_t lane, uint32_t offset,
                         uint32_t bytes, uint32_t undefined) {
  struct sim_cell *cells = block->cells;
  for (uint32_t word = offset / SIM_WORD_BYTES; word * SIM_WORD_BYTES < offset + bytes; word++) {
    uint32_t part = word_part(word, offset, bytes);
    uint32_t missing = undefined >> (word * SIM_WORD_BYTES - offset);
    cells[word].pending &= (uint8_t)~part;
    note_write(actor, clock, &cells[word], part, lane, false);
    cells[word].defined = (uint8_t)((cells[word].defined | part) & ~(missing & part));
  }
}
