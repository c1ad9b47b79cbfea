/* One spec on its way to an image: rendered, keyed, then found in the cache or compiled. */
#ifndef RUNTIME_BUILD_H
#define RUNTIME_BUILD_H

#include "generator/render.h"
#include "runtime/context.h"

struct build {
  fi_ctx *ctx;
  const fi_spec *spec; /* canonical */
  const struct target *target;
  struct source source;
  char spec_text[FI_SPEC_TEXT_SIZE];
  char options[COMPILE_OPTIONS_TEXT_SIZE];
  struct cache_key key;
  char key_hex[CACHE_KEY_DIGITS + 1];

  /* The result: an entry, and what its pointers point into. */
  struct cache_entry entry;
  struct cache_found found;
  struct compile_output output;
  uint32_t layer; /* FI_LAYER_READ_ONLY, FI_LAYER_USER or FI_LAYER_COMPILED */
  double compile_ms;
  bool stored; /* the entry is in a cache */

  /* The way through the cache. */
  const char *toolchain;        /* whose entries come first, see cache/store.h */
  uint32_t refused;             /* entries that the driver did not load */
  struct cache_reason refusals; /* their files, and why */
};

/* Renders the source and makes the key. build_end is due whatever the result. */
fi_status build_begin(struct build *build, fi_ctx *ctx, const fi_spec *canonical);

/* Looks through the layers of the cache. */
bool build_find(struct build *build);

/* Compiles and publishes, where the mode allows it, unless another process has done so by then. */
fi_status build_compile(struct build *build);

/* Goes on from an entry of the cache that the driver refused for `why`: to the next one there, and when none
 * is left to the compiler, where the mode allows it. */
fi_status build_next(struct build *build, const char *why);

void build_facts(const struct build *build, fi_facts *facts);

/* Reports an event about this kernel. */
void build_event(const struct build *build, fi_event event);

void build_end(struct build *build);

#endif
