/* ld, st, fences and cvta. */
#include "check/ordering.h"
#include "check/proxy.h"
#include "exec/access.h"
#include "exec/lanes.h"
#include "program/modifiers.h"

static void set_count(struct sim_inst *inst, const struct sim_captures *captures, uint32_t index) {
  const struct sim_capture *vector = &captures->items[index];
  inst->count = vector->length ? (uint8_t)(vector->text[2] - '0') : 1;
}

#define SEMANTICS "[.weak|.volatile|.relaxed|.acquire|.release|.mmio]"
#define SPACE "[.global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry|.param::func]"
#define CACHE "[.ca|.cg|.cs|.lu|.cv|.wb|.wt]"
#define L1_HINT "[.L1::evict_normal|.L1::evict_unchanged|.L1::evict_first|.L1::evict_last|.L1::no_allocate]"
#define L2_HINT "[.L2::64B|.L2::128B|.L2::256B|.L2::evict_first|.L2::evict_last|.L2::evict_normal]"
#define POLICY "(.L2::cache_hint)[.L2::64B|.L2::128B|.L2::256B]"
#define TYPE "(.b8|.u8|.s8|.b16|.u16|.s16|.f16|.bf16|.b32|.u32|.s32|.f32|.b64|.u64|.s64|.f64)"

static bool prepare_access(struct sim_inst *inst, const struct sim_captures *captures) {
  sim_set_order(inst, captures, 0, 1);
  sim_set_space(inst, captures, 2);
  set_count(inst, captures, captures->count - 2);
  return sim_set_type(inst, captures, captures->count - 1);
}

/* Elements of one type, extended to their registers. */
#define LOAD_ELEMENTS(type)                                                                                            \
  SIM_FOR_LANES(lane, lanes) {                                                                                         \
    type value;                                                                                                        \
    memcpy(&value, access->host[lane] + at, sizeof value);                                                             \
    if (inst->wide)                                                                                                    \
      wides[lane] = (uint64_t)value;                                                                                   \
    else                                                                                                               \
      words[lane] = (uint32_t)value;                                                                                   \
  }                                                                                                                    \
  break

static void load_element(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                         const struct sim_access *access, uint32_t element) {
  uint32_t at = element * inst->size;
  uint32_t *words = sim_operand(warp, inst, element);
  uint64_t *wides = sim_operand(warp, inst, element);
  switch (inst->is_signed ? -inst->size : inst->size) {
  case 1:
    LOAD_ELEMENTS(uint8_t);
  case -1:
    LOAD_ELEMENTS(int8_t);
  case 2:
    LOAD_ELEMENTS(uint16_t);
  case -2:
    LOAD_ELEMENTS(int16_t);
  case 4:
    LOAD_ELEMENTS(uint32_t);
  case -4:
    LOAD_ELEMENTS(int32_t);
  default:
    LOAD_ELEMENTS(uint64_t);
  }
}

static void taint_elements(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, uint32_t undefined) {
  uint32_t mask = inst->size == 16 ? UINT16_MAX : (1u << inst->size) - 1;
  for (uint32_t element = 0; element < inst->count; element++) {
    uint32_t part = undefined >> (element * inst->size) & mask;
    if (part && inst->is_signed)
      part = UINT8_MAX;
    sim_set_taint(warp, inst->operands[element], lane, part);
  }
}

static void check_loads(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes,
                        const struct sim_access *access) {
  enum sim_access_kind kind = inst->order & SIM_STRONG ? SIM_ATOMIC : SIM_PLAIN;
  SIM_FOR_LANES(lane, lanes) {
    uint32_t undefined = sim_access_read(warp, inst, lane, access, kind);
    if (undefined || warp->tainted)
      taint_elements(warp, inst, lane, undefined);
  }
}

static void exec_load(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  uint32_t bytes = (uint32_t)inst->size * inst->count;
  sim_resolve(warp, inst, lanes, 0, inst->space, bytes, bytes, &access);
  if (warp->block->launch->checks)
    check_loads(warp, inst, lanes, &access);
  for (uint32_t element = 0; element < inst->count; element++)
    load_element(warp, inst, lanes, &access, element);
  if (inst->order & SIM_STRONG)
    sim_access_acquire(warp, inst, lanes, &access);
}

static void exec_store(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  struct sim_access access;
  uint32_t size = inst->size;
  uint32_t bytes = size * inst->count;
  enum sim_access_kind kind = inst->order & SIM_STRONG ? SIM_ATOMIC : SIM_PLAIN;
  sim_resolve(warp, inst, lanes, 0, inst->space, bytes, bytes, &access);
  if (warp->block->launch->checks)
    SIM_FOR_LANES(lane, lanes)
      sim_access_write(warp, inst, lane, &access, sim_stored_taint(warp, inst, lane, 1), kind);
  if (inst->order & SIM_STRONG)
    sim_access_release(warp, inst, lanes, &access);
  for (uint32_t element = 0; element < inst->count; element++) {
    const uint8_t *values = sim_source(warp, inst, 1 + element);
    size_t stride = inst->wide ? 8 : 4;
    SIM_FOR_LANES(lane, lanes)
      memcpy(access.host[lane] + element * size, values + lane * stride, size);
  }
}

