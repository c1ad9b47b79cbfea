/* The syntax tree of one PTX module, as the parser hands it to the decoder. Names are interned; registers and
 * variables are already resolved to their declarations, because inline assembly re-declares names in scopes.
 */
#ifndef GPUSIM_PTX_TREE_H
#define GPUSIM_PTX_TREE_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { PTX_ERROR_BYTES = 512 };

enum ptx_space {
  PTX_GENERIC,
  PTX_GLOBAL,
  PTX_CONST,
  PTX_SHARED,
  PTX_LOCAL,
  PTX_PARAM, /* of the kernel */
  PTX_CALL   /* .param of a function or of a call sequence; lives in local memory */
};

struct ptx_variable {
  const char *name;
  enum ptx_space space;
  uint32_t alignment;
  uint32_t size;         /* bytes; 0 for extern .shared x[] */
  uint32_t element_size; /* of the declared type */
  bool is_extern;
  bool is_named; /* by an instruction */
  const uint8_t *initial; /* size bytes or NULL */
  uint64_t address;       /* offset in its space, or device address; set by the loader */
};

enum ptx_kind {
  PTX_REGISTER, /* number */
  PTX_NAME,     /* special register, label or function */
  PTX_VARIABLE,
  PTX_INTEGER,
  PTX_SINGLE,  /* 0f3F800000: bits in value */
  PTX_DOUBLE,  /* 0d...: bits in value; decimals too */
  PTX_LIST,    /* {a, b} or (a, b): items */
  PTX_ADDRESS, /* [items[0] + value], or [items[0] + value, items[1]] */
  PTX_SINK     /* _ */
};

struct ptx_operand {
  enum ptx_kind kind;
  bool negated; /* !%p */
  uint32_t number;
  uint64_t value;
  const char *name;
  struct ptx_variable *variable;
  struct ptx_operand *items;
  uint32_t item_count;
  struct ptx_operand *pair; /* the q of p|q */
};

struct ptx_statement {
  const char *opcode;
  struct ptx_operand *guard; /* NULL if none */
  struct ptx_operand *operands;
  uint32_t operand_count;
  uint32_t line;
  uint32_t scope; /* for labels */
};

struct ptx_label {
  const char *name;
  uint32_t scope;
  uint32_t statement;
};

enum ptx_class { PTX_CLASS_PREDICATE, PTX_CLASS_WORD, PTX_CLASS_WIDE, PTX_CLASS_QUAD };

struct ptx_function {
  const char *name;
  bool is_entry;
  bool has_body;
  struct ptx_variable **parameters;
  uint32_t parameter_count;
  struct ptx_variable *result;     /* NULL if none */
  struct ptx_variable **variables; /* declared in the body */
  size_t variable_count;
  size_t variable_capacity;
  struct ptx_statement *statements;
  size_t statement_count;
  size_t statement_capacity;
  struct ptx_label *labels;
  size_t label_count;
  size_t label_capacity;
  uint32_t *scope_parents; /* scope 0 is the module */
  size_t scope_count;
  size_t scope_capacity;
  uint8_t *register_classes; /* ptx_class of each register */
  size_t register_count;
  size_t register_capacity;
  uint32_t max_threads; /* .maxntid product, 0 if absent */
  uint32_t cluster[3];  /* .reqnctapercluster, 0 if absent */
  uint32_t min_blocks;  /* .minnctapersm, 0 if absent */
};

struct ptx_module {
  struct sim_arena *arena;
  const char **lines; /* start of each source line, 1-based, for reports */
  uint32_t line_count;
  uint32_t target;  /* 90 for sm_90a */
  char target_kind; /* 'a', 'f', or 0: the letter after it */
  struct ptx_variable **variables;
  size_t variable_count;
  size_t variable_capacity;
  struct ptx_function **functions;
  size_t function_count;
  size_t function_capacity;
  uint32_t register_count; /* of all functions */
  uint64_t variable_bytes; /* of all variables */
  char error[PTX_ERROR_BYTES];
};

#endif
