/* The build pipeline between a spec and an image. */
#include "runtime/build.h"

#include "cache/image.h"
#include "generator/error.h"
#include "generator/tile_choice.h"
#include "runtime/clock.h"
#include "runtime/ptxas_log.h"

#include "flashjit_args.h"
#include "generator/spec.h"

#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------- begin, end */

/* The rendered text holds the argument records, so their layout is in the key too. */
static struct cache_key key_of(const struct build *build) {
  char version[16];
  snprintf(version, sizeof version, "%d", FLASHJIT_ARGS_VERSION);
  const struct {
    const char *name;
    const char *text;
  } items[] = {
      {"source", build->source.text},   {"options", build->options}, {"target", build->target->name},
      {"symbol", build->source.symbol}, {"arguments", version},
  };
  struct cache_key_builder builder;
  cache_key_begin(&builder);
  for (size_t i = 0; i < sizeof items / sizeof *items; i++)
    cache_key_add(&builder, items[i].name, items[i].text, strlen(items[i].text));
  return cache_key_end(&builder);
}

/* Renders the source of a choice in place of that at hand. FI_ERROR_UNSUPPORTED when there is no such choice, or an
 * edited source is not of this one. */
static fi_status choose(struct build *build, uint32_t choice) {
  struct source source;
  fi_status status = render_source(build->spec, build->target, choice, &source);
  if (!status && build->edited)
    status = edited_use(build->edited, &source);
  if (status) {
    source_free(&source);
    return status;
  }
  source_free(&build->source);
  build->source = source;
  build->choice = choice;
  return FI_OK;
}

/* The first choice that fits; with an edited source the first whose numbers it has. */
static fi_status choose_first(struct build *build) {
  enum { MOST_CHOICES = 256 };
  char why[ERROR_SIZE];
  fi_status status = choose(build, build->first_choice);
  if (!build->edited || status != FI_ERROR_UNSUPPORTED)
    return status;
  snprintf(why, sizeof why, "%s", fi_last_error());
  while (status == FI_ERROR_UNSUPPORTED && build->first_choice < MOST_CHOICES)
    status = choose(build, ++build->first_choice);
  return status == FI_ERROR_UNSUPPORTED ? error_set(status, "%s", why) : status;
}

fi_status build_begin(struct build *build, fi_ctx *ctx, const fi_spec *canonical, uint32_t shared) {
  *build = (struct build){.ctx = ctx, .spec = canonical};
  spec_print_kernel(canonical, build->spec_text, sizeof build->spec_text);
  fi_status status = context_target(ctx, &build->target);
  if (status)
    return status;
  build->shared = shared < build->target->shared_per_block ? shared : build->target->shared_per_block;
  status = tile_first(canonical, build->target, build->shared, &build->first_choice);
  if (edited_is_of(&ctx->edited, build->spec_text))
    build->edited = &ctx->edited;
  if (!status)
    status = choose_first(build);
  if (status)
    return status;
  compile_options_print(build->target, build->edited, build->options);
  build->key = key_of(build);
  cache_key_hex(&build->key, build->key_hex);
  return FI_OK;
}

void build_end(struct build *build) {
  cache_found_free(&build->found);
  compile_output_free(&build->output);
  source_free(&build->source);
}

void build_event(const struct build *build, fi_event event) {
  event.spec = build->spec_text;
  event.target = build->target ? build->target->name : NULL;
  event.key = build->key_hex;
  context_event(build->ctx, event);
}

/* -------------------------------------------------------------------------------- find */

void build_problem(const struct build *build, const char *text) {
  if (!text[0])
    return;
  atomic_fetch_add(&build->ctx->counters.cache_problems, 1);
  build_event(build, (fi_event){.kind = FI_EVENT_CACHE_PROBLEM, .message = text});
}

/* Where the mode allows compiling, entries of the compiler at hand come first. */
static const char *wanted_toolchain(fi_ctx *ctx) {
  struct compiler *compiler;
  if (!context_compiles(ctx) || context_compiler(ctx, context_first_compiler(ctx), &compiler))
    return NULL;
  return compiler->toolchain;
}

/* The tile of an entry is known by its number only while the number stands for the same source. One that was compiled
 * where a CTA has more shared memory may not fit. */
static bool adopt_choice(struct build *build) {
  const struct cache_entry *entry = &build->found.entry;
  if ((uint64_t)entry->facts.static_shared + entry->facts.dynamic_shared > build->shared)
    return false;
  if (entry->choice != build->choice && choose(build, entry->choice))
    return false;
  const struct cache_key variant = key_of(build);
  return cache_key_equal(&variant, &entry->variant);
}

