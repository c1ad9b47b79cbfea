/* Type, state space and order of an access, from the modifiers of its opcode. */
#include "program/modifiers.h"

struct memory_type {
  const char *name;
  uint8_t size;
  bool is_signed;
};

bool sim_set_type(struct sim_inst *inst, const struct sim_captures *captures, uint32_t index) {
  static const struct memory_type types[] = {
      {".b8", 1, false},  {".u8", 1, false},    {".s8", 1, true},      {".b16", 2, false},  {".u16", 2, false},
      {".s16", 2, true},  {".f16", 2, false},   {".bf16", 2, false},   {".b32", 4, false},  {".u32", 4, false},
      {".s32", 4, true},  {".f32", 4, false},   {".b64", 8, false},    {".u64", 8, false},  {".s64", 8, true},
      {".f64", 8, false}, {".f16x2", 4, false}, {".bf16x2", 4, false}, {".b128", 16, false}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (sim_capture_is(captures, index, types[i].name)) {
      inst->size = types[i].size;
      inst->is_signed = types[i].is_signed;
      return true;
    }
  return false;
}

void sim_set_space(struct sim_inst *inst, const struct sim_captures *captures, uint32_t index) {
  static const struct {
    const char *name;
    enum ptx_space space;
  } spaces[] = {{".global", PTX_GLOBAL},      {".shared", PTX_SHARED},
                {".shared::cta", PTX_SHARED}, {".shared::cluster", PTX_SHARED},
                {".local", PTX_LOCAL},        {".const", PTX_CONST},
                {".param", PTX_PARAM},        {".param::entry", PTX_PARAM},
                {".param::func", PTX_CALL}};
  inst->space = PTX_GENERIC;
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++)
    if (sim_capture_is(captures, index, spaces[i].name))
      inst->space = (uint8_t)spaces[i].space;
}

void sim_set_order(struct sim_inst *inst, const struct sim_captures *captures, uint32_t semantics, uint32_t scope) {
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
