/* Address resolution: spaces and windows, bounds and alignment, and the way from an access to its checks. */
#include "exec/access.h"

#include "check/global.h"
#include "check/ordering.h"
#include "check/remote.h"
#include "check/shared.h"
#include "machine/cluster.h"
#include "machine/fault.h"

static void gather(struct sim_warp *warp, const struct sim_inst *inst, uint32_t which, uint64_t *address) {
  uint64_t offset = inst->offset[which];
  if (inst->address_wide[which]) {
    const uint64_t *base = sim_source(warp, inst, inst->address_source[which]);
    for (int i = 0; i < SIM_LANES; i++)
      address[i] = base[i] + offset;
  } else {
    const uint32_t *base = sim_source(warp, inst, inst->address_source[which]);
    for (int i = 0; i < SIM_LANES; i++)
      address[i] = (uint32_t)(base[i] + (uint32_t)offset);
  }
}

static void check_alignment(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                            const uint64_t *address, uint32_t alignment) {
  uint32_t low_bits = 0;
  for (int i = 0; i < SIM_LANES; i++)
    low_bits |= lanes >> i & 1 ? (uint32_t)address[i] : 0;
  if (!(low_bits & (alignment - 1)))
    return;
  SIM_FOR_LANES(lane, lanes) {
    if (address[lane] & (alignment - 1))
      sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "misaligned address %#llx, needs %u bytes",
                (unsigned long long)address[lane], alignment);
  }
}

static __attribute__((cold, noreturn)) void fault_bounds(const struct sim_warp *warp, const struct sim_inst *inst,
                                                         uint32_t lane, const char *space, uint64_t address,
                                                         uint32_t bytes, uint64_t limit) {
  sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "%u bytes at %s address %lld are out of bounds: there are %llu bytes",
            bytes, space, (long long)address, (unsigned long long)limit);
}

/* An address of another block of the cluster, or of none. */
static void resolve_remote(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                           struct sim_access *access) {
  uint64_t address = access->address[lane];
  const struct sim_block *owner = sim_cluster_owner(warp->block, address);
  uint32_t offset = sim_cluster_offset(address);
  uint32_t limit = warp->block->shared_bytes; /* all blocks have the same */
  if (!owner || offset + access->bytes > limit)
    fault_bounds(warp, inst, lane, "shared", address, access->bytes, limit);
  if (owner->finished)
    sim_fault(warp, inst, lane, SIM_FAULT_CHECK, "the block whose shared memory this is has ended");
  access->host[lane] = owner->shared + offset;
  if (owner == warp->block)
    access->address[lane] = offset;
  else
    access->remote |= 1u << lane;
}

static void resolve_shared(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                           struct sim_access *access) {
  const struct sim_block *block = warp->block;
  SIM_FOR_LANES(lane, lanes) {
    uint64_t address = access->address[lane];
    if (address + access->bytes > block->shared_bytes || address > UINT32_MAX) {
      resolve_remote(warp, inst, lane, access);
      continue;
    }
    access->host[lane] = block->shared + address;
  }
  access->shared |= lanes;
}

static void resolve_local(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                          struct sim_access *access) {
  const struct sim_block *block = warp->block;
  uint32_t limit = block->program->local_bytes;
  SIM_FOR_LANES(lane, lanes) {
    uint64_t address = access->address[lane];
    if (address + access->bytes > limit || address > UINT32_MAX)
      fault_bounds(warp, inst, lane, "local", address, access->bytes, limit);
    access->host[lane] = block->local + (size_t)(warp->index * SIM_LANES + lane) * limit + address;
  }
  access->local |= lanes;
}

static void resolve_parameters(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                               struct sim_access *access) {
  const struct sim_launch *launch = warp->block->launch;
  uint32_t limit = launch->program->parameter_bytes;
  SIM_FOR_LANES(lane, lanes) {
    uint64_t address = access->address[lane];
    if (address + access->bytes > limit || address > UINT32_MAX)
      fault_bounds(warp, inst, lane, "parameter", address, access->bytes, limit);
    access->host[lane] = (uint8_t *)(uintptr_t)launch->parameters + address;
  }
}

struct sim_allocation *sim_check_global(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                                        uint64_t address, uint32_t bytes) {
  struct sim_allocation *allocation = sim_memory_find(address);
  const uint32_t device = warp->block->launch->device;
  const bool inside = allocation && address + bytes <= allocation->base + allocation->size;
  if (inside && allocation->device == device)
    return allocation;
  char place[256];
  sim_memory_describe(address, place, sizeof place);
  if (inside)
    sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS,
              "%u bytes at global address %#llx are memory of device %u, and the kernel runs on device %u: %s", bytes,
              (unsigned long long)address, allocation->device, device, place);
  sim_fault(warp, inst, lane, SIM_FAULT_ADDRESS, "%u bytes at global address %#llx are out of bounds: %s", bytes,
            (unsigned long long)address, place);
}

/* For what the launch before may write: not constants, though they lie in global memory, nor parameters. */
void sim_check_early(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  if (lanes & warp->early)
    sim_fault(warp, inst, (uint32_t)__builtin_ctz(lanes & warp->early), SIM_FAULT_CHECK,
              "global memory is accessed before griddepcontrol.wait: the launch before may still write it");
}

