/*
 * The table of targets. Shared memory as in the CUDA programming guide, table "technical specifications";
 * registers as found by compiling for every target with NVRTC 13.0. Rates of 9.0 as measured on an H200; of others 0.9
 * of the memory's and about 0.6 of the matrix units' in data sheets (A100, RTX 3090, RTX 4090, B200, RTX 5090), for the
 * B200 the matrix rate of the H200: nobody has measured these. Plans of a mix of lengths go by them.
 */
#include "target.h"

#include <stddef.h>
#include <string.h>

#define KB(n) ((n)*1024u)

/* An architecture has two targets, for a cubin and for PTX, which differ in nothing else. */
#define FORM(name, ptx, arch, ...)                                                                                     \
  { name, arch, ptx, __VA_ARGS__ }
#define BOTH_FORMS(cubin, ptx, ...) FORM(cubin, false, __VA_ARGS__), FORM(ptx, true, __VA_ARGS__)

static const struct target targets[] = {
    /* names, arch, fp8_convert, narrow_mma, wgmma, overlaps, per block, per SM, rest, convert, bytes, flops of an SM */
    BOTH_FORMS("sm_80", "compute_80", 80, false, false, false, false, KB(163), KB(164), 36, 20, 17, 1590),
    BOTH_FORMS("sm_86", "compute_86", 86, false, false, false, false, KB(99), KB(100), 36, 52, 10, 650),
    BOTH_FORMS("sm_89", "compute_89", 89, true, true, false, false, KB(99), KB(100), 36, 52, 7, 970),
    BOTH_FORMS("sm_90a", "compute_90a", 90, true, false, true, true, KB(227), KB(228), 36, 20, 33, 2660),
    BOTH_FORMS("sm_100a", "compute_100a", 100, true, false, false, true, KB(227), KB(228), 48, 20, 48, 2660),
    BOTH_FORMS("sm_120a", "compute_120a", 120, true, true, false, true, KB(99), KB(100), 48, 20, 9, 920),
};

const struct target *target_at(uint32_t number) {
  return number < sizeof targets / sizeof *targets ? &targets[number] : NULL;
}

const struct target *target_find(const char *name) {
  const struct target *target;
  for (uint32_t i = 0; (target = target_at(i)); i++) {
    if (strcmp(target->name, name) == 0)
      return target;
  }
  return NULL;
}

/* PTX for a name with a letter is for that architecture alone. */
static bool is_portable(const struct target *target) {
  const char last = target->name[strlen(target->name) - 1];
  return target->ptx && last >= '0' && last <= '9';
}

const struct target *target_of_device(uint32_t major, uint32_t minor, bool ptx) {
  const uint32_t arch = 10 * major + minor;
  const struct target *nearest = NULL;
  const struct target *target;
  for (uint32_t i = 0; (target = target_at(i)); i++) {
    if (target->arch == arch && target->ptx == ptx)
      return target;
    if (target->arch < arch && is_portable(target))
      nearest = target;
  }
  return nearest;
}
