/* Happens-before: which accesses are ordered by barriers, fences and strong accesses. */
#ifndef GPUSIM_CHECK_ORDERING_H
#define GPUSIM_CHECK_ORDERING_H

#include "machine/machine.h"

/* Starts a new interval of the warp's own clock: what it did before can be told from what it does now. */
void sim_clock_tick(struct sim_warp *warp);
void sim_clocks_join(sim_clocks into, const sim_clocks from);
void sim_known_join(struct sim_known *into, const struct sim_known *from);

/* A fence; `device` is false for block scope. */
void sim_order_fence(struct sim_warp *warp, bool device);

/* A strong access to a location of global or shared memory, with SIM_ACQUIRE and SIM_RELEASE as far as they
 * apply. */
void sim_order_access(struct sim_warp *warp, uint64_t address, bool is_shared, uint8_t order, bool reads, bool writes);

/* The same for a location that is no address, by all that the warp has seen. */
void sim_order_location(struct sim_warp *warp, uint64_t key, bool acquires, bool releases);

/* True when the write or read at `clock` by a warp of a block happened before this warp's present. */
bool sim_ordered(const struct sim_warp *warp, uint32_t block, uint32_t writer, uint32_t clock);

/* The same of a block of a launch that this one may be beside, by its tag. */
bool sim_ordered_beside(const struct sim_warp *warp, uint32_t tag, uint32_t block, uint32_t writer, uint32_t clock);

struct sim_foreign;
struct sim_sync_table;
struct sim_foreign *sim_foreign_create(void);
void sim_foreign_clear(struct sim_foreign *foreign);
void sim_foreign_destroy(struct sim_foreign *foreign);
struct sim_sync_table *sim_sync_table_create(void);
void sim_sync_table_destroy(struct sim_sync_table *table);

#endif
