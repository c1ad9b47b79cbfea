/* States lie packed, so that those of all devices are one gathering for O and one for LSE. */
#include "tools/flashjit/exchange.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/problem.h"

#include <stdlib.h>

static const struct {
  enum context_buffer part;
  enum context_buffer parts;
} states[] = {{CONTEXT_PART_O, CONTEXT_PARTS_O}, {CONTEXT_PART_LSE, CONTEXT_PARTS_LSE}};

enum { STATES = sizeof states / sizeof *states };

static size_t bytes_of(const struct context_part *part, int state, uint32_t tokens) {
  return part->buffers[states[state].part].bytes / part->whole->batch.schedule->max_tokens * tokens;
}

bool exchange_open(struct exchange *exchange, const struct device *devices, uint32_t count) {
  const char *path = getenv("FLASHJIT_NCCL");
  const bool is_named = path && *path;
  *exchange = (struct exchange){0};
  if (devices->simulated && !is_named)
    return true;
  exchange->nccl = nccl_open(is_named ? path : NULL, count);
  if (!exchange->nccl)
    complain("%s (FLASHJIT_NCCL names its path)", problem_last());
  return exchange->nccl;
}

void exchange_close(struct exchange *exchange) {
  nccl_close(exchange->nccl);
}

static bool by_nccl(struct nccl *nccl, struct context_part *parts, uint32_t count, uint32_t tokens) {
  bool good = nccl_begin(nccl);
  for (uint32_t i = 0; i < count && good; i++) {
    for (int state = 0; state < STATES && good; state++)
      good = nccl_gather(nccl, i, parts[i].buffers[states[state].part].device,
                         parts[i].buffers[states[state].parts].device, bytes_of(&parts[i], state, tokens),
                         parts[i].stream);
  }
  return nccl_end(nccl) && good;
}

/* Each state goes from its device to the host, and from there to all of them. */
static void by_host(struct context_part *parts, uint32_t count, uint32_t tokens) {
  for (uint32_t from = 0; from < count; from++) {
    device_use(parts[from].device);
    device_sync(parts[from].device, parts[from].stream);
    for (int state = 0; state < STATES; state++)
      mirror_download(&parts[from].buffers[states[state].part], parts[from].device,
                      bytes_of(&parts[from], state, tokens));
  }
  for (uint32_t to = 0; to < count; to++) {
    device_use(parts[to].device);
    for (uint32_t from = 0; from < count; from++) {
      for (int state = 0; state < STATES; state++) {
        const size_t bytes = bytes_of(&parts[from], state, tokens);
        char *place = (char *)parts[to].buffers[states[state].parts].device + from * bytes;
        device_upload(parts[to].device, place, parts[from].buffers[states[state].part].host, bytes);
      }
    }
  }
}

bool exchange_states(struct exchange *exchange, struct context_part *parts, uint32_t count, uint32_t tokens) {
  if (!exchange->nccl) {
    by_host(parts, count, tokens);
    return true;
  }
  const bool good = by_nccl(exchange->nccl, parts, count, tokens);
  if (!good)
    complain("%s", problem_last());
  return good;
}
