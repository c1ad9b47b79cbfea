/* ld, st, atom, red, fences and cvta. */
#include "exec.h"
#include "half.h"
#include "ordering.h"

typedef struct {
  const char *name;
  uint8_t size;
  bool is_signed;
} memory_type;

static bool set_type(sim_inst *inst, const sim_captures *captures, uint32_t index) {
  static const memory_type types[] = {
      {".b8", 1, false},    {".u8", 1, false},     {".s8", 1, true},    {".b16", 2, false},
      {".u16", 2, false},   {".s16", 2, true},     {".f16", 2, false},  {".bf16", 2, false},
      {".b32", 4, false},   {".u32", 4, false},    {".s32", 4, true},   {".f32", 4, false},
      {".b64", 8, false},   {".u64", 8, false},    {".s64", 8, true},   {".f64", 8, false},
      {".f16x2", 4, false}, {".bf16x2", 4, false}, {".b128", 16, false}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (sim_capture_is(captures, index, types[i].name)) {
      inst->size = types[i].size;
      inst->is_signed = types[i].is_signed;
      return true;
    }
  return false;
}

static void set_space(sim_inst *inst, const sim_captures *captures, uint32_t index) {
  static const struct {
    const char *name;
    ptx_space space;
  } spaces[] = {{".global", PTX_GLOBAL},      {".shared", PTX_SHARED},   {".shared::cta", PTX_SHARED},
                {".local", PTX_LOCAL},        {".const", PTX_CONST},     {".param", PTX_PARAM},
                {".param::entry", PTX_PARAM}, {".param::func", PTX_CALL}};
  inst->space = PTX_GENERIC;
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
    if (sim_capture_is(captures, index, spaces[i].name))
      inst->space = (uint8_t)spaces[i].space;
}

static void set_order(sim_inst *inst, const sim_captures *captures, uint32_t semantics, uint32_t scope) {
  static const struct {
    const char *name;
    uint8_t order;
  } orders[] = {{".volatile", SIM_STRONG},
                {".relaxed", SIM_STRONG},
                {".acquire", SIM_STRONG | SIM_ACQUIRE},
                {".release", SIM_STRONG | SIM_RELEASE},
                {".acq_rel", SIM_STRONG | SIM_ACQUIRE | SIM_RELEASE}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
    if (sim_capture_is(captures, semantics, orders[i].name))
      inst->order = orders[i].order;
  if (sim_capture_is(captures, scope, ".cta"))
    inst->order |= SIM_CTA_SCOPE;
}

static void set_count(sim_inst *inst, const sim_captures *captures, uint32_t index) {
  const sim_capture *vector = &captures->items[index];
  inst->count = vector->length ? (uint8_t)(vector->text[2] - '0') : 1;
}

#define SEMANTICS "[.weak|.volatile|.relaxed|.acquire|.release|.mmio]"
#define SCOPE "[.cta|.cluster|.gpu|.sys]"
#define SPACE "[.global|.shared|.shared::cta|.local|.const|.param|.param::entry|.param::func]"
#define CACHE "[.ca|.cg|.cs|.lu|.cv|.wb|.wt]"
#define L1_HINT "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate]"
#define L2_HINT                                                                                              \
  "[.L2::cache_hint|.L2::64B|.L2::128B|.L2::256B|.L2::evict_first|.L2::evict_last|.L2::evict_normal]"
#define TYPE "(.b8|.u8|.s8|.b16|.u16|.s16|.f16|.bf16|.b32|.u32|.s32|.f32|.b64|.u64|.s64|.f64)"

static bool prepare_access(sim_inst *inst, const sim_captures *captures) {
  set_order(inst, captures, 0, 1);
  set_space(inst, captures, 2);
  set_count(inst, captures, captures->count - 2);
  return set_type(inst, captures, captures->count - 1);
}

static uint64_t extend(uint64_t value, uint32_t size, bool is_signed) {
  if (!is_signed || size == 8)
    return value;
  uint32_t shift = 64 - 8 * size;
  return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void load_element(sim_warp *warp, const sim_inst *inst, uint32_t lanes, const sim_access *access,
                         uint32_t element) {
  uint32_t size = inst->size, at = element * size;
  uint32_t *words = sim_operand(warp, inst, element);
  uint64_t *wides = sim_operand(warp, inst, element);
  SIM_FOR_LANES(lane, lanes) {
    uint64_t value = 0;
    memcpy(&value, access->host[lane] + at, size);
    value = extend(value, size, inst->is_signed);
    if (inst->wide)
      wides[lane] = value;
    else
      words[lane] = (uint32_t)value;
  }
}

/* The common case: elements of four bytes into words. */
static void load_words(sim_warp *warp, const sim_inst *inst, uint32_t lanes, const sim_access *access) {
  for (uint32_t element = 0; element < inst->count; element++) {
    uint32_t *words = sim_operand(warp, inst, element);
    SIM_FOR_LANES(lane, lanes)
    memcpy(&words[lane], access->host[lane] + element * 4, 4);
  }
}

static void taint_elements(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t undefined) {
  uint32_t mask = inst->size == 16 ? UINT16_MAX : (1u << inst->size) - 1;
  for (uint32_t element = 0; element < inst->count; element++) {
    uint32_t part = undefined >> (element * inst->size) & mask;
    if (part && inst->is_signed)
      part = UINT8_MAX;
    sim_set_taint(warp, inst->operands[element], lane, part);
  }
}

static void check_loads(sim_warp *warp, const sim_inst *inst, uint32_t lanes, const sim_access *access) {
  sim_access_kind kind = inst->order & SIM_STRONG ? SIM_ATOMIC : SIM_PLAIN;
  SIM_FOR_LANES(lane, lanes) {
    uint32_t undefined = sim_access_read(warp, inst, lane, access, kind);
    if (undefined || warp->tainted)
      taint_elements(warp, inst, lane, undefined);
  }
}

static void exec_load(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  sim_access access;
  uint32_t bytes = (uint32_t)inst->size * inst->count;
  sim_resolve(warp, inst, lanes, 0, inst->space, bytes, bytes, &access);
  if (warp->block->launch->checks)
    check_loads(warp, inst, lanes, &access);
  if (inst->size == 4 && !inst->wide)
    load_words(warp, inst, lanes, &access);
  else
    for (uint32_t element = 0; element < inst->count; element++)
      load_element(warp, inst, lanes, &access, element);
  if (inst->order & SIM_STRONG)
    sim_access_acquire(warp, inst, lanes, &access);
}

static uint32_t stored_taint(sim_warp *warp, const sim_inst *inst, uint32_t lane, uint32_t first) {
  uint32_t undefined = 0, mask = (1u << inst->size) - 1;
  if (!warp->tainted)
    return 0;
  for (uint32_t element = 0; element < inst->count; element++) {
    const uint8_t *taint = sim_taint_of(warp, inst->operands[inst->destinations + first + element]);
    undefined |= (taint[lane] & mask) << (element * inst->size);
  }
  return undefined;
}

static void exec_store(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  sim_access access;
  uint32_t size = inst->size, bytes = size * inst->count;
  sim_access_kind kind = inst->order & SIM_STRONG ? SIM_ATOMIC : SIM_PLAIN;
  sim_resolve(warp, inst, lanes, 0, inst->space, bytes, bytes, &access);
  if (warp->block->launch->checks)
    SIM_FOR_LANES(lane, lanes)
  sim_access_write(warp, inst, lane, &access, stored_taint(warp, inst, lane, 1), kind);
  if (inst->order & SIM_STRONG)
    sim_access_release(warp, inst, lanes, &access);
  for (uint32_t element = 0; element < inst->count; element++) {
    const uint8_t *values = sim_source(warp, inst, 1 + element);
    size_t stride = inst->wide ? 8 : 4;
    SIM_FOR_LANES(lane, lanes)
    memcpy(access.host[lane] + element * size, values + lane * stride, size);
  }
}

/* Atomic operations on words and wide values. The operand pair is (b, c): c is the new value of cas. */
typedef enum {
  ATOM_ADD,
  ATOM_MIN,
  ATOM_MAX,
  ATOM_INC,
  ATOM_DEC,
  ATOM_EXCH,
  ATOM_CAS,
  ATOM_AND,
  ATOM_OR,
  ATOM_XOR
} atom_op;

enum { ATOM_UNSIGNED, ATOM_SIGNED, ATOM_SINGLE, ATOM_DOUBLE };

static uint64_t add_double(uint64_t a, uint64_t b) {
  double x, y;
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  x += y;
  memcpy(&a, &x, sizeof x);
  return a;
}

static uint32_t add_single(uint32_t a, uint32_t b, bool flush) {
  float x = sim_float(a), y = sim_float(b);
  return sim_bits(flush ? sim_flush(sim_flush(x) + sim_flush(y)) : x + y);
}

static bool atom_less(uint64_t a, uint64_t b, const sim_inst *inst) {
  if (!inst->is_signed)
    return a < b;
  return inst->size == 4 ? (int32_t)a < (int32_t)b : (int64_t)a < (int64_t)b;
}

static uint64_t atom_add(const sim_inst *inst, uint64_t old, uint64_t b, bool flush) {
  switch (inst->mode & 3) {
  case ATOM_SINGLE:
    return add_single((uint32_t)old, (uint32_t)b, flush);
  case ATOM_DOUBLE:
    return add_double(old, b);
  default:
    return old + b;
  }
}

static uint64_t atom_result(const sim_inst *inst, uint64_t old, uint64_t b, uint64_t c, bool flush) {
  atom_op operation = inst->mode >> 2;
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

static uint64_t atom_word(const sim_inst *inst, uint8_t *host, uint64_t b, uint64_t c, bool flush) {
  _Atomic uint32_t *location = (_Atomic uint32_t *)(void *)host;
  uint32_t old = atomic_load(location);
  while (!atomic_compare_exchange_weak(location, &old, (uint32_t)atom_result(inst, old, b, c, flush)))
    continue;
  return old;
}

static uint64_t atom_wide(const sim_inst *inst, uint8_t *host, uint64_t b, uint64_t c) {
  _Atomic uint64_t *location = (_Atomic uint64_t *)(void *)host;
  uint64_t old = atomic_load(location);
  while (!atomic_compare_exchange_weak(location, &old, atom_result(inst, old, b, c, false)))
    continue;
  return old;
}

static uint64_t lane_value(const sim_warp *warp, const sim_inst *inst, uint32_t source, uint32_t lane) {
  if (source >= inst->sources)
    return 0;
  const uint32_t *words = sim_source(warp, inst, source);
  const uint64_t *wides = sim_source(warp, inst, source);
  return inst->size == 8 ? wides[lane] : words[lane];
}

static void exec_atom(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  sim_access access;
  sim_resolve(warp, inst, lanes, 0, inst->space, inst->size, inst->size, &access);
  sim_access_release(warp, inst, lanes, &access);
  SIM_FOR_LANES(lane, lanes) {
    if (warp->block->launch->checks) {
      uint32_t undefined = sim_access_read(warp, inst, lane, &access, SIM_ATOMIC);
      undefined |= stored_taint(warp, inst, lane, 1);
      sim_access_write(warp, inst, lane, &access, undefined, SIM_ATOMIC);
    }
    uint64_t b = lane_value(warp, inst, 1, lane), c = lane_value(warp, inst, 2, lane);
    bool flush = sim_lane_in(access.global, lane); /* f32 is added without subnormals in global memory only */
    uint64_t old = inst->size == 8 ? atom_wide(inst, access.host[lane], b, c)
                                   : atom_word(inst, access.host[lane], b, c, flush);
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

static bool prepare_atom(sim_inst *inst, const sim_captures *captures) {
  static const char *const operations[] = {
      [ATOM_ADD] = ".add", [ATOM_MIN] = ".min",   [ATOM_MAX] = ".max", [ATOM_INC] = ".inc",
      [ATOM_DEC] = ".dec", [ATOM_EXCH] = ".exch", [ATOM_CAS] = ".cas", [ATOM_AND] = ".and",
      [ATOM_OR] = ".or",   [ATOM_XOR] = ".xor"};
  uint32_t operation = ATOM_ADD, kind = ATOM_UNSIGNED;
  inst->order = SIM_STRONG;
  set_order(inst, captures, 0, 1);
  set_space(inst, captures, 2);
  while (!sim_capture_is(captures, 3, operations[operation]))
    operation++;
  set_type(inst, captures, captures->count - 1);
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

static bool prepare_fence(sim_inst *inst, const sim_captures *captures) {
  inst->mode = !sim_capture_is(captures, captures->count - 1, ".cta");
  return true;
}

static void exec_fence(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  (void)lanes;
  if (warp->block->launch->checks)
    sim_order_fence(warp, inst->mode);
}

/* Generic addresses of global and constant memory are the addresses themselves. */
static uint64_t window_of(const sim_inst *inst) {
  switch ((ptx_space)inst->space) {
  case PTX_SHARED:
    return sim_window_shared();
  case PTX_LOCAL:
    return sim_window_local();
  case PTX_PARAM:
    return sim_window_parameters();
  default:
    return 0;
  }
}

static bool prepare_cvta(sim_inst *inst, const sim_captures *captures) {
  set_space(inst, captures, 1);
  inst->mode = sim_capture_is(captures, 0, ".to");
  return true;
}

static void exec_cvta(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  uint64_t window = inst->mode ? 0 - window_of(inst) : window_of(inst), out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = from[i] + window;
  sim_commit_wide(warp, inst, 0, lanes, out);
}

static bool prepare_isspacep(sim_inst *inst, const sim_captures *captures) {
  set_space(inst, captures, 0);
  return true;
}

static void exec_isspacep(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  const uint64_t *address = sim_source(warp, inst, 0);
  uint64_t window = window_of(inst), windows_end = sim_window_parameters() + SIM_WINDOW_BYTES;
  uint32_t result = 0;
  for (int i = 0; i < SIM_LANES; i++) {
    bool inside = window ? address[i] - window < SIM_WINDOW_BYTES : address[i] >= windows_end;
    result |= (uint32_t)inside << i;
  }
  sim_commit_predicate(warp, inst, 0, lanes, result);
}

static void exec_nothing(sim_warp *warp, const sim_inst *inst, uint32_t lanes) {
  (void)warp;
  (void)inst;
  (void)lanes;
}

#define ATOM_SEMANTICS "[.relaxed|.acquire|.release|.acq_rel]" SCOPE "[.global|.shared|.shared::cta]"

static const sim_form forms[] = {
    {"ld" SEMANTICS SCOPE SPACE CACHE L1_HINT L2_HINT "[.v2|.v4|.v8]" TYPE, "*v:m", exec_load,
     sim_taint_address, prepare_access, SIM_FLOW_NEXT},
    {"ld" SEMANTICS SCOPE "(.global)" CACHE ".nc" L1_HINT L2_HINT "[.v2|.v4|.v8]" TYPE, "*v:m", exec_load,
     sim_taint_address, prepare_access, SIM_FLOW_NEXT},
    {"st" SEMANTICS SCOPE SPACE CACHE L1_HINT L2_HINT "[.v2|.v4|.v8]" TYPE, ":m*v", exec_store,
     sim_taint_address, prepare_access, SIM_FLOW_NEXT},
    {"atom" ATOM_SEMANTICS "(.add|.min|.max|.inc|.dec|.exch|.and|.or|.xor)"
     "(.u32|.s32|.u64|.s64|.b32|.b64|.f32|.f64)",
     "e:me", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
    {"atom" ATOM_SEMANTICS "(.cas)"
     "(.b32|.b64|.u32|.u64|.s32)",
     "e:mee", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
    {"red" ATOM_SEMANTICS "(.add|.min|.max|.inc|.dec|.and|.or|.xor)"
     "(.u32|.s32|.u64|.s64|.b32|.b64|.f32|.f64)",
     ":me", exec_atom, sim_taint_address, prepare_atom, SIM_FLOW_NEXT},
    {"membar(.cta|.gl|.sys)", "", exec_fence, sim_taint_none, prepare_fence, SIM_FLOW_NEXT},
    {"fence[.sc|.acq_rel|.acquire|.release](.cta|.cluster|.gpu|.sys)", "", exec_fence, sim_taint_none,
     prepare_fence, SIM_FLOW_NEXT},
    {"fence.proxy(.alias|.async|.async.global|.async.shared::cta|.async.shared::cluster)", "", exec_nothing,
     sim_taint_none, NULL, SIM_FLOW_NEXT},
    {"cvta[.to](.global|.shared|.shared::cta|.local|.const|.param|.param::entry).u64", "x:x", exec_cvta, NULL,
     prepare_cvta, SIM_FLOW_NEXT},
    {"isspacep(.global|.shared|.shared::cta|.local|.const|.param)", "p:x", exec_isspacep, NULL,
     prepare_isspacep, SIM_FLOW_NEXT},
    {"prefetch[.global|.local](.L1|.L2)", ":m", exec_nothing, sim_taint_address, NULL, SIM_FLOW_NEXT},
    {"applypriority.global.L2::evict_normal", ":mw", exec_nothing, sim_taint_address, NULL, SIM_FLOW_NEXT},
};

const sim_form_table SIM_TABLE(sim_forms_memory) = SIM_FORM_TABLE(forms);
