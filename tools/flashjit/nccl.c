/* The few functions of NCCL that an exchange takes; their forms have not changed since NCCL 2.0. */
#include "tools/flashjit/nccl.h"

#include "tools/flashjit/problem.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { NCCL_BYTES = 1 /* ncclUint8 */ };

struct nccl {
  void *library;
  int (*init_all)(void **communicators, int devices, const int *list);
  int (*destroy)(void *communicator);
  int (*group_start)(void);
  int (*group_end)(void);
  int (*all_gather)(const void *from, void *to, size_t count, int type, void *communicator, void *stream);
  const char *(*error_string)(int result);
  uint32_t count;
  void *communicators[];
};

static bool find_functions(struct nccl *nccl) {
  const struct {
    const char *name;
    void *function;
  } functions[] = {
      {"ncclCommInitAll", &nccl->init_all},   {"ncclCommDestroy", &nccl->destroy},
      {"ncclGroupStart", &nccl->group_start}, {"ncclGroupEnd", &nccl->group_end},
      {"ncclAllGather", &nccl->all_gather},   {"ncclGetErrorString", &nccl->error_string},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *symbol = dlsym(nccl->library, functions[i].name);
    if (!symbol)
      return problem_set("NCCL has no %s", functions[i].name);
    memcpy(functions[i].function, &symbol, sizeof symbol);
  }
  return true;
}

static bool check(const struct nccl *nccl, int result, const char *call) {
  return result == 0 || problem_set("%s failed: %s (%d)", call, nccl->error_string(result), result);
}

struct nccl *nccl_open(const char *path, uint32_t count) {
  struct nccl *nccl = calloc(1, sizeof *nccl + count * sizeof *nccl->communicators);
  if (!nccl) {
    problem_set("out of memory");
    return NULL;
  }
  setenv("NCCL_NVLS_ENABLE", "0", 0); /* multicast over NVLink is not to be had in every virtual machine */
  nccl->library = dlopen(path ? path : "libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (!nccl->library)
    problem_set("no NCCL: %s", dlerror());
  if (nccl->library && find_functions(nccl) &&
      check(nccl, nccl->init_all(nccl->communicators, (int)count, NULL), "ncclCommInitAll")) {
    nccl->count = count;
    return nccl;
  }
  nccl_close(nccl);
  return NULL;
}

/* The library stays loaded: it has threads of its own. */
void nccl_close(struct nccl *nccl) {
  for (uint32_t i = 0; nccl && i < nccl->count; i++)
    nccl->destroy(nccl->communicators[i]);
  free(nccl);
}

bool nccl_begin(struct nccl *nccl) {
  return check(nccl, nccl->group_start(), "ncclGroupStart");
}

bool nccl_end(struct nccl *nccl) {
  return check(nccl, nccl->group_end(), "ncclGroupEnd");
}

bool nccl_gather(struct nccl *nccl, uint32_t device, const void *from, void *to, size_t bytes, void *stream) {
  const int result = nccl->all_gather(from, to, bytes, NCCL_BYTES, nccl->communicators[device], stream);
  return check(nccl, result, "ncclAllGather");
}
