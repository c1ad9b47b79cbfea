/*
 * Reads lines such as
 *   ptxas         .     72 bytes stack frame, 100 bytes spill stores, 128 bytes spill loads
 *   ptxas info    : Used 32 registers, used 1 barriers, 72 bytes cumulative stack size, 400 bytes smem
 *   ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to
 * ...
 */
#include "runtime/ptxas_log.h"

#include <ctype.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 512 };

static const struct phrase {
  const char *unit; /* follows the number */
  size_t offset;    /* in struct ptxas_facts */
  bool sum;         /* over functions; else the largest */
} phrases[] = {
    {" registers", offsetof(struct ptxas_facts, registers), false},
    {" bytes smem", offsetof(struct ptxas_facts, static_shared), false},
    {" bytes spill stores", offsetof(struct ptxas_facts, spill_bytes), true},
    {" bytes spill loads", offsetof(struct ptxas_facts, spill_bytes), true},
    {" bytes stack frame", offsetof(struct ptxas_facts, stack_bytes), false},
    {" bytes cumulative stack size", offsetof(struct ptxas_facts, stack_bytes), false},
    {" bytes lmem", offsetof(struct ptxas_facts, stack_bytes), false},
};

static uint32_t number_before(const char *line, const char *end) {
  while (end > line && isdigit((unsigned char)end[-1]))
    end--;
  return (uint32_t)strtoul(end, NULL, 10);
}

static void read_line(const char *line, struct ptxas_facts *facts) {
  for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
    const char *unit = strstr(line, phrases[i].unit);
    if (!unit)
      continue;
    uint32_t *fact = (uint32_t *)(void *)((char *)facts + phrases[i].offset);
    const uint32_t number = number_before(line, unit);
    if (phrases[i].sum)
      *fact += number;
    else if (number > *fact)
      *fact = number;
  }
  if (strstr(line, "(C75"))
    facts->serialised = true;
}

void ptxas_log_read(const char *log, struct ptxas_facts *facts) {
  static const char prefix[] = "ptxas";
  *facts = (struct ptxas_facts){0};
  while (*log) {
    const size_t length = strcspn(log, "\n");
    if (strncmp(log, prefix, sizeof prefix - 1) == 0) {
      char line[LINE_SIZE];
      const size_t kept = length < sizeof line - 1 ? length : sizeof line - 1;
      memcpy(line, log, kept);
      line[kept] = '\0';
      read_line(line, facts);
    }
    log += length + (log[length] == '\n');
  }
}
