/*
 * A compiler and a driver that only note what they are asked, for tests of everything between the public
 * functions and them. One set of fakes a process; fakes_reset starts over.
 */
#ifndef TESTS_RUNTIME_FAKES_H
#define TESTS_RUNTIME_FAKES_H

#include "flashjit_args.h"
#include "runtime/context.h"

#include <stdatomic.h>

enum { FAKES_LOG_SIZE = 4096, FAKES_ARGS_SIZE = 4096, FAKES_MAPS = 8, FAKES_LAUNCHES = 8 };

struct fakes {
  char log[FAKES_LOG_SIZE]; /* words, in the order of the calls */

  /* What the compiler does. */
  bool no_compiler;
  fi_status compile_status;
  fi_status plan_status; /* of compiles of plan kernels */
  const char *compile_log;
  bool no_kernel;           /* an image without the kernel */
  const char *toolchain;    /* at most 31 bytes */
  char mark;                /* put into the image */
  uint32_t older_compilers; /* after that one; their marks are '2', '3', ..., and their toolchains nv0.2, nv0.3, ... */
  bool no_builtins;         /* the first compiler lacks a part, as its first compile shows */
  uint32_t spills;          /* so many compiles of kernels other than plan spill, the next ones do not */
  uint32_t spilled;         /* so many have */
  uint32_t fewest;          /* the source of that one, counted from 1, spills 4 bytes, others 12 */
  uint64_t fewest_source;   /* its hash */
  const char *spill_log;    /* what they are told instead */
  uint32_t compile_ms;
  atomic_uint compiles;
  atomic_uint compiling;      /* now, */
  atomic_uint most_compiling; /* and the most at a time */

  /* What the driver does. */
  bool no_driver;
  uint32_t version; /* of CUDA */
  int device;
  uint32_t major; /* compute capability */
  uint32_t minor;
  uint32_t shared_per_block;
  uint32_t occupancy;
  bool no_context;
  bool needs_context; /* current_device fails in threads in which set_context was not called */
  bool capturing;
  const char *rejected; /* the marks of images that it does not load; NULL: none */
  char marks[32];       /* of the images that it was given, in order */
  atomic_uint loads;
  atomic_uint unloads;
  atomic_uint prepares;
  atomic_uint unprepared; /* launches on a device where the kernel was not prepared */
  struct shape prepared;  /* the last one */

  /* Tensors that maps were asked of, and how the driver answers. The map of the first is all 1, and so on. */
  uint32_t maps;
  struct tensor mapped[FAKES_MAPS];
  fi_status map_status;

  /* The last launch. */
  uint32_t launches;
  struct launch launch;
  const char *symbol; /* of its kernel */
  unsigned char args[FAKES_ARGS_SIZE];

  /* CTAs of the first launches, and what all kernels of attention are given. */
  uint32_t ctas[FAKES_LAUNCHES];
  struct fi_attention_args attention[FAKES_LAUNCHES];
};

extern struct fakes fakes;
extern const struct parts fake_parts;

enum { FAKE_SMS = 132 };

void fakes_reset(void);

/* An empty directory in the system's folder for temporary files, removed by remove_directory. */
char *make_directory(void);
void remove_directory(char *path);

/* A context on the fakes; NULL directory: no cache. Fails the test when there is none. */
fi_ctx *make_context(const char *directory);

/* One with options; struct_size is filled in, and without a cache_dir there is no cache. */
fi_ctx *make_context_with(fi_options options);

/* Makes a CUDA context current in this thread, for needs_context. */
void fake_context(void *context);

/* The device of this thread comes so many after fakes.device. */
void fake_device(int number);

fi_counters counters_of(const fi_ctx *ctx);

/* The spec of a text, and its kernel. Fail the test when there is none. */
fi_spec spec_of(const char *text);
fi_kernel *kernel_of(fi_ctx *ctx, const char *text);

/* The status of the kernel of a text; the test fails when status and handle contradict each other. */
fi_status get(fi_ctx *ctx, const char *text);

/* An address that is never read. */
void *address(uintptr_t value);

#endif
