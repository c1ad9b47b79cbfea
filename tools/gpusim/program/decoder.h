/* State of the decoder of one entry, and the values that no operand names. */
#ifndef GPUSIM_PROGRAM_DECODER_H
#define GPUSIM_PROGRAM_DECODER_H

#include "program/form.h"

/* Operands name values until slots are assigned. Registers count from 0 over all functions; constants and
 * special registers have a flag. */
enum { SIM_VALUE_CONSTANT = 1 << 30, SIM_VALUE_SPECIAL = 1 << 29, SIM_VALUE_INDEX = (1 << 29) - 1 };

typedef struct {
  uint64_t value;
  bool wide;
  uint32_t slot;
} sim_constant;

typedef struct {
  const ptx_function *function;
  uint32_t first_value; /* of its registers */
  size_t first_inst, end_inst;
} sim_unit;

typedef struct {
  sim_program *program;
  sim_form_set forms;
  sim_unit *units;
  size_t unit_count, unit_capacity;
  uint32_t current; /* unit */
  const ptx_statement *statement;
  uint8_t *classes; /* of the registers */
  size_t value_count, value_capacity;
  sim_constant *constants;
  size_t constant_count, constant_capacity;
  uint32_t *constant_index; /* hash table of constants, 0 is empty */
  char *error;
  bool failed;
} sim_decoder;

__attribute__((format(printf, 2, 3))) void sim_decode_fail(sim_decoder *decoder, const char *format, ...);

/* A value for each constant that is told from the others. */
uint32_t sim_constant_value(sim_decoder *decoder, uint64_t bits, bool wide);
uint32_t sim_new_value(sim_decoder *decoder, ptx_class class);

enum { SIM_CONSTANT_BUCKETS = 8192 };

#endif
