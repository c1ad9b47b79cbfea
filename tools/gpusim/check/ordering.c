/*
 * Vector clocks over warps, extended over blocks by what strong accesses carry from one block to another, of this
 * launch or of one that it is beside.
 */
#include "check/ordering.h"

#include <stdlib.h>
#include <string.h>

struct block_clocks {
  uint64_t block; /* and its launch: block_id */
  sim_clocks clocks;
};

/* Clocks of the warps of several blocks, sorted by block. */
struct sim_foreign {
  struct block_clocks *entries;
  size_t count;
  size_t capacity;
};

struct sync_location {
  uint64_t key; /* 0: free */
  struct sim_foreign released;
};

struct sim_sync_table {
  struct sync_location *locations; /* open addressing */
  size_t count;
  size_t capacity;
};

enum { TABLE_START = 64 };

static uint64_t block_id(uint32_t tag, uint32_t block) {
  return (uint64_t)tag << 32 | block;
}

static uint64_t own_id(const struct sim_block *block) {
  return block_id(block->launch->tag, block->index);
}

void sim_clocks_join(sim_clocks into, const sim_clocks from) {
  for (int i = 0; i < SIM_ACTORS; i++)
    into[i] = into[i] > from[i] ? into[i] : from[i];
}

void sim_known_join(struct sim_known *into, const struct sim_known *from) {
  sim_clocks_join(into->seen, from->seen);
  sim_clocks_join(into->fenced, from->fenced);
  sim_clocks_join(into->fenced_cta, from->fenced_cta);
  sim_clocks_join(into->proxied, from->proxied);
}

void sim_clock_tick(struct sim_warp *warp) {
  warp->known.seen[warp->index] = ++warp->block->clock;
}

