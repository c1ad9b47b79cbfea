/* Slot assignment: registers that are never live at the same time share slots, so that the registers of a
 * warp stay in the first-level cache. Divergence is no obstacle: each lane follows its own path, and writes
 * touch only the lanes that execute. */
#include "program/slots.h"

#include <stdlib.h>
#include <string.h>

enum { CLASS_COUNT = 4, NONE = 0xffffffffu };

struct basic_block {
  size_t first; /* instruction */
  size_t end;
  uint32_t successors[2]; /* block numbers or NONE */
  const struct sim_inst *last;
  uint64_t *use;
  uint64_t *define;
  uint64_t *in;
  uint64_t *out;
};

struct analysis {
  struct sim_inst *code;
  size_t from;
  size_t to;
  uint32_t values;
  size_t words; /* of a bit set */
  uint32_t *block_of;
  struct basic_block *blocks;
  uint32_t block_count;
  uint64_t *bits;
  uint32_t *first; /* live interval of each value */
  uint32_t *last;
};

static const uint8_t class_slots[] = {
    [PTX_CLASS_PREDICATE] = 1, [PTX_CLASS_WORD] = 1, [PTX_CLASS_WIDE] = 2, [PTX_CLASS_QUAD] = 4};

static bool test_bit(const uint64_t *set, uint32_t bit) {
  return set[bit / 64] >> (bit % 64) & 1;
}

