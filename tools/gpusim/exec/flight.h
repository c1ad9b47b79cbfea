/* Operations in flight: how they are issued, and when they are done. */
#ifndef GPUSIM_EXEC_FLIGHT_H
#define GPUSIM_EXEC_FLIGHT_H

#include "machine/machine.h"

void sim_flight_issue(struct sim_flights *queue, const struct sim_flight *flight);

/* One that goes on in another queue, with its group. */
void sim_flight_move(struct sim_flights *queue, const struct sim_flight *flight);

/* Issues one that is done at a time drawn from the seed. */
void sim_flight_issue_timed(struct sim_warp *warp, const struct sim_flight *flight);

/* The operation issued last ends after those of its kind that its thread issued before. */
void sim_flight_keep_order(struct sim_block *block);

/* The operations of the lanes since their last commit are a group. */
void sim_flight_commit(struct sim_flights *queue, uint32_t lanes);

/* Ends what the lanes have issued before their last `pending` groups, in the order of issue. */
void sim_flight_land_groups(struct sim_warp *warp, struct sim_flights *queue, uint32_t lanes, uint32_t pending);

/* Ends all that the lanes have issued before `sequence`; an actor has written it then. */
void sim_flight_land_before(struct sim_warp *warp, struct sim_flights *queue, uint32_t lanes, uint64_t sequence,
                            const struct sim_actor *by);

/* The warp as the one who writes. */
struct sim_actor sim_flight_self(const struct sim_warp *warp);

/* Ends those whose time has come. */
void sim_flight_land_due(struct sim_block *block);

/* When nothing else can happen: time goes on until the next one has ended. False when there is none. */
bool sim_flight_advance(struct sim_block *block);

void sim_flights_clear(struct sim_flights *queue);
void sim_flights_release(struct sim_flights *queue);

#endif
