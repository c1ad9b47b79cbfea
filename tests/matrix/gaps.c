/*
 * Latents with a dense mask where a CTA has 99 KB of shared memory: every tile that fits spills with NVRTC 13.0.
 * Who gives them a tile takes the rows away.
 */
#include "tests/matrix/gaps.h"

#include <string.h>

static const struct {
  const char *target;
  const char *spec;
} gaps[] = {
    {"sm_86", "attention hd=576 v_dim=248 group=3 kv=f16 page=4176 mask=none left=1 right=7 chunk=1 lse=1 rope=half "
              "keys=unrotated rope_dim=128 rope_first=2 positions=array softcap=1 sinks=1 bias=dense v_source=keys"},
    {"sm_86",
     "attention hd=576 v_dim=96 group=48 q=f16 kv=e5m2 scale=head page=100 ids=int64 index=csr left=64 chunk=1 "
     "ranges=1 bits=1 lse=2 rope=interleaved rope_dim=128 rope_first=2 positions=array softcap=1 sinks=1 bias=dense "
     "v_source=keys"},
    {"sm_89",
     "attention family=mma hd=288 v_dim=256 group=6 q=f16 kv=e5m2 scale=head page=48 ids=int64 index=csr start=1 "
     "mask=none left=64 right=100 bits=1 lse=2 rope=interleaved rope_dim=16 rope_first=128 softcap=1 bias=dense "
     "v_source=keys"},
};

bool is_gap(const fi_spec *spec, const struct target *target) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec_print(spec, text, sizeof text);
  for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
    if (strcmp(gaps[i].target, target->name) == 0 && strcmp(gaps[i].spec, text) == 0)
      return true;
  }
  return false;
}