static void take_found(struct build *build) {
  struct counters *counters = &build->ctx->counters;
  const struct {
    uint32_t layer;
    atomic_uint_least64_t *hits;
  } origins[] = {
      [CACHE_FROM_BUNDLE] = {FI_LAYER_BUNDLE, &counters->bundle_hits},
      [CACHE_FROM_READ_ONLY] = {FI_LAYER_READ_ONLY, &counters->read_only_hits},
      [CACHE_FROM_USER] = {FI_LAYER_USER, &counters->user_hits},
      [CACHE_FROM_HTTP] = {FI_LAYER_HTTP, &counters->http_hits},
  };
  build->entry = build->found.entry;
  build->stored = true;
  build->layer = origins[build->found.origin].layer;
  atomic_fetch_add(origins[build->found.origin].hits, 1);
}

/* From what the cache found on to the first whose tile is known. */
static bool first_usable(struct build *build, bool is_found) {
  struct cache_reason reason;
  while (is_found && !adopt_choice(build)) {
    is_found = cache_store_find_next(build->ctx->store, build->toolchain, &build->found, &reason);
    build_problem(build, reason.text);
  }
  if (is_found)
    take_found(build);
  return is_found;
}

bool build_find(struct build *build) {
  struct cache_reason reason;
  build->toolchain = wanted_toolchain(build->ctx);
  const bool is_found = cache_store_find(build->ctx->store, &build->key, build->toolchain, &build->found, &reason);
  build_problem(build, reason.text);
  return first_usable(build, is_found);
}

/* Of one entry that was looked for, and has no next. */
static bool is_usable(struct build *build, bool is_found) {
  if (!is_found)
    return false;
  if (adopt_choice(build)) {
    take_found(build);
    return true;
  }
  cache_found_free(&build->found);
  return false;
}

bool build_find_own(struct build *build, const struct compiler *compiler) {
  struct cache_reason reason;
  build->toolchain = compiler->toolchain;
  const bool is_found = cache_store_find_own(build->ctx->store, &build->key, build->toolchain, &build->found, &reason);
  build_problem(build, reason.text);
  return is_usable(build, is_found);
}

bool build_fetch(struct build *build, const struct compiler *compiler) {
  struct cache_reason reason;
  fi_ctx *ctx = build->ctx;
  if (!ctx->http || build->edited)
    return false;
  build->toolchain = compiler->toolchain;
  const bool is_found = cache_http_find(ctx->http, &build->key, build->toolchain, &build->found, &reason);
  build_problem(build, reason.text);
  if (!is_usable(build, is_found))
    return false;
  cache_store_publish(ctx->store, &build->entry, &reason);
  build_problem(build, reason.text);
  return true;
}

static void note_hopeless(struct build *build, const char *toolchain) {
  size_t i = 0;
  while (i < MOST_COMPILERS - 1 && build->hopeless[i][0])
    i++;
  snprintf(build->hopeless[i], sizeof build->hopeless[i], "%s", toolchain);
}

bool build_is_hopeless(const struct build *build, const struct compiler *compiler) {
  for (size_t i = 0; i < MOST_COMPILERS; i++) {
    if (strcmp(build->hopeless[i], compiler->toolchain) == 0)
      return true;
  }
  return false;
}

bool build_find_next(struct build *build, bool fresh) {
  const char *why = fi_last_error();
  char problem[1024];
  struct cache_reason reason;
  snprintf(problem, sizeof problem, "the driver refused %s: %s", build->found.path, why);
  cache_refuse(&build->refusals, "%s: %s", build->found.path, why);
  build->refused++;
  if (fresh)
    note_hopeless(build, build->entry.toolchain);
  build_problem(build, problem);
  const bool is_found = cache_store_find_next(build->ctx->store, build->toolchain, &build->found, &reason);
  build_problem(build, reason.text);
  return first_usable(build, is_found);
}

/* -------------------------------------------------------------------------------- publish */

void build_lock(const struct build *build, struct cache_lock *lock) {
  fi_ctx *ctx = build->ctx;
  struct cache_reason reason;
  cache_store_lock(ctx->store, &build->key, (uint32_t)ctx->options.lock_wait_ms, lock, &reason);
  build_problem(build, reason.text);
}

void build_unlock(const struct build *build, struct cache_lock *lock) {
  cache_store_unlock(build->ctx->store, lock);
}

void build_publish(struct build *build, uint32_t refused_by) {
  fi_ctx *ctx = build->ctx;
  struct cache_reason reason;
  build->entry.refused_by = refused_by;
  build->stored = cache_store_publish(ctx->store, &build->entry, &reason);
  if (!build->stored && reason.text[0]) {
    pthread_mutex_lock(&ctx->table_lock);
    ctx->not_kept = reason;
    pthread_mutex_unlock(&ctx->table_lock);
  }
  build_problem(build, reason.text);
}

