/* The mbarrier objects of a block, found by address. */
#include "machine/mbarrier.h"

#include "arena.h"

#include <stdlib.h>
#include <string.h>

struct sim_mbarriers {
  struct sim_mbarrier *objects[SIM_MAX_MBARRIERS]; /* NULL after the object's end */
  uint32_t count;
  uint8_t *number_of; /* of the object at each multiple of 8 bytes, from 1; 0: none */
};

void sim_mbarriers_clear(struct sim_block *block) {
  struct sim_mbarriers *all = block->mbarriers;
  if (!all)
    return;
  for (uint32_t i = 0; i < all->count; i++)
    free(all->objects[i]);
  free(all->number_of);
  free(all);
  block->mbarriers = NULL;
}

struct sim_mbarrier *sim_mbarrier_find(const struct sim_block *block, uint32_t address) {
  const struct sim_mbarriers *all = block->mbarriers;
  if (!all || address % SIM_MBARRIER_BYTES || address >= block->shared_bytes)
    return NULL;
  uint8_t number = all->number_of[address / SIM_MBARRIER_BYTES];
  return number ? all->objects[number - 1] : NULL;
}

/* A place that an ended object has left, or one more. */
static uint32_t free_place(const struct sim_mbarriers *all) {
  uint32_t place = 0;
  while (place < all->count && all->objects[place])
    place++;
  return place;
}

struct sim_mbarrier *sim_mbarrier_add(struct sim_block *block, uint32_t address) {
  if (!block->mbarriers) {
    block->mbarriers = sim_allocate(sizeof *block->mbarriers);
    block->mbarriers->number_of = sim_allocate(block->shared_bytes / SIM_MBARRIER_BYTES + 1);
  }
  struct sim_mbarriers *all = block->mbarriers;
  uint32_t place = free_place(all);
  if (place == SIM_MAX_MBARRIERS)
    return NULL;
  struct sim_mbarrier *object = sim_allocate(sizeof *object);
  object->address = address;
  object->agent = (uint8_t)(SIM_MAX_WARPS + place % SIM_MAX_AGENTS);
  all->objects[place] = object;
  all->count += place == all->count;
  all->number_of[address / SIM_MBARRIER_BYTES] = (uint8_t)(place + 1);
  return object;
}

void sim_mbarrier_remove(struct sim_block *block, struct sim_mbarrier *mbarrier) {
  uint8_t *number = &block->mbarriers->number_of[mbarrier->address / SIM_MBARRIER_BYTES];
  block->mbarriers->objects[*number - 1] = NULL;
  *number = 0;
  free(mbarrier);
}

struct sim_mbarrier *sim_mbarrier_next(const struct sim_block *block, uint32_t *index) {
  const struct sim_mbarriers *all = block->mbarriers;
  while (all && *index < all->count) {
    struct sim_mbarrier *object = all->objects[(*index)++];
    if (object)
      return object;
  }
  return NULL;
}

void sim_mbarriers_publish(const struct sim_warp *warp) {
  uint32_t index = 0;
  struct sim_mbarrier *mbarrier;
  while ((mbarrier = sim_mbarrier_next(warp->block, &index)))
    mbarrier->published |= mbarrier->initializer == warp->index;
}
