/* Resource facts in the log of ptxas -v. */
#ifndef RUNTIME_PTXAS_LOG_H
#define RUNTIME_PTXAS_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct ptxas_facts {
  uint32_t registers;     /* the most of any function */
  uint32_t static_shared; /* bytes, the most of any function */
  uint32_t spill_bytes;   /* stores and loads of all functions */
  uint32_t stack_bytes;   /* the largest frame */
  bool serialised;        /* a note C75xx: ptxas put waits between wgmma instructions */
};

/* All zero for a log without lines of ptxas. */
void ptxas_log_read(const char *log, struct ptxas_facts *facts);

#endif
