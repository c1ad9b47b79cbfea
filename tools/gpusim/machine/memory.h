/* Simulated device memory. A device address is also the host address of its byte: allocations lie in one
 * reserved range above 4 GiB, with inaccessible gaps between them. The first part of the range is never
 * allocated; it holds the windows through which generic addresses name shared and local memory. Devices have one
 * range, as a driver's have, so that an address of another device is known as such; no memory is of two. */
#ifndef GPUSIM_MACHINE_MEMORY_H
#define GPUSIM_MACHINE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Windows of shared memory: the block's own, then those of the blocks of its cluster. */
enum { SIM_WINDOW_BYTES = 16 << 20, SIM_SHARED_WINDOWS = 17, SIM_MAX_DEVICES = 8 };

struct sim_allocation {
  uint64_t base;
  uint64_t size;
  uint32_t device;                 /* whose memory it is */
  uint32_t serial;                 /* order of creation, for reports */
  const char *name;                /* of a module variable, or NULL */
  _Atomic uint64_t undefined;      /* bytes never written */
  _Atomic uint32_t written_launch; /* last launch that wrote plainly into it */
};

bool sim_memory_start(void);
uint64_t sim_window_shared(void);
uint64_t sim_window_local(void);
uint64_t sim_window_parameters(void);

/* Memory of a device; 0 when it has no room. It starts undefined. */
uint64_t sim_memory_allocate(uint32_t device, uint64_t bytes, const char *name);
bool sim_memory_free(uint64_t base);
uint64_t sim_memory_used(uint32_t device);
uint64_t sim_memory_total(void); /* of each device */

/* The live allocation that holds the address, or NULL. */
struct sim_allocation *sim_memory_find(uint64_t address);

/* "allocation #3 [0x..., +4096 bytes]" or where the address lies relative to the nearest one. */
void sim_memory_describe(uint64_t address, char *text, size_t bytes);

/* Bytes that were written. One bit per byte; an access lies within 64 aligned bytes. */
void sim_memory_define(uint64_t address, uint64_t bytes);
uint32_t sim_memory_undefined(uint64_t address, uint32_t bytes);
void sim_memory_define_access(struct sim_allocation *allocation, uint64_t address, uint32_t bytes);

/* One cell per word of device memory: who wrote it last in this launch. */
_Atomic uint64_t *sim_memory_cell(uint64_t address);
void sim_memory_clear_cells(void);

#endif
