/* Brings the partial states of all devices, (O, LSE), to each of them: by NCCL, or on the simulator by way of the host.
 */
#ifndef TOOLS_FLASHJIT_EXCHANGE_H
#define TOOLS_FLASHJIT_EXCHANGE_H

#include "tools/flashjit/context_part.h"
#include "tools/flashjit/nccl.h"

struct exchange {
  struct nccl *nccl; /* NULL: by way of the host */
};

/* FLASHJIT_NCCL names the library. False after a complaint. */
bool exchange_open(struct exchange *exchange, const struct device *devices, uint32_t count);
void exchange_close(struct exchange *exchange);

/* CONTEXT_PARTS_O and CONTEXT_PARTS_LSE of each device, of so many tokens; after what its stream has before. */
bool exchange_states(struct exchange *exchange, struct context_part *parts, uint32_t count, uint32_t tokens);

#endif