static bool prepare_fence(struct sim_inst *inst, const struct sim_captures *captures) {
  inst->mode = !sim_capture_is(captures, captures->count - 1, ".cta");
  return true;
}

static void exec_fence(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)lanes;
  if (warp->block->launch->checks)
    sim_order_fence(warp, inst->mode);
}

static void exec_fence_proxy(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)inst;
  (void)lanes;
  sim_proxy_fence(warp);
}

/* Generic addresses of global and constant memory are the addresses themselves. */
static uint64_t window_of(const struct sim_inst *inst) {
  switch ((enum ptx_space)inst->space) {
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

static bool prepare_cvta(struct sim_inst *inst, const struct sim_captures *captures) {
  sim_set_space(inst, captures, 1);
  inst->mode = sim_capture_is(captures, 0, ".to");
  return true;
}

static void exec_cvta(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *from = sim_source(warp, inst, 0);
  uint64_t window = inst->mode ? 0 - window_of(inst) : window_of(inst);
  uint64_t out[SIM_LANES];
  for (int i = 0; i < SIM_LANES; i++)
    out[i] = from[i] + window;
  sim_commit_wide(warp, inst, 0, lanes, out);
}

static bool prepare_isspacep(struct sim_inst *inst, const struct sim_captures *captures) {
  sim_set_space(inst, captures, 0);
  return true;
}

static void exec_isspacep(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  const uint64_t *address = sim_source(warp, inst, 0);
  uint64_t window = window_of(inst);
  uint64_t windows_end = sim_window_parameters() + SIM_WINDOW_BYTES;
  uint32_t result = 0;
  for (int i = 0; i < SIM_LANES; i++) {
    bool inside = window ? address[i] - window < SIM_WINDOW_BYTES : address[i] >= windows_end;
    result |= (uint32_t)inside << i;
  }
  sim_commit_predicate(warp, inst, 0, lanes, result);
}

static void exec_nothing(struct sim_warp *warp, const struct sim_inst *inst, uint32_t lanes) {
  (void)warp;
  (void)inst;
  (void)lanes;
}

#define VECTOR "[.v2|.v4|.v8]"
#define LOAD "ld" SEMANTICS SIM_SCOPE SPACE CACHE L1_HINT
#define LOAD_CONSTANT "ld" SEMANTICS SIM_SCOPE "(.global)" CACHE ".nc" L1_HINT
#define STORE "st" SEMANTICS SIM_SCOPE SPACE CACHE L1_HINT
#define ACCESS(pattern, operands, exec)                                                                                \
  { pattern, operands, exec, sim_taint_address, prepare_access, SIM_FLOW_NEXT }

static const struct sim_form forms[] = {
    ACCESS(LOAD L2_HINT VECTOR TYPE, "*v:m", exec_load),
    ACCESS(LOAD POLICY VECTOR TYPE, "*v:mx", exec_load),
    ACCESS(LOAD_CONSTANT L2_HINT VECTOR TYPE, "*v:m", exec_load),
    ACCESS(LOAD_CONSTANT POLICY VECTOR TYPE, "*v:mx", exec_load),
    ACCESS(STORE L2_HINT VECTOR TYPE, ":m*v", exec_store),
    ACCESS(STORE POLICY VECTOR TYPE, ":m*vx", exec_store),
    {"membar(.cta|.gl|.sys)", "", exec_fence, sim_taint_none, prepare_fence, SIM_FLOW_NEXT},
    {"fence[.sc|.acq_rel|.acquire|.release](.cta|.cluster|.gpu|.sys)", "", exec_fence, sim_taint_none, prepare_fence,
     SIM_FLOW_NEXT},
    {"fence.proxy(.async|.async.global|.async.shared::cta|.async.shared::cluster)", "", exec_fence_proxy,
     sim_taint_none, NULL, SIM_FLOW_NEXT},
    {"fence.proxy.alias", "", exec_nothing, sim_taint_none, NULL, SIM_FLOW_NEXT},
    {"cvta[.to](.global|.shared|.shared::cta|.shared::cluster|.local|.const|.param|.param::entry).u64", "x:x",
     exec_cvta, NULL, prepare_cvta, SIM_FLOW_NEXT},
    {"isspacep(.global|.shared|.shared::cta|.local|.const|.param)", "p:x", exec_isspacep, NULL, prepare_isspacep,
     SIM_FLOW_NEXT},
    {"prefetch[.global|.local](.L1|.L2)", ":m", exec_nothing, sim_taint_address, NULL, SIM_FLOW_NEXT},
    {"applypriority.global.L2::evict_normal", ":mw", exec_nothing, sim_taint_address, NULL, SIM_FLOW_NEXT},
};

const struct sim_form_table SIM_TABLE(sim_forms_memory) = SIM_FORM_TABLE(forms);
