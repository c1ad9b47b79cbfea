/* The list of reads of shared memory by operations. */
#include "check/reads.h"

#include "arena.h"
#include "check/ordering.h"
#include "machine/fault.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 1024, PAGES = 256 };

struct sim_reads {
  struct sim_read **items;
  size_t count;
  size_t capacity;
  uint16_t live[PAGES]; /* reads not forgotten that begin or end in a page of shared memory, or reach over it */
};

static uint32_t end_of(const struct sim_read *read) {
  return read->set.first + read->set.chunks * SIM_READ_CHUNK;
}

static void count_live(struct sim_reads *reads, const struct sim_read *read, int change) {
  for (uint32_t page = read->set.first / PAGE; page <= (end_of(read) - 1) / PAGE; page++)
    reads->live[page] = (uint16_t)(reads->live[page] + change);
}

static bool any_live(const struct sim_reads *reads, uint32_t offset, uint32_t bytes) {
  uint32_t live = 0;
  for (uint32_t page = offset / PAGE; page <= (offset + bytes - 1) / PAGE; page++)
    live |= reads->live[page];
  return live;
}

static uint64_t *copy_bits(const struct sim_read_set *set) {
  if (!set->bits)
    return NULL;
  size_t bytes = (set->chunks + 63) / 64 * sizeof *set->bits;
  uint64_t *bits = sim_allocate(bytes);
  memcpy(bits, set->bits, bytes);
  return bits;
}

/* One with the same set that is not in flight. */
static struct sim_read *ended_twin(const struct sim_reads *reads, uint32_t first_warp, uint64_t key) {
  for (size_t i = 0; i < reads->count; i++) {
    struct sim_read *read = reads->items[i];
    if (read->key == key && read->warp == first_warp && !read->in_flight)
      return read;
  }
  return NULL;
}

struct sim_read *sim_read_begin(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t first_warp,
                                uint32_t warps, uint64_t key, const struct sim_read_set *set) {
  struct sim_block *block = warp->block;
  if (!block->reads)
    block->reads = sim_allocate(sizeof *block->reads);
  struct sim_reads *reads = block->reads;
  struct sim_read *read = ended_twin(reads, first_warp, key);
  if (!read) {
    SIM_PUSH(reads->items, reads->count, reads->capacity);
    read = reads->items[reads->count++] = sim_allocate(sizeof *read);
    read->bits = copy_bits(set);
    read->set = (struct sim_read_set){set->first, set->chunks, read->bits};
    read->key = key;
    read->warp = (uint8_t)first_warp;
    read->warps = (uint8_t)warps;
    read->forgotten = true;
  }
  if (read->forgotten)
    count_live(reads, read, 1);
  read->inst = inst;
  read->in_flight = true;
  read->forgotten = false;
  memset(read->ended, 0, sizeof read->ended);
  return read;
}

void sim_read_end(const struct sim_warp *warp, struct sim_read *read) {
  read->in_flight = false;
  read->ended[warp->index - read->warp] = warp->known.seen[warp->index];
}

void sim_read_also_end(const struct sim_warp *warp, struct sim_read *read) {
  if (!read->in_flight)
    read->ended[warp->index - read->warp] = warp->known.seen[warp->index];
}

static bool overlaps(const struct sim_read *read, uint32_t offset, uint32_t bytes) {
  if (offset >= end_of(read) || offset + bytes <= read->set.first)
    return false;
  if (!read->set.bits)
    return true;
  uint32_t from = offset > read->set.first ? (offset - read->set.first) / SIM_READ_CHUNK : 0;
  uint32_t to = (offset + bytes - read->set.first + SIM_READ_CHUNK - 1) / SIM_READ_CHUNK;
  for (uint32_t chunk = from; chunk < to && chunk < read->set.chunks; chunk++)
    if (read->set.bits[chunk / 64] >> (chunk % 64) & 1)
      return true;
  return false;
}

static bool ordered(const struct sim_warp *warp, const struct sim_block *owner, const struct sim_read *read) {
  for (uint32_t w = 0; w < read->warps; w++)
    if (read->ended[w] && sim_ordered(warp, owner->index, read->warp + w, read->ended[w]))
      return true;
  return false;
}

void sim_reads_check(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                     uint32_t offset, uint32_t bytes) {
  struct sim_reads *reads = owner->reads;
  if (!reads || !any_live(reads, offset, bytes))
    return;
  for (size_t i = 0; i < reads->count; i++) {
    struct sim_read *read = reads->items[i];
    if (read->forgotten || !overlaps(read, offset, bytes))
      continue;
    if (read->in_flight)
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "write of shared memory at %u, which the operation at PTX line %u (warp %u) still reads", offset,
                read->inst->line, read->warp);
    if (!ordered(warp, owner, read))
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "data race: write of shared memory at %u, read by the operation at PTX line %u (warp %u) with nothing "
                "that orders the two",
                offset, read->inst->line, read->warp);
    read->forgotten = offset <= read->set.first && offset + bytes >= end_of(read);
    if (read->forgotten)
      count_live(reads, read, -1);
  }
}

void sim_reads_clear(struct sim_block *block) {
  struct sim_reads *reads = block->reads;
  if (!reads)
    return;
  for (size_t i = 0; i < reads->count; i++) {
    free(reads->items[i]->bits);
    free(reads->items[i]);
  }
  free(reads->items);
  free(reads);
  block->reads = NULL;
}