static void set_bit(uint64_t *set, uint32_t bit) {
  set[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static void find_blocks(struct analysis *a) {
  size_t count = a->to - a->from;
  uint8_t *leader = sim_allocate(count + 1);
  leader[0] = 1;
  for (size_t i = 0; i < count; i++) {
    const struct sim_inst *inst = &a->code[a->from + i];
    for (uint32_t t = 0; t < inst->target_count; t++)
      leader[inst->targets[t] - a->from] = 1;
    if (inst->flow != SIM_FLOW_NEXT)
      leader[i + 1] = 1;
  }
  a->blocks = sim_allocate((count + 1) * sizeof *a->blocks);
  a->block_of = sim_allocate((count + 1) * sizeof *a->block_of);
  for (size_t i = 0; i < count; i++) {
    if (leader[i])
      a->blocks[a->block_count++].first = a->from + i;
    struct basic_block *block = &a->blocks[a->block_count - 1];
    a->block_of[i] = a->block_count - 1;
    block->end = a->from + i + 1;
    block->last = &a->code[a->from + i];
  }
  free(leader);
}

static void use_value(struct analysis *a, struct basic_block *block, uint32_t value) {
  if (value < a->values && !test_bit(block->define, value))
    set_bit(block->use, value);
}

/* A guarded write keeps the old value of some lanes, so only unguarded ones (guard_flip and constant guard)
 * define. */
static void scan_block(struct analysis *a, struct basic_block *block) {
  for (size_t i = block->first; i < block->end; i++) {
    const struct sim_inst *inst = &a->code[i];
    bool guarded = inst->guard < a->values;
    for (uint32_t s = 0; s < inst->sources; s++)
      use_value(a, block, inst->operands[inst->destinations + s]);
    use_value(a, block, inst->guard);
    for (uint32_t d = 0; d < inst->destinations; d++) {
      if (guarded)
        use_value(a, block, inst->operands[d]);
      else if (inst->operands[d] < a->values)
        set_bit(block->define, inst->operands[d]);
    }
  }
}

static void make_sets(struct analysis *a) {
  a->words = ((size_t)a->values + 63) / 64;
  a->bits = sim_allocate((size_t)a->block_count * 4 * a->words * sizeof *a->bits);
  for (uint32_t b = 0; b < a->block_count; b++) {
    struct basic_block *block = &a->blocks[b];
    block->use = a->bits + (size_t)b * 4 * a->words;
    block->define = block->use + a->words;
    block->in = block->define + a->words;
    block->out = block->in + a->words;
    scan_block(a, block);
  }
}

static bool merge_successor(struct analysis *a, struct basic_block *block, const struct basic_block *next) {
  bool changed = false;
  for (size_t w = 0; w < a->words; w++) {
    uint64_t merged = block->out[w] | next->in[w];
    changed |= merged != block->out[w];
    block->out[w] = merged;
  }
  return changed;
}

static bool update_block(struct analysis *a, uint32_t index, bool first_pass) {
  struct basic_block *block = &a->blocks[index];
  bool changed = first_pass;
  for (uint32_t t = 0; t < block->last->target_count; t++)
    changed |= merge_successor(a, block, &a->blocks[a->block_of[block->last->targets[t] - a->from]]);
  bool falls_through = block->last->flow != SIM_FLOW_END || block->last->guard < a->values;
  if (falls_through && index + 1 < a->block_count)
    changed |= merge_successor(a, block, block + 1);
  if (changed)
    for (size_t w = 0; w < a->words; w++)
      block->in[w] = block->use[w] | (block->out[w] & ~block->define[w]);
  return changed;
}

static void solve(struct analysis *a) {
  bool changed = true;
  for (bool first_pass = true; changed; first_pass = false) {
    changed = false;
    for (uint32_t b = a->block_count; b-- > 0;)
      changed |= update_block(a, b, first_pass);
  }
}

static void extend(struct analysis *a, uint32_t value, size_t position) {
  if (value >= a->values)
    return;
  if (a->first[value] == NONE || position < a->first[value])
    a->first[value] = (uint32_t)position;
  if (a->last[value] == NONE || position > a->last[value])
    a->last[value] = (uint32_t)position;
}

static void extend_set(struct analysis *a, const uint64_t *set, size_t position) {
  for (size_t w = 0; w < a->words; w++)
    for (uint64_t rest = set[w]; rest; rest &= rest - 1)
      extend(a, (uint32_t)(w * 64 + (size_t)__builtin_ctzll(rest)), position);
}

/* When the registers are free again is known only as the warp runs. */
static void extend_everywhere(struct analysis *a, const struct sim_inst *inst) {
  for (uint32_t o = 0; o < (uint32_t)inst->destinations + inst->sources; o++) {
    extend(a, inst->operands[o], a->from);
    extend(a, inst->operands[o], a->to - 1);
  }
}

static void find_intervals(struct analysis *a) {
  memset(a->first, 0xff, a->values * sizeof *a->first);
  memset(a->last, 0xff, a->values * sizeof *a->last);
  for (uint32_t b = 0; b < a->block_count; b++) {
    const struct basic_block *block = &a->blocks[b];
    extend_set(a, block->in, block->first);
    extend_set(a, block->out, block->end - 1);
    for (size_t i = block->first; i < block->end; i++) {
      const struct sim_inst *inst = &a->code[i];
      for (uint32_t o = 0; o < (uint32_t)inst->destinations + inst->sources; o++)
        extend(a, inst->operands[o], i);
      extend(a, inst->guard, i);
      if (inst->in_flight)
        extend_everywhere(a, inst);
    }
  }
}

/* Free slots by class. A slot never changes its class: lanes that have diverged may be at places where it
 * holds different values, so both must keep a lane in the same bytes. */
struct slot_pool {
  uint32_t *free_slots[CLASS_COUNT];
  size_t free_counts[CLASS_COUNT];
  uint32_t next_slot;
};

static uint32_t take_slot(struct slot_pool *pool, uint8_t class) {
  if (pool->free_counts[class])
    return pool->free_slots[class][--pool->free_counts[class]];
  uint32_t slot = pool->next_slot;
  pool->next_slot += class_slots[class];
  return slot;
}

/* Values in order of the position given by `key`: a counting sort, chained. */
static uint32_t *chain_by(const struct analysis *a, const uint32_t *key, uint32_t *next) {
  size_t count = a->to - a->from;
  uint32_t *heads = sim_allocate((count + 1) * sizeof *heads);
  memset(heads, 0xff, (count + 1) * sizeof *heads);
  for (uint32_t v = a->values; v-- > 0;) {
    if (key[v] == NONE)
      continue;
    next[v] = heads[key[v] - a->from];
    heads[key[v] - a->from] = v;
  }
  return heads;
}

/* Destinations never share a slot with a source that dies in the same instruction: handlers may write one
 * destination before they have read every source. */
static uint32_t linear_scan(struct analysis *a, const uint8_t *classes, uint32_t *slot_of, uint32_t first_slot) {
  struct slot_pool pool = {.next_slot = first_slot};
  uint32_t *next_start = sim_allocate(a->values * sizeof *next_start);
  uint32_t *next_end = sim_allocate(a->values * sizeof *next_end);
  uint32_t *starts = chain_by(a, a->first, next_start);
  uint32_t *ends = chain_by(a, a->last, next_end);
  for (int class = 0; class < CLASS_COUNT; class ++)
    pool.free_slots[class] = sim_allocate((a->values + 1) * sizeof **pool.free_slots);
  for (size_t i = 0; i < a->to - a->from; i++) {
    for (uint32_t v = starts[i]; v != NONE; v = next_start[v])
      slot_of[v] = take_slot(&pool, classes[v]);
    for (uint32_t v = ends[i]; v != NONE; v = next_end[v])
      pool.free_slots[classes[v]][pool.free_counts[classes[v]]++] = slot_of[v];
  }
  for (int class = 0; class < CLASS_COUNT; class ++)
    free(pool.free_slots[class]);
  free(next_start);
  free(next_end);
  free(starts);
  free(ends);
  return pool.next_slot;
}

uint32_t sim_assign_slots(struct sim_inst *code, size_t from, size_t to, const uint8_t *classes, uint32_t value_count,
                          uint32_t *slot_of, uint32_t first_slot) {
  struct analysis a = {.code = code, .from = from, .to = to, .values = value_count};
  a.first = sim_allocate(value_count * sizeof *a.first);
  a.last = sim_allocate(value_count * sizeof *a.last);
  find_blocks(&a);
  make_sets(&a);
  solve(&a);
  find_intervals(&a);
  uint32_t end = linear_scan(&a, classes, slot_of, first_slot);
  free(a.first);
  free(a.last);
  free(a.block_of);
  free(a.blocks);
  free(a.bits);
  return end;
}
