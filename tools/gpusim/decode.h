/* State of the decoder of one entry, shared by decode.c (statements) and values.c (operands to values). */
#ifndef GPUSIM_DECODE_H
#define GPUSIM_DECODE_H

#include "program.h"

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

/* Values of operands; each returns false when the operand does not fit. */
uint32_t sim_constant_value(sim_decoder *decoder, uint64_t bits, bool wide);
bool sim_source_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value);
bool sim_destination_value(sim_decoder *decoder, const ptx_operand *operand, char letter, uint32_t *value);
uint32_t sim_new_value(sim_decoder *decoder, ptx_class class);
ptx_class sim_operand_class(const sim_decoder *decoder, const ptx_operand *operand);
uint32_t sim_function_unit(sim_decoder *decoder, const char *name);

/* Appends an instruction of a form found by opcode, with the given operand values. */
void sim_emit_helper(sim_decoder *decoder, const char *opcode, const uint32_t *operands, uint32_t count);

enum { SIM_CONSTANT_BUCKETS = 8192 };

#endif
