/* A library in place of libnccl.so.2 for the simulator, where device addresses are host addresses and launches have
 * ended when they return. FAKE_NCCL_FAILS=1: gathering fails. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { MOST_RANKS = 8, MOST_CALLS = 32, FAILED = 5 };

struct call {
  const char *from;
  char *to;
  size_t bytes;
  int rank;
};

static int ranks[MOST_RANKS];
static int rank_count;
static struct call calls[MOST_CALLS];
static int call_count;
static int open_groups;

EXPORT int ncclCommInitAll(void **communicators, int devices, const int *list) {
  if (devices > MOST_RANKS || list)
    return FAILED;
  rank_count = devices;
  for (int i = 0; i < devices; i++) {
    ranks[i] = i;
    communicators[i] = &ranks[i];
  }
  return 0;
}

EXPORT int ncclCommDestroy(void *communicator) {
  (void)communicator;
  return 0;
}

EXPORT const char *ncclGetErrorString(int result) {
  return result == FAILED ? "the fake fails" : "no error";
}

EXPORT int ncclGroupStart(void) {
  open_groups++;
  call_count = 0;
  return 0;
}

EXPORT int ncclAllGather(const void *from, void *to, size_t count, int type, void *communicator, void *stream) {
  if (getenv("FAKE_NCCL_FAILS") || !open_groups || type != 1 || !stream || call_count == MOST_CALLS)
    return FAILED;
  calls[call_count++] = (struct call){from, to, count, *(int *)communicator};
  return 0;
}

/* The n-th call of each rank belongs together. */
static const struct call *nth_of(int rank, int n) {
  for (int i = 0; i < call_count; i++) {
    if (calls[i].rank == rank && n-- == 0)
      return &calls[i];
  }
  return NULL;
}

EXPORT int ncclGroupEnd(void) {
  open_groups--;
  for (int n = 0; call_count > 0 && n < call_count / rank_count; n++) {
    for (int to = 0; to < rank_count; to++) {
      for (int from = 0; from < rank_count; from++) {
        const struct call *target = nth_of(to, n);
        const struct call *source = nth_of(from, n);
        if (!target || !source || target->bytes != source->bytes)
          return FAILED;
        memcpy(target->to + (size_t)from * source->bytes, source->from, source->bytes);
      }
    }
  }
  return 0;
}
