/* Propagation of undefined bytes from register to register, and the reports when one decides a branch or an
 * address. Runs only in warps that have read something undefined. */
#include "check/taint.h"

#include "machine/fault.h"

void sim_set_taint(struct sim_warp *warp, uint32_t slot, uint32_t lane, uint32_t undefined) {
  if (undefined)
    warp->tainted = true;
  sim_taint_of(warp, slot)[lane] = (uint8_t)undefined;
}

uint32_t sim_stored_taint(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t first) {
  uint32_t undefined = 0;
  uint32_t mask = (1u << inst->size) - 1;
  if (!warp->tainted)
    return 0;
  for (uint32_t element = 0; element < inst->count; element++) {
    const uint8_t *taint = sim_taint_of(warp, inst->operands[inst->destinations + first + element]);
    undefined |= (taint[lane] & mask) << (element * inst->size);
  }
  return undefined;
}

static uint8_t source_taint(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, uint32_t lane) {
  return sim_taint_of(warp, inst->operands[inst->destinations + index])[lane];
}

void sim_taint_none(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)warp;
  (void)inst;
  (void)lanes;
}

void sim_taint_any(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t out[SIM_LANES] = {0};
  for (uint32_t s = 0; s < inst->sources; s++) {
    const uint8_t *taint = sim_taint_of(warp, inst->operands[inst->destinations + s]);
    for (int i = 0; i < SIM_LANES; i++)
      out[i] |= taint[i];
  }
  for (uint32_t d = 0; d < inst->destinations; d++) {
    uint8_t *to = sim_taint_of(warp, inst->operands[d]);
    SIM_FOR_LANES(lane, lanes)
      to[lane] = out[lane] ? UINT8_MAX : 0;
  }
}

void sim_taint_copy(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes)
    to[lane] = source_taint(warp, inst, 0, lane);
}

void sim_taint_select(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  uint32_t chosen = *(const uint32_t *)sim_source(warp, inst, 2);
  SIM_FOR_LANES(lane, lanes) {
    uint8_t taint = source_taint(warp, inst, sim_lane_in(chosen, lane) ? 0 : 1, lane);
    to[lane] = source_taint(warp, inst, 2, lane) ? UINT8_MAX : taint;
  }
}

static uint64_t lane_value(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t index, uint32_t lane,
                           bool wide) {
  const void *values = sim_source(warp, inst, index);
  return wide ? ((const uint64_t *)values)[lane] : ((const uint32_t *)values)[lane];
}

/* Bit i is set when byte i of the value is zero. */
static uint8_t zero_bytes(uint64_t value) {
  uint8_t zero = 0;
  for (int i = 0; i < 8; i++)
    zero = (uint8_t)(zero | (uint32_t)((value >> (8 * i) & 255) == 0) << i);
  return zero;
}

/* A byte anded with a defined zero is defined. Upper bytes of words are ignored by whoever reads words. */
void sim_taint_and(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  bool wide = inst->wide;
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes) {
    uint8_t a = source_taint(warp, inst, 0, lane);
    uint8_t b = source_taint(warp, inst, 1, lane);
    uint8_t zero_a = zero_bytes(lane_value(warp, inst, 0, lane, wide)) & (uint8_t)~a;
    uint8_t zero_b = zero_bytes(lane_value(warp, inst, 1, lane, wide)) & (uint8_t)~b;
    to[lane] = (uint8_t)((a | b) & ~(zero_a | zero_b));
  }
}

void sim_taint_or(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes)
    to[lane] = source_taint(warp, inst, 0, lane) | source_taint(warp, inst, 1, lane);
}

/* Shifts by whole bytes move the taint; others spread it to the neighbour byte. */
static uint8_t shift_taint(uint8_t taint, uint32_t bits, bool left) {
  uint32_t bytes = bits / 8;
  if (bytes >= 8)
    return 0;
  uint32_t moved = left ? (uint32_t)taint << bytes : (uint32_t)taint >> bytes;
  if (bits % 8)
    moved |= left ? moved << 1 : moved >> 1;
  return (uint8_t)moved;
}