void build_share(struct build *build) {
  fi_ctx *ctx = build->ctx;
  struct cache_reason reason;
  if (!ctx->http || build->layer != FI_LAYER_COMPILED || build->entry.refused_by || build->edited)
    return;
  if (cache_http_publish(ctx->http, &build->entry, &reason))
    build->stored = true;
  build_problem(build, reason.text);
}

/* -------------------------------------------------------------------------------- compile */

/* What stays of a choice that spills, if none does not. */
static void note_spill(struct build *build, const struct ptxas_facts *facts) {
  const uint32_t bytes = facts->spill_bytes + facts->stack_bytes;
  if (build->least_spilled && build->least_spilled <= bytes)
    return;
  build->least_spilling = build->choice;
  build->least_spilled = bytes;
}

/* A kernel that spills, has a stack, waits inside the matrix pipeline or is too large is not a slow kernel: its tile is
 * the wrong one. */
static fi_status check_resources(struct build *build, const struct ptxas_facts *facts, const char *log) {
  const uint64_t shared = (uint64_t)facts->static_shared + build->source.tile.shared_bytes;
  if (shared > build->shared)
    return error_set(FI_ERROR_COMPILE, "\"%s\" for %s needs %llu bytes of shared memory; a CTA has %u",
                     build->spec_text, build->target->name, (unsigned long long)shared, build->shared);
  if (facts->serialised)
    return error_set(FI_ERROR_COMPILE, "\"%s\" for %s has serialised wgmma instructions:\n%s", build->spec_text,
                     build->target->name, log);
  if (build->may_spill || (!facts->spill_bytes && !facts->stack_bytes))
    return FI_OK;
  note_spill(build, facts);
  return error_set(FI_ERROR_COMPILE, "\"%s\" for %s spills %u bytes and has a stack of %u bytes:\n%s", build->spec_text,
                   build->target->name, facts->spill_bytes, facts->stack_bytes, log);
}

/* Turns the compiler's output into an entry. */
static fi_status make_entry(struct build *build, const char *toolchain, bool *unfit) {
  const struct compile_output *output = &build->output;
  const struct tile *tile = &build->source.tile;
  const char *log = output->log ? output->log : "";
  struct ptxas_facts facts;
  struct cache_reason reason;
  ptxas_log_read(log, &facts);
  const fi_status status = check_resources(build, &facts, log);
  *unfit = status != FI_OK;
  if (status)
    return status;
  cache_reason_clear(&reason);
  if (!cache_image_check(output->image, output->image_size, build->target->name, build->source.symbol, &reason))
    return error_set(FI_ERROR_COMPILE, "the compiler made no kernel of \"%s\": %s", build->spec_text, reason.text);
  build->entry = (struct cache_entry){
      .key = build->key,
      .toolchain = toolchain,
      .target = build->target->name,
      .spec = build->spec_text,
      .options = build->options,
      .symbol = build->source.symbol,
      .log = log,
      .snippet = build->source.snippet,
      .image = output->image,
      .image_size = output->image_size,
      .facts = {.registers = facts.registers,
                .spill_bytes = facts.spill_bytes,
                .static_shared = facts.static_shared,
                .dynamic_shared = tile->shared_bytes,
                .threads = tile->threads,
                .min_blocks = tile->ctas_per_sm},
      .choice = build->choice,
      .variant = key_of(build),
      .created = (uint64_t)build->ctx->parts.io->wall_seconds(build->ctx->parts.io->context),
  };
  build->layer = FI_LAYER_COMPILED;
  return FI_OK;
}

static fi_status run_compiler(struct build *build, struct compiler *compiler, bool *unfit) {
  const struct compile_job job = {
      .source = build->source.text,
      .target = build->target,
      .deadline_ms = (uint32_t)build->ctx->options.deadline_ms,
      .line_info = build->edited,
  };
  struct counters *counters = &build->ctx->counters;
  *unfit = false;
  compile_output_free(&build->output);
  build_event(build, (fi_event){.kind = FI_EVENT_COMPILE_BEGIN, .layer = FI_LAYER_COMPILED, .choice = build->choice});
  const double begin = clock_ms();
  fi_status status = compiler->compile(compiler, &job, &build->output);
  if (!status)
    status = make_entry(build, compiler->toolchain, unfit);
  const double milliseconds = clock_ms() - begin;
  build->compile_ms += milliseconds;
  atomic_fetch_add(&counters->compiles, 1);
  atomic_fetch_add(&counters->compile_us, (uint64_t)(milliseconds * 1000));
  build_event(build, (fi_event){.kind = FI_EVENT_COMPILE_END,
                                .layer = FI_LAYER_COMPILED,
                                .status = status,
                                .milliseconds = milliseconds,
                                .choice = build->choice,
                                .message = status ? fi_last_error() : NULL});
  return status;
}

