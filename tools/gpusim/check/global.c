/* Global memory: a cell per word with the last plain write of this launch, and the definedness of every byte.
 */
#include "check/global.h"

#include "check/ordering.h"
#include "machine/fault.h"

/* Cell: launch tag, block, warp, clock and written bytes of the last plain write. Blocks and clocks beyond
 * their fields are not tracked. */
enum { BYTES_BITS = 4, CLOCK_BITS = 25, WARP_BITS = 5, BLOCK_BITS = 20 };
enum { CLOCK_SHIFT = BYTES_BITS, WARP_SHIFT = CLOCK_SHIFT + CLOCK_BITS, BLOCK_SHIFT = WARP_SHIFT + WARP_BITS };
enum { TAG_SHIFT = BLOCK_SHIFT + BLOCK_BITS };

static uint32_t field(uint64_t cell, int shift, int bits) {
  return (uint32_t)(cell >> shift & ((UINT64_C(1) << bits) - 1));
}

static uint32_t word_part(uint64_t word, uint64_t address, uint32_t bytes) {
  uint64_t first = address > word ? address - word : 0;
  uint64_t end = address + bytes - word < 4 ? address + bytes - word : 4;
  return ((1u << end) - 1) & ~((1u << first) - 1);
}

bool sim_global_is_fresh(const struct sim_warp *warp, const struct sim_allocation *allocation) {
  return atomic_load_explicit(&allocation->written_launch, memory_order_relaxed) >= warp->block->launch->beside;
}

/* Whether a write by a launch in front may still be under way. */
static bool may_be_beside(const struct sim_warp *warp, uint32_t lane, uint32_t tag) {
  return tag >= warp->block->launch->beside && tag < warp->block->launch->tag && (warp->beside >> lane & 1);
}

static void tell_race(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint64_t word,
                      uint64_t cell, const char *what) {
  char place[256];
  sim_memory_describe(word, place, sizeof place);
  if (cell >> TAG_SHIFT < warp->block->launch->tag)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
              "data race: %s of global memory at %#llx (%s), written by a launch that may still be beside this one",
              what, (unsigned long long)word, place);
  sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
            "data race: %s of global memory at %#llx (%s), written by warp %u of block %u in this launch "
            "with nothing "
            "that orders the two",
            what, (unsigned long long)word, place, field(cell, WARP_SHIFT, WARP_BITS),
            field(cell, BLOCK_SHIFT, BLOCK_BITS));
}

static void check_cell(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint64_t word,
                       uint32_t part, const char *what) {
  uint64_t cell = atomic_load_explicit(sim_memory_cell(word), memory_order_relaxed);
  const uint32_t tag = (uint32_t)(cell >> TAG_SHIFT);
  if (!(cell & part) || (tag != warp->block->launch->tag && !may_be_beside(warp, lane, tag)))
    return;
  uint32_t block = field(cell, BLOCK_SHIFT, BLOCK_BITS);
  uint32_t writer = field(cell, WARP_SHIFT, WARP_BITS);
  if (!sim_ordered_beside(warp, tag, block, writer, field(cell, CLOCK_SHIFT, CLOCK_BITS)))
    tell_race(warp, inst, lane, word, cell, what);
}

uint32_t sim_global_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         struct sim_allocation *allocation, uint64_t address, uint32_t bytes,
                         enum sim_access_kind kind) {
  if (sim_global_is_fresh(warp, allocation) && kind != SIM_ATOMIC)
    for (uint64_t word = address & ~UINT64_C(3); word < address + bytes; word += 4)
      check_cell(warp, inst, lane, word, word_part(word, address, bytes), "read");
  if (atomic_load_explicit(&allocation->undefined, memory_order_relaxed) == 0)
    return 0;
  return sim_memory_undefined(address, bytes);
}

static void note_write(const struct sim_warp *warp, uint64_t word, uint32_t part) {
  uint32_t clock = warp->known.seen[warp->index];
  if (warp->block->index >> BLOCK_BITS || clock >> CLOCK_BITS)
    return;
  uint64_t cell = (uint64_t)warp->block->launch->tag << TAG_SHIFT | (uint64_t)warp->block->index << BLOCK_SHIFT |
                  (uint64_t)warp->index << WARP_SHIFT | (uint64_t)clock << CLOCK_SHIFT;
  _Atomic uint64_t *slot = sim_memory_cell(word);
  uint64_t before = atomic_load_explicit(slot, memory_order_relaxed);
  uint64_t merged = before >> BYTES_BITS == cell >> BYTES_BITS ? before & 15 : 0;
  atomic_store_explicit(slot, cell | merged | part, memory_order_relaxed);
}

void sim_global_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      struct sim_allocation *allocation, uint64_t address, uint32_t bytes, enum sim_access_kind kind) {
  uint32_t tag = warp->block->launch->tag;
  const bool is_fresh = sim_global_is_fresh(warp, allocation);
  if (kind != SIM_ATOMIC && atomic_load_explicit(&allocation->written_launch, memory_order_relaxed) != tag)
    atomic_store_explicit(&allocation->written_launch, tag, memory_order_relaxed);
  for (uint64_t word = address & ~UINT64_C(3); word < address + bytes; word += 4) {
    uint32_t part = word_part(word, address, bytes);
    if (is_fresh)
      check_cell(warp, inst, lane, word, part, "write");
    if (kind != SIM_ATOMIC)
      note_write(warp, word, part);
  }
  if (atomic_load_explicit(&allocation->undefined, memory_order_relaxed))
    sim_memory_define_access(allocation, address, bytes);
}
