/* A file system that fails on demand, for the store to run on. */
#ifndef FLASHJIT_TESTS_CACHE_FAULT_H
#define FLASHJIT_TESTS_CACHE_FAULT_H

#include "cache/io.h"

/* Bits, so that a set of operations can be chosen. */
enum {
  FAULT_OPEN = 1 << 0,
  FAULT_READ = 1 << 1,
  FAULT_WRITE = 1 << 2,
  FAULT_SYNC = 1 << 3,
  FAULT_CLOSE = 1 << 4,
  FAULT_STATUS = 1 << 5,
  FAULT_STATUS_AT = 1 << 6,
  FAULT_RENAME = 1 << 7,
  FAULT_UNLINK = 1 << 8,
  FAULT_MAKE_DIRECTORY = 1 << 9,
  FAULT_TOUCH = 1 << 10,
  FAULT_LIST = 1 << 11,
  FAULT_LOCK = 1 << 12,
  FAULT_ALL = (1 << 13) - 1
};

struct fault {
  unsigned operations; /* which ones count and fail */
  unsigned fail_at;    /* the call that fails, counted from 1; 0 for none */
  bool lasting;        /* and all calls after it */
  bool late;           /* a rename or a deletion that fails has happened all the same */
  int error;           /* errno of the failure */
  size_t chunk;        /* most bytes a read or write moves; 0 for no limit */
  bool kill_at_rename; /* the process dies where it would rename */
  unsigned kill_at;    /* the process dies instead of this call; 0 for none */
  bool fake_owner;     /* everything belongs to `owner` */
  uid_t owner;
  bool fake_clock; /* only pauses make time pass */
  uint64_t clock_ms;

  unsigned calls; /* of `operations`, so far */
  int open_files; /* opened and not closed */
};

/* The table that behaves as `state` says. For one thread. */
struct cache_io fault_io(struct fault *state);

#endif
