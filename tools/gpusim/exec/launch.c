/* Runs the blocks of a launch: workers take them in order. A block that has used its budget, or sleeps, stays resident
 * while its worker starts others, so blocks may wait for blocks that come later in the grid. */
#include "exec/launch.h"

#include "exec/block.h"
#include "exec/scheduler.h"

#include <stdlib.h>
#include <unistd.h>

enum { MAX_RESIDENT = 64, BLOCK_BUDGET = 1 << 20 };

struct worker {
  struct sim_launch *launch;
  struct sim_worker state;
  struct sim_cluster *resident[MAX_RESIDENT];
  struct sim_cluster *spare; /* a finished context, to be used again */
  uint32_t count;
  uint32_t turn;
};

static bool take_cluster(struct worker *w) {
  if (w->count == MAX_RESIDENT)
    return false;
  uint32_t index = atomic_fetch_add(&w->launch->next_cluster, 1);
  if (index >= w->launch->cluster_count)
    return false;
  struct sim_cluster *cluster = w->spare ? w->spare : sim_cluster_create(w->launch);
  w->spare = NULL;
  w->resident[w->count++] = cluster;
  sim_cluster_start(cluster, &w->state, index);
  return true;
}

static void retire_cluster(struct worker *w, uint32_t index) {
  struct sim_cluster *cluster = w->resident[index];
  for (uint32_t rank = 0; rank < cluster->count; rank++)
    atomic_fetch_add(&w->launch->executed, cluster->blocks[rank]->executed);
  w->resident[index] = w->resident[--w->count];
  if (w->spare)
    sim_cluster_destroy(w->spare);
  w->spare = cluster;
}

/* One turn each for the resident clusters, then a new one. Returns at the end or when a block has failed. */
static void run_clusters(struct worker *w) {
  while (!atomic_load_explicit(&w->launch->fault, memory_order_relaxed)) {
    if (w->turn >= w->count && !take_cluster(w)) {
      if (w->count == 0)
        return;
      w->turn = 0;
    }
    if (sim_run_cluster(w->resident[w->turn], BLOCK_BUDGET))
      retire_cluster(w, w->turn);
    else
      w->turn++;
  }
}

static void *run_worker(void *argument) {
  struct worker w = {.launch = argument};
  struct worker *kept = &w; /* what setjmp leaves alone is reached through memory */
  if (setjmp(w.state.unwind) == 0)
    run_clusters(kept);
  for (uint32_t i = 0; i < kept->count; i++)
    sim_cluster_destroy(kept->resident[i]);
  if (kept->spare)
    sim_cluster_destroy(kept->spare);
  return NULL;
}

static uint32_t worker_count(const struct sim_launch *launch) {
  long count = launch->workers ? (long)launch->workers : sysconf(_SC_NPROCESSORS_ONLN);
  if (count < 1)
    count = 1;
  if (count > SIM_MAX_WORKERS)
    count = SIM_MAX_WORKERS;
  return (uint32_t)count < launch->cluster_count ? (uint32_t)count : launch->cluster_count;
}

void sim_launch_run(struct sim_launch *launch) {
  pthread_t threads[SIM_MAX_WORKERS];
  uint32_t started = 0;
  launch->cluster_count = 1;
  for (int d = 0; d < 3; d++)
    launch->cluster_count *= launch->grid[d] / launch->cluster[d];
  uint32_t wanted = worker_count(launch);
  pthread_mutex_init(&launch->sync_lock, NULL);
  while (started + 1 < wanted && pthread_create(&threads[started], NULL, run_worker, launch) == 0)
    started++;
  run_worker(launch);
  for (uint32_t i = 0; i < started; i++)
    pthread_join(threads[i], NULL);
  pthread_mutex_destroy(&launch->sync_lock);
}
