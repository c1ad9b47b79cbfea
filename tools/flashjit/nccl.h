/* NCCL, opened at run time: one communicator a device, in one process. */
#ifndef TOOLS_FLASHJIT_NCCL_H
#define TOOLS_FLASHJIT_NCCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nccl;

/* A path, or NULL: libnccl.so.2; for devices 0 .. count - 1. NULL with a problem. */
struct nccl *nccl_open(const char *path, uint32_t count);
void nccl_close(struct nccl *nccl);

/* What is between begin and end happens at once. False with a problem. */
bool nccl_begin(struct nccl *nccl);
bool nccl_end(struct nccl *nccl);

/* `to` of each device becomes `from` of all of them, one after the other; this device's call. */
bool nccl_gather(struct nccl *nccl, uint32_t device, const void *from, void *to, size_t bytes, void *stream);

#endif
