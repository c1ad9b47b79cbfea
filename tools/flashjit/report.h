/* The result of a run: one JSON object a kernel, printed as such or as a table. */
#ifndef TOOLS_FLASHJIT_REPORT_H
#define TOOLS_FLASHJIT_REPORT_H

#include "tools/flashjit/roles.h"
#include "tools/flashjit/verify.h"

#include <jansson.h>

/* What happened to one kernel. */
struct report {
  const char *layer; /* kind */
  enum role role;
  char spec[FI_SPEC_TEXT_SIZE];
  fi_facts facts;
  double get_ms;       /* of fi_get_kernel */
  double microseconds; /* of one launch; 0: not timed */
  double work;         /* of that launch: bytes, of prefill floating-point operations */
  bool simulated;
  bool verified;
  bool passed;
  uint32_t dtype; /* of the tolerance */
  struct verdict verdict;
};

/* The report as an object; NULL when memory is out. */
json_t *report_json(const struct report *report);

/* "user" for FI_LAYER_USER, and so on. */
const char *layer_name(uint32_t layer);

/* A table of an array of such objects. */
void report_print(const json_t *reports);

#endif
