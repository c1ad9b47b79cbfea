/* Phases of mbarrier objects. */
#include "exec/phase.h"

#include "check/ordering.h"
#include "check/remote.h"
#include "machine/fault.h"

struct sim_mbarrier *sim_phase_object(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                                      const struct sim_block *owner, uint32_t address) {
  struct sim_mbarrier *mbarrier = sim_mbarrier_find(owner, address);
  if (!mbarrier)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "there is no mbarrier at shared memory %u (no mbarrier.init yet)",
              address);
  bool ordered = sim_ordered(warp, owner->index, mbarrier->initializer, mbarrier->init_clock);
  if (warp->block->launch->checks && !ordered)
    sim_fault(
        warp, inst, lane, SIM_FAULT_CHECK,
        "data race: the mbarrier at shared memory %u, initialised by warp %u (PTX line %u) with nothing that orders "
        "the two",
        address, mbarrier->initializer, mbarrier->init->line);
  return mbarrier;
}

/* Ends the phase when all has come. */
static bool end_phase(struct sim_block *owner, struct sim_mbarrier *mbarrier) {
  owner->events++;
  if (mbarrier->pending || mbarrier->bytes)
    return false;
  mbarrier->phase++;
  mbarrier->pending = mbarrier->expected;
  mbarrier->completed = mbarrier->arriving;
  return true;
}

/* A location of its own for each object, above all addresses. */
static uint64_t location_of(const struct sim_block *owner, const struct sim_mbarrier *mbarrier) {
  return UINT64_C(3) << 62 | (uint64_t)owner->index << 24 | mbarrier->address;
}

/* Other blocks pass on what they know through a location. */
static void release_remote(struct sim_warp *warp, struct sim_block *owner, struct sim_mbarrier *mbarrier) {
  mbarrier->remote = true;
  sim_remote_publish(owner, &mbarrier->arriving);
  sim_order_location(warp, location_of(owner, mbarrier), false, true);
}

void sim_phase_acquire(struct sim_warp *warp, const struct sim_mbarrier *mbarrier) {
  sim_known_join(&warp->known, &mbarrier->completed);
  if (mbarrier->remote)
    sim_order_location(warp, location_of(warp->block, mbarrier), true, false);
}

bool sim_phase_arrive(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, struct sim_block *owner,
                      struct sim_mbarrier *mbarrier, uint32_t count, bool release) {
  if (count == 0 || count > mbarrier->pending)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
              "%u arrivals at the mbarrier at shared memory %u, whose phase %u waits for %u of %u", count,
              mbarrier->address, mbarrier->phase, mbarrier->pending, mbarrier->expected);
  mbarrier->pending -= count;
  if (release && owner == warp->block)
    sim_known_join(&mbarrier->arriving, &warp->known);
  else if (release)
    release_remote(warp, owner, mbarrier);
  return end_phase(owner, mbarrier);
}

static void change_bytes(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         struct sim_mbarrier *mbarrier, int64_t change) {
  int64_t bytes = mbarrier->bytes + change;
  if (bytes > SIM_MBARRIER_MAX || bytes < -SIM_MBARRIER_MAX)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the mbarrier at shared memory %u would wait for %lld bytes",
              mbarrier->address, (long long)bytes);
  mbarrier->bytes = (int32_t)bytes;
}

void sim_phase_expect(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      struct sim_mbarrier *mbarrier, uint32_t bytes) {
  change_bytes(warp, inst, lane, mbarrier, bytes);
}

void sim_phase_complete(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                        struct sim_block *owner, struct sim_mbarrier *mbarrier, uint32_t bytes) {
  change_bytes(warp, inst, lane, mbarrier, -(int64_t)bytes);
  end_phase(owner, mbarrier);
}
