/*
 * Costs are picoseconds of one SM. A tile reads its KV from memory while it computes with what came before, but the two
 * hinder each other: on an H200 a token takes neither the longer of both times nor their sum, but within 5 % the length
 * of the vector that they make (group 4, 64 requests on 4k: 15.8, 16.2, 19.0 to 20.6 and 28.0 to 29.8 ns with 16, 32,
 * 64 and 128 rows).
 */
#include "runtime/member_costs.h"

#include "generator/family.h"
#include "runtime/context.h"

#include <math.h>

enum {
  PICOSECONDS = 1000,    /* in a nanosecond */
  ROW_ELEMENT_BYTES = 2, /* of Q and O */
  BESIDE_PERCENT = 170   /* of its part of what memory gives all SMs an SM can have while others compute */
};

/* Of all tiles that have a share of a KV head's query heads. */
static float token_cost(const fi_spec *spec, const struct tile *tile, const struct target *target) {
  const float rate = (float)target->sm_flops * (float)tile->family->costs.flops_percent / 100;
  const float bytes = (float)tile->token_bytes / (float)target->sm_bytes;
  const float flops = 2.f * (float)tile->rows * (float)(spec->head_dim + spec->v_dim) / rate;
  return PICOSECONDS * (float)tile->group_shares * sqrtf(bytes * bytes + flops * flops);
}

/* Bringing Q and writing O. */
static float tile_cost(const fi_spec *spec, const struct tile *tile, const struct target *target) {
  const uint32_t bytes = tile->group_shares * tile->rows * (spec->head_dim + spec->v_dim) * ROW_ELEMENT_BYTES;
  return PICOSECONDS * (float)bytes / (float)target->sm_bytes;
}

struct fi_member member_costs(const struct workspace_part *part, uint32_t kv_heads) {
  const struct target *target = atomic_load_explicit(&part->kernel->ctx->target, memory_order_acquire);
  const fi_spec *spec = &part->kernel->spec;
  const struct tile *tile = &part->kernel->tile;
  const uint32_t sms = (part->layout.ctas + tile->ctas_per_sm - 1) / tile->ctas_per_sm;
  const uint32_t launch_ns = tile->family->costs.launch_ns[family_tile_size(tile->rows)];
  return (struct fi_member){
      .tile_tokens = (int)tile->tokens,
      .tile_rows = (int)tile->rows,
      .step_tokens = (int)part->layout.step_tokens,
      .start_tokens = (int)part->layout.start_tokens,
      .unit_steps = (int)part->layout.unit_steps,
      .ctas = (int)part->layout.ctas,
      .token_cost = token_cost(spec, tile, target),
      .tile_cost = tile_cost(spec, tile, target),
      .launch_cost = PICOSECONDS * (float)launch_ns * (float)sms / (float)kv_heads,
  };
}
