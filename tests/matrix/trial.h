/* What one job of the matrix works with: a device, the library, random numbers, and a place for what is
 * wrong. */
#ifndef TESTS_MATRIX_TRIAL_H
#define TESTS_MATRIX_TRIAL_H

#include "flashjit.h"
#include "tools/common/device.h"
#include "tools/common/random.h"

#include <stdbool.h>

enum { TRIAL_WHY_SIZE = 1536 };

struct trial {
  struct device device;
  fi_ctx *ctx;
  const char *target; /* that it makes kernels for */
  random_state random;
  void *far_memory;         /* more than 4 GiB of the device, once a case asked for it; lives as long as the process */
  bool is_far_taken;        /* by a cache */
  char why[TRIAL_WHY_SIZE]; /* the first thing that is wrong; "" if none */
  uint64_t rows;            /* of O, K or V that were compared with the reference since it was 0 */
  double error;             /* the largest since then: of O the norm, of K and V in half rounding steps */
};

/* Keeps the first reason; false, so that checks can end with it. */
bool trial_fail(struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the library and the device did what was asked; else the reason is theirs, and the simulator's if it
 * reported a fault. */
bool trial_ok(struct trial *trial, const char *what, fi_status status);

/* Puts a name in front of the reason; false. */
bool trial_name_failure(struct trial *trial, const char *name);

/* A number from least to most. */
uint32_t trial_between(struct trial *trial, uint32_t least, uint32_t most);

/* True once in `times` times. */
bool trial_chance(struct trial *trial, uint32_t times);

#endif