static size_t foreign_position(const struct sim_foreign *foreign, uint64_t block) {
  size_t low = 0;
  size_t high = foreign->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (foreign->entries[middle].block < block)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void foreign_join(struct sim_foreign *foreign, uint64_t block, const sim_clocks clocks) {
  size_t at = foreign_position(foreign, block);
  if (at == foreign->count || foreign->entries[at].block != block) {
    SIM_PUSH(foreign->entries, foreign->count, foreign->capacity);
    memmove(foreign->entries + at + 1, foreign->entries + at, (foreign->count - at) * sizeof *foreign->entries);
    foreign->entries[at] = (struct block_clocks){.block = block};
    foreign->count++;
  }
  sim_clocks_join(foreign->entries[at].clocks, clocks);
}

static void foreign_join_all(struct sim_foreign *into, const struct sim_foreign *from) {
  for (size_t i = 0; i < from->count; i++)
    foreign_join(into, from->entries[i].block, from->entries[i].clocks);
}

struct sim_foreign *sim_foreign_create(void) {
  return sim_allocate(sizeof(struct sim_foreign));
}

void sim_foreign_clear(struct sim_foreign *foreign) {
  foreign->count = 0;
}

void sim_foreign_destroy(struct sim_foreign *foreign) {
  if (foreign)
    free(foreign->entries);
  free(foreign);
}

struct sim_sync_table *sim_sync_table_create(void) {
  struct sim_sync_table *table = sim_allocate(sizeof *table);
  table->capacity = TABLE_START;
  table->locations = sim_allocate(TABLE_START * sizeof *table->locations);
  return table;
}

void sim_sync_table_destroy(struct sim_sync_table *table) {
  if (!table)
    return;
  for (size_t i = 0; i < table->capacity; i++)
    free(table->locations[i].released.entries);
  free(table->locations);
  free(table);
}

static struct sync_location *find_location(const struct sim_sync_table *table, uint64_t key) {
  size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & (table->capacity - 1);
  while (table->locations[at].key && table->locations[at].key != key)
    at = (at + 1) & (table->capacity - 1);
  return &table->locations[at];
}

static struct sync_location *add_location(struct sim_sync_table *table, uint64_t key) {
  if ((table->count + 1) * 2 > table->capacity) {
    struct sim_sync_table bigger = {.count = table->count, .capacity = table->capacity * 2};
    bigger.locations = sim_allocate(bigger.capacity * sizeof *bigger.locations);
    for (size_t i = 0; i < table->capacity; i++)
      if (table->locations[i].key)
        *find_location(&bigger, table->locations[i].key) = table->locations[i];
    free(table->locations);
    *table = bigger;
  }
  struct sync_location *location = find_location(table, key);
  table->count += location->key == 0;
  location->key = key;
  return location;
}

static void acquire(struct sim_warp *warp, const struct sim_foreign *released) {
  struct sim_block *block = warp->block;
  for (size_t i = 0; i < released->count; i++) {
    if (released->entries[i].block == own_id(block))
      sim_clocks_join(warp->known.seen, released->entries[i].clocks);
    else
      foreign_join(block->foreign, released->entries[i].block, released->entries[i].clocks);
  }
}

static void release(const struct sim_warp *warp, struct sim_foreign *released, const sim_clocks clocks) {
  foreign_join_all(released, warp->block->foreign);
  foreign_join(released, own_id(warp->block), clocks);
}

void sim_order_fence(struct sim_warp *warp, bool device) {
  acquire(warp, warp->acquiring);
  warp->acquiring->count = 0;
  memcpy(warp->known.fenced_cta, warp->known.seen, sizeof warp->known.seen);
  if (device)
    memcpy(warp->known.fenced, warp->known.seen, sizeof warp->known.seen);
  sim_clock_tick(warp);
}

static void access_location(struct sim_warp *warp, struct sync_location *location, bool is_shared, uint8_t order,
                            bool reads, bool writes) {
  if (reads && (order & SIM_ACQUIRE))
    acquire(warp, &location->released);
  else if (reads)
    foreign_join_all(warp->acquiring, &location->released);
  if (!writes)
    return;
  bool block_scope = is_shared || (order & SIM_CTA_SCOPE);
  const uint32_t *fenced = block_scope ? warp->known.fenced_cta : warp->known.fenced;
  release(warp, &location->released, (order & SIM_RELEASE) ? warp->known.seen : fenced);
}

/* Accesses of block scope order only the warps of one block: they have locations of their own. */
static uint64_t location_key(const struct sim_warp *warp, uint64_t address, bool is_shared, uint8_t order) {
  if (is_shared || !(order & SIM_CTA_SCOPE))
    return address + 1;
  return address + 1 + ((uint64_t)(warp->block->index + 1) << 48);
}

void sim_order_access(struct sim_warp *warp, uint64_t address, bool is_shared, uint8_t order, bool reads, bool writes) {
  struct sim_launch *launch = warp->block->launch;
  uint64_t key = location_key(warp, address, is_shared, order);
  if (!launch->checks)
    return;
  if (is_shared) {
    access_location(warp, add_location(warp->block->sync, key), true, order, reads, writes);
  } else {
    pthread_mutex_lock(&launch->sync_lock);
    access_location(warp, add_location(launch->sync, key), false, order, reads, writes);
    pthread_mutex_unlock(&launch->sync_lock);
  }
  if (writes)
    sim_clock_tick(warp);
}

void sim_order_location(struct sim_warp *warp, uint64_t key, bool acquires, bool releases) {
  struct sim_launch *launch = warp->block->launch;
  if (!launch->checks)
    return;
  pthread_mutex_lock(&launch->sync_lock);
  access_location(warp, add_location(launch->sync, key), false, SIM_ACQUIRE | SIM_RELEASE, acquires, releases);
  pthread_mutex_unlock(&launch->sync_lock);
}

bool sim_ordered_beside(const struct sim_warp *warp, uint32_t tag, uint32_t block, uint32_t writer, uint32_t clock) {
  const uint64_t id = block_id(tag, block);
  if (id == own_id(warp->block))
    return clock <= warp->known.seen[writer];
  const struct sim_foreign *foreign = warp->block->foreign;
  size_t at = foreign_position(foreign, id);
  return at < foreign->count && foreign->entries[at].block == id && clock <= foreign->entries[at].clocks[writer];
}

bool sim_ordered(const struct sim_warp *warp, uint32_t block, uint32_t writer, uint32_t clock) {
  return sim_ordered_beside(warp, warp->block->launch->tag, block, writer, clock);
}
