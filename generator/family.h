/*
 * The families of kernels: what there is for an op, in the order of preference. Which of them a kernel belongs to is a
 * result of its tile plan; the spec may ask for one by name.
 */
#ifndef GENERATOR_FAMILY_H
#define GENERATOR_FAMILY_H

#include "flashjit.h"
#include "target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tile;

enum { FAMILY_TILE_SIZES = 4 /* 16, 32, 64 and 128 rows */ };

/* How fast kernels of a family are, for plans that divide a batch among tiles of several sizes. */
struct family_costs {
  uint32_t flops_percent;                /* of the target's, which are those of mma.sync */
  uint32_t launch_ns[FAMILY_TILE_SIZES]; /* what a launch takes besides its tiles */
};

/* The place of a tile's rows among the sizes. */
uint32_t family_tile_size(uint32_t rows);

struct family {
  uint32_t op;
  uint32_t number;      /* FI_FAMILY_..., FI_FAMILY_AUTO where the op has but one */
  const char *template; /* of the kernel, in templates/ */
  const char *symbol;   /* of the kernel */
  size_t argument_size; /* of its one argument */
  bool maps;            /* which has tensor maps in it: fi_attention_maps_args */
  bool claims;          /* CTAs can claim items from the plan's queue */
  bool merges_together; /* CTAs merge units together */
  struct family_costs costs;
  /*
   * Makes the tile of number *choice; false, and *choice less the number that there are, when there are not so many.
   * The tile's fields are clear, and shared_bytes what the least of them needs when none fits.
   */
  bool (*plan)(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);
};

/* Steps through the families of all ops; NULL after the last. */
const struct family *family_at(uint32_t number);

/* Whether the family has kernels of a canonical spec. */
bool family_serves(const struct family *family, const fi_spec *spec);

#endif
