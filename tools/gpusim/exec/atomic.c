/* atom and red. */
#include "exec/access.h"
#include "exec/half.h"
#include "exec/lanes.h"
#include "program/modifiers.h"

/* Atomic operations on words and wide values. The operand pair is (b, c): c is the new value of cas. */
enum atom_op { ATOM_ADD, ATOM_MIN, ATOM_MAX, ATOM_INC, ATOM_DEC, ATOM_EXCH, ATOM_CAS, ATOM_AND, ATOM_OR, ATOM_XOR };

enum { ATOM_UNSIGNED, ATOM_SIGNED, ATOM_SINGLE, ATOM_DOUBLE };

static uint64_t add_double(uint64_t a, uint64_t b) {
  double x;
  double y;
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  x += y;
  memcpy(&a, &x, sizeof x);
  return a;
}

static uint32_t add_single(uint32_t a, uint32_t b, bool flush) {
  float x = sim_float(a);
  float y = sim_float(b);
  return sim_bits(flush ? sim_flush(sim_flush(x) + sim_flush(y)) : x + y);
}

static bool atom_less(uint64_t a, uint64_t b, const struct sim_inst *inst) {
  if (!inst->is_signed)
    return a < b;
  return inst->size == 4 ? (int32_t)a < (int32_t)b : (int64_t)a < (int64_t)b;
}

static uint64_t atom_add(const struct sim_inst *inst, uint64_t old, uint64_t b, bool flush) {
  switch (inst->mode & 3) {
  case ATOM_SINGLE:
    return add_single((uint32_t)old, (uint32_t)b, flush);
  case ATOM_DOUBLE:
    return add_double(old, b);
  default:
    return old + b;
  }
}

static uint64_t atom_result(const struct sim_inst *inst, uint64_t old, uint64_t b, uint64_t c, bool flush) {
  enum atom_op operation = inst->mode >> 2;
  switch (operation) {
  case ATOM_ADD:
    return atom_add(inst, old, b, flush);
  case ATOM_MIN:
    return atom_less(b, old, inst) ? b : old;
  case ATOM_MAX:
    return atom_less(old, b, inst) ? b : old;
  case ATOM_INC:
    return old >= b ? 0 : old + 1;
  case ATOM_DEC:
    return old == 0 || old > b ? b : old - 1;
  case ATOM_EXCH:
    return b;
  case ATOM_CAS:
    return old == b ? c : old;
  case ATOM_AND:
    return old & b;
  case ATOM_OR:
    return old | b;
  case ATOM_XOR:
    return old ^ b;
  }
  return old;
}

static uint64_t atom_word(const struct sim_inst *inst, uint8_t *host, uint64_t b, uint64_t c, bool flush) {
  _Atomic uint32_t *location = (_Atomic uint32_t *)(void *)host;
  uint32_t old = atomic_load(location);
  while (!atomic_compare_exchange_weak(location, &old, (uint32_t)atom_result(inst, old, b, c, flush)))
    continue;
  return old;
}

static uint64_t atom_wide(const struct sim_inst *inst, uint8_t *host, uint64_t b, uint64_t c) {
  _Atomic uint64_t *location = (_Atomic uint64_t *)(void *)host;
  uint64_t old = atomic_load(location);
  while (!atomic_compare_exchange_weak(location, &old, atom_result(inst, old, b, c, false)))
    continue;
  return old;
}

static uint64_t lane_value(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t source, uint32_t lane) {
  if (source >= inst->sources)
    return 0;
  const uint32_t *words = sim_source(warp, inst, source);
  const uint64_t *wides = sim_source(warp, inst, source);
  return inst->size == 8 ? wides[lane] : words[lane];
}

static void exec_atom(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  sim_resolve(warp, inst, lanes, 0, inst->space, inst->size, inst->size, &access);
  sim_access_release(warp, inst, lanes, &access);
  SIM_FOR_LANES(lane, lanes) {
    if (warp->block->launch->checks) {
      uint32_t undefined = sim_access_read(warp, inst, lane, &access, SIM_ATOMIC);
      undefined |= sim_stored_taint(warp, inst, lane, 1);
      sim_access_write(warp, inst, lane, &access, undefined, SIM_ATOMIC);
    }
    uint64_t b = lane_value(warp, inst, 1, lane);
    uint64_t c = lane_value(warp, inst, 2, lane);
    bool flush = sim_lane_in(access.global, lane); /* f32 is added without subnormals in global memory only */
    uint64_t old =
        inst->size == 8 ? atom_wide(inst, access.host[lane], b, c) : atom_word(inst, access.host[lane], b, c, flush);
    if (inst->destinations == 0)
      continue;
    if (inst->size == 8)
      ((uint64_t *)sim_operand(warp, inst, 0))[lane] = old;
    else
      ((uint32_t *)sim_operand(warp, inst, 0))[lane] = (uint32_t)old;
    if (warp->tainted)
      sim_set_taint(warp, inst->operands[0], lane, 0);
  }
  sim_access_acquire(warp, inst, lanes, &access);
}

static bool prepare_atom(struct sim_inst *inst, const struct sim_captures *captures) {
  static const char *const operations[] = {
      [ATOM_ADD] = ".add",   [ATOM_MIN] = ".min", [ATOM_MAX] = ".max", [ATOM_INC] = ".inc", [ATOM_DEC] = ".dec",
      [ATOM_EXCH] = ".exch", [ATOM_CAS] = ".cas", [ATOM_AND] = ".and", [ATOM_OR] = ".or",   [ATOM_XOR] = ".xor"};
  uint32_t operation = ATOM_ADD;
  uint32_t kind = ATOM_UNSIGNED;
  inst->order = SIM_STRONG;
  sim_set_order(inst, captures, 0, 1);
  sim_set_space(inst, captures, 2);
  while (!sim_capture_is(captures, 3, operations[operation]))
    operation++;
  sim_set_type(inst, captures, captures->count - 1);
  inst->count = 1;
  if (inst->is_signed)
    kind = ATOM_SIGNED;
  if (sim_capture_is(captures, captures->count - 1, ".f32"))
    kind = ATOM_SINGLE;
  if (sim_capture_is(captures, captures->count - 1, ".f64"))
    kind = ATOM_DOUBLE;
  inst->mode = (uint8_t)(operation << 2 | kind);
  return true;
}

#define ATOM_SEMANTICS                                                                                                 \
  "[.relaxed|.acquire|.release|.acq_rel]" SIM_SCOPE "[.global|.shared|.shared::cta|.shared::cluster]"

static const struct sim_form forms[] = {
    {"atom" ATOM_SEMANTICS "(.add|.min|.max|.inc|.dec|.exch|.and|.or|.xor)"
     "(.u32|.s32|.u64|.s64|.b32|.b64|.f32|.f64)",
     "e:me", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
    {"atom" ATOM_SEMANTICS "(.cas)"
     "(.b32|.b64|.u32|.u64|.s32)",
     "e:mee", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
    {"red" ATOM_SEMANTICS "(.add|.min|.max|.inc|.dec|.and|.or|.xor)"
     "(.u32|.s32|.u64|.s64|.b32|.b64|.f32|.f64)",
     ":me", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
};

const struct sim_form_table SIM_TABLE(sim_forms_atomic) = SIM_FORM_TABLE(forms);