static void taint_shift(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, bool left) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes) {
    uint32_t bits = (uint32_t)lane_value(warp, inst, 1, lane, false);
    uint8_t taint = source_taint(warp, inst, 0, lane) & (inst->wide ? 255 : 15);
    to[lane] = source_taint(warp, inst, 1, lane) ? UINT8_MAX : shift_taint(taint, bits, left);
  }
}

void sim_taint_shift_left(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  taint_shift(warp, inst, lanes, true);
}

void sim_taint_shift_right(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  taint_shift(warp, inst, lanes, false);
}

static void taint_low_bytes(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes, uint8_t mask) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes)
    to[lane] = source_taint(warp, inst, 0, lane) & mask;
}

void sim_taint_low_word(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  taint_low_bytes(warp, inst, lanes, 15);
}

void sim_taint_low_half(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  taint_low_bytes(warp, inst, lanes, 3);
}

/* Two words make a wide value. */
void sim_taint_pack(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes)
    to[lane] = (uint8_t)((source_taint(warp, inst, 0, lane) & 15) | source_taint(warp, inst, 1, lane) << 4);
}

void sim_taint_unpack(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  SIM_FOR_LANES(lane, lanes) {
    uint8_t taint = source_taint(warp, inst, 0, lane);
    sim_taint_of(warp, inst->operands[0])[lane] = taint & 15;
    sim_taint_of(warp, inst->operands[1])[lane] = taint >> 4;
  }
}

/* Two halves make a word, or a word two halves. */
void sim_taint_halves(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  SIM_FOR_LANES(lane, lanes) {
    uint8_t low = source_taint(warp, inst, 0, lane);
    if (inst->destinations == 2) {
      sim_taint_of(warp, inst->operands[0])[lane] = low & 3;
      sim_taint_of(warp, inst->operands[1])[lane] = low >> 2 & 3;
    } else {
      uint32_t high = source_taint(warp, inst, 1, lane) & 3u;
      sim_taint_of(warp, inst->operands[0])[lane] = (uint8_t)((low & 3) | high << 2);
    }
  }
}

void sim_taint_permute(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t *to = sim_taint_of(warp, inst->operands[0]);
  SIM_FOR_LANES(lane, lanes) {
    uint32_t bytes = (source_taint(warp, inst, 0, lane) & 15u) | (source_taint(warp, inst, 1, lane) & 15u) << 4;
    uint32_t selector = (uint32_t)lane_value(warp, inst, 2, lane, false);
    uint32_t taint = 0;
    for (int i = 0; i < 4; i++)
      taint |= (bytes >> (selector >> (4 * i) & 7) & 1) << i;
    to[lane] = source_taint(warp, inst, 2, lane) ? UINT8_MAX : (uint8_t)taint;
  }
}

/* Every lane sees the values of all. */
void sim_taint_warp(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  uint8_t any = 0;
  SIM_FOR_LANES(lane, lanes) {
    for (uint32_t s = 0; s < inst->sources; s++)
      any |= source_taint(warp, inst, s, lane);
  }
  for (uint32_t d = 0; d < inst->destinations; d++)
    SIM_FOR_LANES(lane, lanes)
      sim_taint_of(warp, inst->operands[d])[lane] = any ? UINT8_MAX : 0;
}

/* For instructions that set the taint of their results themselves: only their addresses are looked at. */
void sim_taint_address(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  SIM_FOR_LANES(lane, lanes) {
    for (uint32_t a = 0; a < inst->address_count; a++)
      if (source_taint(warp, inst, inst->address_source[a], lane))
        sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                  "the address depends on an undefined value (from memory never written)");
  }
}

void sim_taint_guard(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint8_t *taint = sim_taint_of(warp, inst->guard);
  SIM_FOR_LANES(lane, lanes) {
    if (taint[lane])
      sim_fault(warp, inst, lane, SIM_FAULT_CHECK,
                "the condition depends on an undefined value (from memory never written)");
  }
}