/* No cache has the kernel: said once a context, in the file that an operator may have named. */
static void note_miss(const struct build *build) {
  fi_ctx *ctx = build->ctx;
  struct cache_reason reason;
  if (!ctx->options.miss_log || !ctx->options.miss_log[0] || build->edited)
    return;
  pthread_mutex_lock(&ctx->table_lock);
  const bool is_new = miss_log_is_new(&ctx->misses, &build->key);
  pthread_mutex_unlock(&ctx->table_lock);
  if (!is_new)
    return;
  miss_log_write(ctx->parts.io, ctx->options.miss_log, build->spec_text, &reason);
  build_problem(build, reason.text);
}

/* Without a compiler, what the cache has is part of the reason. */
static fi_status fail_uncompiled(const struct build *build, fi_status status, const char *why) {
  const char *target = build->target->name;
  struct cache_reason folders;
  note_miss(build);
  if (!build->refused) {
    context_list_folders(build->ctx, &folders);
    return error_set(status, "%s, and no cache has \"%s\" for %s (key %s); searched: %s", why, build->spec_text, target,
                     build->key_hex, folders.text);
  }
  return error_set(status, "%s, and the driver refused every cached kernel of \"%s\" for %s, %u in all: %s", why,
                   build->spec_text, target, build->refused, build->refusals.text);
}

/* What the next compiler is. The first one's lack is that of the kernel. */
fi_status build_compiler(const struct build *build, uint32_t number, struct compiler **compiler) {
  if (!context_compiles(build->ctx))
    return fail_uncompiled(build, FI_ERROR_NOT_CACHED, "the mode forbids compiling");
  const fi_status status = context_compiler(build->ctx, number, compiler);
  return status ? fail_uncompiled(build, status, fi_last_error()) : FI_OK;
}

/* When all tiles fail, the last one says how. */
static fi_status next_choice(struct build *build, fi_status failure) {
  char why[ERROR_SIZE];
  snprintf(why, sizeof why, "%s", fi_last_error());
  const uint32_t tried = build->choice + 1 - build->first_choice;
  const fi_status status = choose(build, build->choice + 1);
  if (status != FI_ERROR_UNSUPPORTED)
    return status;
  if (tried == 1)
    return error_set(failure, "%s", why);
  return error_set(failure, "none of %u tiles will do; the last: %s", tried, why);
}

/* A kernel that spills a little is better than none. An edited source has no other tile, and who edits wants to know.
 */
static fi_status compile_spilling(struct build *build, struct compiler *compiler, fi_status failure) {
  bool unfit;
  if (failure != FI_ERROR_COMPILE || !build->least_spilled || build->edited)
    return failure;
  const fi_status status = choose(build, build->least_spilling);
  build->may_spill = true;
  return status ? status : run_compiler(build, compiler, &unfit);
}

fi_status build_compile(struct build *build, struct compiler *compiler) {
  bool unfit;
  fi_status status = build->choice != build->first_choice ? choose(build, build->first_choice) : FI_OK;
  if (status)
    return status;
  build->least_spilled = 0;
  build->may_spill = false;
  note_miss(build);
  status = run_compiler(build, compiler, &unfit);
  while (unfit) {
    const fi_status next = next_choice(build, status);
    if (next)
      return compile_spilling(build, compiler, next);
    status = run_compiler(build, compiler, &unfit);
  }
  return status;
}

/* -------------------------------------------------------------------------------- facts */

void build_identity(const struct build *build, fi_facts *facts) {
  *facts = (fi_facts){.struct_size = sizeof *facts, .source_lines = build->source.lines};
  snprintf(facts->target, sizeof facts->target, "%s", build->target->name);
  snprintf(facts->key, sizeof facts->key, "%s", build->key_hex);
}

void build_facts(const struct build *build, fi_facts *facts) {
  const struct cache_entry *entry = &build->entry;
  *facts = (fi_facts){
      .struct_size = sizeof *facts,
      .layer = build->layer,
      .registers = entry->facts.registers,
      .static_shared = entry->facts.static_shared,
      .dynamic_shared = entry->facts.dynamic_shared,
      .spill_bytes = entry->facts.spill_bytes,
      .threads = entry->facts.threads,
      .ctas_per_sm = entry->facts.min_blocks,
      .image_bytes = (uint32_t)entry->image_size,
      .source_lines = build->source.lines,
      .compile_ms = build->compile_ms,
      .choice = entry->choice,
  };
  snprintf(facts->target, sizeof facts->target, "%s", entry->target);
  snprintf(facts->key, sizeof facts->key, "%s", build->key_hex);
  snprintf(facts->toolchain, sizeof facts->toolchain, "%s", entry->toolchain);
}
