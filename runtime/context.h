/* A context: options, cache, compiler, driver and the kernels made so far. */
#ifndef RUNTIME_CONTEXT_H
#define RUNTIME_CONTEXT_H

#include "cache/http.h"
#include "generator/target.h"
#include "runtime/compiler.h"
#include "runtime/driver.h"
#include "runtime/edited.h"
#include "runtime/miss_log.h"
#include "runtime/options.h"
#include "runtime/table.h"

#include <pthread.h>

enum { MOST_COMPILERS = 4 };

/* Where a context gets its parts from; tests bring their own. */
struct parts {
  fi_status (*open_compiler)(const char *path, uint32_t *next, struct compiler **compiler);
  fi_status (*open_driver)(const char *path, struct driver **driver);
  const struct cache_io *io;
};

/* Counts of fi_counters, in its order. */
struct counters {
  atomic_uint_least64_t kernels;
  atomic_uint_least64_t memory_hits;
  atomic_uint_least64_t read_only_hits;
  atomic_uint_least64_t user_hits;
  atomic_uint_least64_t compiles;
  atomic_uint_least64_t failures;
  atomic_uint_least64_t cache_problems;
  atomic_uint_least64_t compile_us;
  atomic_uint_least64_t bundle_hits;
  atomic_uint_least64_t http_hits;
};

struct fi_ctx {
  struct options options;
  atomic_uint_least32_t mode; /* begins as options.mode */
  struct parts parts;
  uint32_t generation; /* of the process that made it, see fork.h */
  struct cache_store *store;
  struct cache_http *http; /* NULL: none */
  struct edited edited;

  /* Opened at first use, under open_lock; never changed afterwards. */
  pthread_mutex_t open_lock;
  _Atomic(struct compiler *) compilers[MOST_COMPILERS]; /* newest first */
  uint32_t next_compiler;                               /* where open_compiler goes on */
  atomic_uint_least32_t first_compiler;                 /* those before it make what the driver refuses */
  _Atomic(struct driver *) driver;
  _Atomic(const struct target *) target;

  /* Additions to the table, the states of its kernels, misses and not_kept. */
  pthread_mutex_t table_lock;
  pthread_cond_t settled;
  struct table table;
  struct miss_log misses;
  struct cache_reason not_kept; /* why nothing can be written to the cache, or the last failure to do so */

  struct counters counters;
};

/* fi_ctx_create with other parts. */
fi_status context_create(const fi_options *options, const struct parts *parts, fi_ctx **ctx);

/* Frees a context without kernels. */
void context_free(fi_ctx *ctx);

/* Whether the mode allows compiling now. */
bool context_compiles(const fi_ctx *ctx);

/* FI_ERROR_ARGUMENT for NULL, FI_ERROR_FORKED in a child of the process that made the context. */
fi_status context_check(const fi_ctx *ctx);

/* Each opens its part at first use and returns it again later. Compiler 1 is what to try when the driver refuses what
 * compiler 0 makes, and so on; FI_ERROR_NO_COMPILER when there is none of this number. */
fi_status context_compiler(fi_ctx *ctx, uint32_t number, struct compiler **compiler);
fi_status context_driver(fi_ctx *ctx, struct driver **driver);

/* The compiler to begin with: the first, until one after it has made what the driver loads and it has not. */
uint32_t context_first_compiler(const fi_ctx *ctx);
void context_prefer_compiler(fi_ctx *ctx, uint32_t number);

/* The target of every kernel of the context: the option, else that of the current device. */
fi_status context_target(fi_ctx *ctx, const struct target **target);

/* The folders of the cache in the order of the search, or why there is none. */
void context_list_folders(const fi_ctx *ctx, struct cache_reason *folders);

/* Tells the callback, if there is one. struct_size is filled in, and NULL strings become "". */
void context_event(const fi_ctx *ctx, fi_event event);

#endif
