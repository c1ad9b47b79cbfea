/* One spec on its way to an image: rendered, keyed, then found in the cache or compiled and published. */
#ifndef RUNTIME_BUILD_H
#define RUNTIME_BUILD_H

#include "cache/paths.h"
#include "generator/render.h"
#include "runtime/context.h"

struct build {
  struct fi_ctx *ctx;
  const fi_spec *spec; /* canonical */
  const struct target *target;
  uint32_t shared; /* bytes of shared memory that a CTA has: the target's, or those of a device that has less */
  char spec_text[FI_SPEC_TEXT_SIZE];
  const struct edited *edited; /* that stands for the spec's source; NULL: none */
  char options[COMPILE_OPTIONS_TEXT_SIZE];

  /* The source of the entry below: that of the first choice, of those that fit the shared memory, until another is
   * compiled or found. The key is always that of the first choice's. */
  struct source source;
  uint32_t first_choice; /* see tile_first */
  uint32_t choice;       /* see tile_plan */
  struct cache_key key;
  char key_hex[CACHE_KEY_DIGITS + 1];

  /* Of the choices that do nothing wrong but spill, that of the fewest bytes. */
  uint32_t least_spilling;
  uint32_t least_spilled; /* bytes; 0: there is none */
  bool may_spill;

  /* The result: an entry, and what its pointers point into. */
  struct cache_entry entry;
  struct cache_found found;
  struct compile_output output;
  uint32_t layer; /* FI_LAYER_BUNDLE, _READ_ONLY, _USER, _HTTP or _COMPILED */
  double compile_ms;
  bool stored; /* the entry is in a cache */

  /* What the driver did not load. */
  const char *toolchain; /* whose entries come first, see cache/store.h; NULL: there is no compiler */
  uint32_t refused;
  struct cache_reason refusals;                           /* their files, and why */
  char hopeless[MOST_COMPILERS][CACHE_TOOLCHAIN_MAX + 1]; /* compilers whose fresh image it was; "" at the end */
};

/* Renders the source and makes the key. `shared` is that of the device, or more than the target has; build_end is due
 * whatever the result. */
fi_status build_begin(struct build *build, fi_ctx *ctx, const fi_spec *canonical, uint32_t shared);
void build_end(struct build *build);

/* The first entry of the cache that could be the kernel's image, and the next one after the driver refused that for the
 * thread's last error. `fresh` tells that it would have loaded none when the entry was made. */
bool build_find(struct build *build);
bool build_find_next(struct build *build, bool fresh);

/* Likewise, of one compiler alone. */
bool build_find_own(struct build *build, const struct compiler *compiler);

/* The entry that the server has of the compiler, which is kept in the user's directory, too. */
bool build_fetch(struct build *build, const struct compiler *compiler);

/* The compiler that is asked next: FI_OK, or what its lack means for the kernel. *number counts the compilers. */
fi_status build_compiler(const struct build *build, uint32_t number, struct compiler **compiler);
bool build_is_hopeless(const struct build *build, const struct compiler *compiler);

/* Compiles, choice after choice, until a tile neither spills nor is too large; where all spill, one may. */
fi_status build_compile(struct build *build, struct compiler *compiler);

/* Keeps what was compiled. refused_by is the version of the driver that did not load it, 0 for none. */
void build_publish(struct build *build, uint32_t refused_by);

/* Gives what was compiled, and what no driver has refused, to the server, which may take until the time-out. */
void build_share(struct build *build);

/* While the key is locked no other process compiles it. */
void build_lock(const struct build *build, struct cache_lock *lock);
void build_unlock(const struct build *build, struct cache_lock *lock);

void build_facts(const struct build *build, fi_facts *facts);

/* Those that are known before there is an entry: target, key and source. */
void build_identity(const struct build *build, fi_facts *facts);

/* Reports an event about this kernel; a problem of the cache or with an image, unless its text is empty. */
void build_event(const struct build *build, fi_event event);
void build_problem(const struct build *build, const char *text);

#endif
