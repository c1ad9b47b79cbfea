/* Queues of operations in flight. */
#include "exec/flight.h"

#include "arena.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_DELAY = 8 };

void sim_flight_issue(struct sim_flights *queue, const struct sim_flight *flight) {
  SIM_PUSH(queue->items, queue->count, queue->capacity);
  struct sim_flight *added = &queue->items[queue->count++];
  *added = *flight;
  added->group = queue->commits[flight->lane];
  added->sequence = queue->issued++;
}

void sim_flight_move(struct sim_flights *queue, const struct sim_flight *flight) {
  SIM_PUSH(queue->items, queue->count, queue->capacity);
  queue->items[queue->count++] = *flight;
}

static uint32_t draw(struct sim_block *block) {
  block->chance = (block->chance ^ block->chance >> 31) * 0xbf58476d1ce4e5b9u + 1;
  return (uint32_t)(block->chance >> 33);
}

void sim_flight_issue_timed(struct sim_warp *warp, const struct sim_flight *flight) {
  struct sim_block *block = warp->block;
  struct sim_flight timed = *flight;
  timed.warp = (uint8_t)warp->index;
  timed.due = block->round + 1 + draw(block) % LONGEST_DELAY;
  sim_flight_issue(&block->timed, &timed);
}

void sim_flight_keep_order(struct sim_block *block) {
  struct sim_flight *last = &block->timed.items[block->timed.count - 1];
  for (size_t i = 0; i + 1 < block->timed.count; i++) {
    const struct sim_flight *before = &block->timed.items[i];
    if (before->land == last->land && before->warp == last->warp && before->lane == last->lane &&
        before->due > last->due)
      last->due = before->due;
  }
}

struct sim_actor sim_flight_self(const struct sim_warp *warp) {
  return (struct sim_actor){warp->index, warp->known.seen[warp->index]};
}

void sim_flight_commit(struct sim_flights *queue, uint32_t lanes) {
  SIM_FOR_LANES(lane, lanes)
    queue->commits[lane]++;
}

/* What stays moves up; each transfer has one owner at any time, as a fault may end the launch. */
static void keep(struct sim_flights *queue, size_t from, size_t to) {
  if (from == to)
    return;
  queue->items[to] = queue->items[from];
  queue->items[from].transfer = NULL;
}

void sim_flight_land_groups(struct sim_warp *warp, struct sim_flights *queue, uint32_t lanes, uint32_t pending) {
  const struct sim_actor self = sim_flight_self(warp);
  size_t kept = 0;
  for (size_t i = 0; i < queue->count; i++) {
    struct sim_flight *flight = &queue->items[i];
    if (sim_lane_in(lanes, flight->lane) && flight->group + pending < queue->commits[flight->lane])
      flight->land(warp, flight, &self);
    else
      keep(queue, i, kept++);
  }
  queue->count = kept;
}

void sim_flight_land_before(struct sim_warp *warp, struct sim_flights *queue, uint32_t lanes, uint64_t sequence,
                            const struct sim_actor *by) {
  size_t kept = 0;
  for (size_t i = 0; i < queue->count; i++) {
    struct sim_flight *flight = &queue->items[i];
    if (sim_lane_in(lanes, flight->lane) && flight->sequence < sequence)
      flight->land(warp, flight, by);
    else
      keep(queue, i, kept++);
  }
  queue->count = kept;
}

/* The oldest of those whose time comes first. */
static size_t next_timed(const struct sim_flights *queue) {
  size_t next = 0;
  for (size_t i = 1; i < queue->count; i++)
    if (queue->items[i].due < queue->items[next].due)
      next = i;
  return next;
}

static void land_timed(struct sim_block *block, size_t index) {
  struct sim_flight *flight = &block->timed.items[index];
  struct sim_warp *warp = &block->warps[flight->warp];
  const struct sim_actor self = sim_flight_self(warp);
  flight->land(warp, flight, &self);
  block->timed.count--;
  memmove(&block->timed.items[index], &block->timed.items[index + 1],
          (block->timed.count - index) * sizeof *block->timed.items);
}

void sim_flight_land_due(struct sim_block *block) {
  while (block->timed.count) {
    size_t next = next_timed(&block->timed);
    if (block->timed.items[next].due > block->round)
      return;
    land_timed(block, next);
  }
}

bool sim_flight_advance(struct sim_block *block) {
  if (!block->timed.count)
    return false;
  size_t next = next_timed(&block->timed);
  if (block->timed.items[next].due > block->round)
    block->round = block->timed.items[next].due;
  land_timed(block, next);
  return true;
}

void sim_flights_clear(struct sim_flights *queue) {
  for (size_t i = 0; i < queue->count; i++)
    free(queue->items[i].transfer);
  queue->count = 0;
  queue->issued = 0;
  memset(queue->commits, 0, sizeof queue->commits);
}

void sim_flights_release(struct sim_flights *queue) {
  sim_flights_clear(queue);
  free(queue->items);
}
