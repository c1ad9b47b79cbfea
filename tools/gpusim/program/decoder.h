/* State of the decoder of one entry, and the values that no operand names. */
#ifndef GPUSIM_PROGRAM_DECODER_H
#define GPUSIM_PROGRAM_DECODER_H

#include "program/form.h"

/* Operands name values until slots are assigned. Registers count from 0 over all functions; constants and
 * special registers have a flag. */
enum { SIM_VALUE_CONSTANT = 1 << 30, SIM_VALUE_SPECIAL = 1 << 29, SIM_VALUE_INDEX = (1 << 29) - 1 };

struct sim_constant {
  uint64_t value;
  bool wide;
  uint32_t slot;
};

struct sim_unit {
  const struct ptx_function *function;
  uint32_t first_value; /* of its registers */
  size_t first_inst;
  size_t end_inst;
};

struct sim_decoder {
  struct sim_program *program;
  struct sim_form_set forms;
  struct sim_unit *units;
  size_t unit_count;
  size_t unit_capacity;
  uint32_t current; /* unit */
  const struct ptx_statement *statement;
  uint8_t *classes; /* of the registers */
  size_t value_count;
  size_t value_capacity;
  struct sim_constant *constants;
  size_t constant_count;
  size_t constant_capacity;
  uint32_t *constant_index; /* hash table of constants, 0 is empty */
  char *error;
  bool failed;
};

__attribute__((format(printf, 2, 3))) void sim_decode_fail(struct sim_decoder *decoder, const char *format, ...);

/* A value for each constant that is told from the others. */
uint32_t sim_constant_value(struct sim_decoder *decoder, uint64_t bits, bool wide);
uint32_t sim_new_value(struct sim_decoder *decoder, enum ptx_class class);

enum { SIM_CONSTANT_BUCKETS = 8192 };

#endif
