/* The architectures that kernels are generated for, and what each can hold. */
#ifndef GENERATOR_TARGET_H
#define GENERATOR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

enum { TARGET_CTA_RESERVE = 1024 }; /* bytes of an SM's shared memory that the hardware takes from each CTA */

struct target {
  const char *name;          /* "sm_90a" (cubin) or "compute_90a" (PTX), as the compiler wants it */
  uint32_t arch;             /* 90 for sm_90a */
  bool ptx;                  /* the image is PTX, compiled by the driver or run by the simulator */
  bool fp8_convert;          /* has cvt to and from e4m3 and e5m2 (sm_89 and up) */
  bool narrow_mma;           /* mma.sync multiplies e4m3 as it is: ptxas makes products of f16 of it on other targets */
  bool wgmma;                /* has wgmma, setmaxnreg and tensor maps (sm_90a alone) */
  bool overlaps;             /* a launch may begin while the one in front of it ends (sm_90 and up) */
  uint32_t shared_per_block; /* most bytes of shared memory of one CTA */
  uint32_t shared_per_sm;
  uint32_t rest_registers;    /* of a thread that ptxas wants besides what a step holds, so that it spills nothing */
  uint32_t convert_registers; /* the same for what converts 8-bit K and V */
  uint32_t sm_bytes;          /* of KV that an SM brings from memory in a nanosecond, while all do */
  uint32_t sm_flops;          /* that it computes meanwhile, where attention does not wait for memory */
};

/* NULL when there is no such target. */
const struct target *target_find(const char *name);

/*
 * The target of a device by compute capability; ptx asks for the PTX form. A device without a target of its own has the
 * PTX of the newest older one that newer devices run. NULL when there is none.
 */
const struct target *target_of_device(uint32_t major, uint32_t minor, bool ptx);

/* Steps through all targets; NULL after the last. */
const struct target *target_at(uint32_t number);

#endif