static void resolve_global(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                           struct sim_access *access) {
  size_t entry = (size_t)(inst - warp->block->program->code) % SIM_LOOKUP_ENTRIES;
  struct sim_allocation *known = warp->block->worker->lookups[entry];
  SIM_FOR_LANES(lane, lanes) {
    uint64_t address = access->address[lane];
    if (!known || address - known->base >= known->size || address + access->bytes > known->base + known->size)
      known = sim_check_global(warp, inst, lane, address, access->bytes);
    access->allocation[lane] = known;
    access->host[lane] = (uint8_t *)(uintptr_t)address;
  }
  warp->block->worker->lookups[entry] = known;
  access->global |= lanes;
}

static uint32_t take_window(uint32_t lanes, struct sim_access *access, uint64_t window, uint64_t bytes) {
  uint32_t inside = 0;
  SIM_FOR_LANES(lane, lanes) {
    if (access->address[lane] - window >= bytes)
      continue;
    inside |= 1u << lane;
    access->address[lane] -= window;
  }
  return inside;
}

static void resolve_generic(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                            struct sim_access *access) {
  uint32_t shared = take_window(lanes, access, sim_window_shared(), (uint64_t)SIM_SHARED_WINDOWS * SIM_WINDOW_BYTES);
  uint32_t local = take_window(lanes & ~shared, access, sim_window_local(), SIM_WINDOW_BYTES);
  uint32_t parameters = take_window(lanes & ~(shared | local), access, sim_window_parameters(), SIM_WINDOW_BYTES);
  uint32_t global = lanes & ~(shared | local | parameters);
  resolve_shared(warp, inst, shared, access);
  resolve_local(warp, inst, local, access);
  resolve_parameters(warp, inst, parameters, access);
  sim_check_early(warp, inst, global);
  resolve_global(warp, inst, global, access);
}

void sim_resolve(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint32_t which,
                 enum ptx_space space, uint32_t bytes, uint32_t alignment, struct sim_access *access) {
  gather(warp, inst, which, access->address);
  access->shared = access->global = access->local = access->remote = 0;
  access->bytes = bytes;
  check_alignment(warp, inst, lanes, access->address, alignment);
  switch (space) {
  case PTX_GENERIC:
    resolve_generic(warp, inst, lanes, access);
    break;
  case PTX_GLOBAL:
    sim_check_early(warp, inst, lanes);
    resolve_global(warp, inst, lanes, access);
    break;
  case PTX_CONST:
    resolve_global(warp, inst, lanes, access);
    break;
  case PTX_SHARED:
    resolve_shared(warp, inst, lanes, access);
    break;
  case PTX_LOCAL:
  case PTX_CALL:
    resolve_local(warp, inst, lanes, access);
    break;
  case PTX_PARAM:
    resolve_parameters(warp, inst, lanes, access);
    break;
  }
}

static uint8_t *local_defined(const struct sim_warp *warp, uint32_t lane, const struct sim_access *access) {
  return warp->block->local_defined + (access->host[lane] - warp->block->local);
}

uint32_t sim_access_read(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                         const struct sim_access *access, enum sim_access_kind kind) {
  if (sim_lane_in(access->remote, lane))
    return sim_remote_read(warp, inst, lane, sim_cluster_owner(warp->block, access->address[lane]),
                           sim_cluster_offset(access->address[lane]), access->bytes, kind);
  if (sim_lane_in(access->shared, lane))
    return sim_shared_read(warp, inst, lane, (uint32_t)access->address[lane], access->bytes, kind);
  if (sim_lane_in(access->global, lane))
    return sim_global_read(warp, inst, lane, access->allocation[lane], access->address[lane], access->bytes, kind);
  if (!sim_lane_in(access->local, lane))
    return 0;
  const uint8_t *defined = local_defined(warp, lane, access);
  uint32_t undefined = 0;
  for (uint32_t i = 0; i < access->bytes; i++)
    undefined |= (uint32_t)!defined[i] << i;
  return undefined;
}

void sim_access_write(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane,
                      const struct sim_access *access, uint32_t undefined, enum sim_access_kind kind) {
  if (sim_lane_in(access->remote, lane)) {
    sim_remote_write(warp, inst, lane, sim_cluster_owner(warp->block, access->address[lane]),
                     sim_cluster_offset(access->address[lane]), access->bytes, undefined, kind);
  } else if (sim_lane_in(access->shared, lane)) {
    sim_shared_write(warp, inst, lane, (uint32_t)access->address[lane], access->bytes, undefined, kind);
  } else if (sim_lane_in(access->global, lane)) {
    if (undefined)
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "an undefined value (from memory never written) is stored to global memory at %#llx",
                (unsigned long long)access->address[lane]);
    sim_global_write(warp, inst, lane, access->allocation[lane], access->address[lane], access->bytes, kind);
  } else if (sim_lane_in(access->local, lane)) {
    uint8_t *defined = local_defined(warp, lane, access);
    for (uint32_t i = 0; i < access->bytes; i++)
      defined[i] = !(undefined >> i & 1);
  }
}

void sim_access_release(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                        const struct sim_access *access) {
  SIM_FOR_LANES(lane, lanes & (access->shared | access->global) & ~access->remote)
    sim_order_access(warp, access->address[lane], sim_lane_in(access->shared, lane), inst->order, false, true);
}

void sim_access_acquire(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                        const struct sim_access *access) {
  SIM_FOR_LANES(lane, lanes & (access->shared | access->global) & ~access->remote)
    sim_order_access(warp, access->address[lane], sim_lane_in(access->shared, lane), inst->order, true, false);
}
