/* Faults: where, by whom, at which line of PTX, and why. The first one of a launch is kept and ends it. */
#include "machine/fault.h"

#include "machine/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int describe_place(const struct sim_warp *warp, uint32_t lane, char *text, size_t bytes) {
  const struct sim_block *block = warp->block;
  int used = snprintf(text, bytes, "flashjit simulator: kernel %s, block (%u,%u,%u), warp %u", block->program->name,
                      block->id[0], block->id[1], block->id[2], warp->index);
  if (lane == SIM_NO_LANE)
    return used;
  uint32_t thread = warp->index * SIM_LANES + lane;
  const uint32_t *threads = block->launch->threads;
  return used + snprintf(text + used, bytes - (size_t)used, ", thread (%u,%u,%u) lane %u", thread % threads[0],
                         thread / threads[0] % threads[1], thread / threads[0] / threads[1], lane);
}

static int describe_inst(const struct sim_program *program, const struct sim_inst *inst, char *text, size_t bytes) {
  if (!inst || inst->line == 0)
    return 0;
  const char *line = program->source->lines[inst->line - 1];
  line += strspn(line, " \t");
  return snprintf(text, bytes, "\n  PTX line %u: %.*s", inst->line, (int)strcspn(line, "\r\n"), line);
}

void sim_fault(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t lane, enum sim_fault_kind kind,
               const char *format, ...) {
  char text[SIM_REPORT_BYTES];
  int used = describe_place(warp, lane, text, sizeof text);
  used += describe_inst(warp->block->program, inst, text + used, sizeof text / 2);
  used += snprintf(text + used, sizeof text - (size_t)used, "\n  ");
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
  va_end(arguments);
  int none = SIM_FAULT_NONE;
  if (atomic_compare_exchange_strong(&warp->block->launch->fault, &none, kind))
    sim_report_set(text, warp->block->launch->quiet);
  longjmp(warp->block->worker->unwind, 1);
}
