/* The build pipeline between a spec and an image. */
#include "runtime/build.h"

#include "cache/image.h"
#include "generator/error.h"
#include "runtime/clock.h"
#include "runtime/ptxas_log.h"

#include "flashjit_args.h"
#include "generator/spec.h"

#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------- begin, end */

/* The rendered text holds the argument records, so their layout is in the key too. */
static void make_key(struct build *build) {
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
  build->key = cache_key_end(&builder);
  cache_key_hex(&build->key, build->key_hex);
}

fi_status build_begin(struct build *build, fi_ctx *ctx, const fi_spec *canonical) {
  *build = (struct build){.ctx = ctx, .spec = canonical};
  spec_print(canonical, build->spec_text, sizeof build->spec_text);
  fi_status status = context_target(ctx, &build->target);
  if (status)
    return status;
  status = render_source(canonical, build->target, 0, &build->source);
  if (status)
    return status;
  compile_options_print(build->target, build->options);
  make_key(build);
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

/* -------------------------------------------------------------------------------- cache */

static void report_cache_problem(const struct build *build, const char *text) {
  if (!text[0])
    return;
  atomic_fetch_add(&build->ctx->counters.cache_problems, 1);
  build_event(build, (fi_event){.kind = FI_EVENT_CACHE_PROBLEM, .message = text});
}

/* Where the mode allows compiling, only an entry of the compiler at hand counts; with none at hand, any. */
static const char *wanted_toolchain(fi_ctx *ctx) {
  struct compiler *compiler;
  if (!context_compiles(ctx) || context_compiler(ctx, &compiler))
    return NULL;
  return compiler->toolchain;
}

static bool take_found(struct build *build, bool is_found, const struct cache_reason *reason) {
  fi_ctx *ctx = build->ctx;
  build->stored = is_found;
  build->entry = build->found.entry;
  report_cache_problem(build, reason->text);
  if (!is_found)
    return false;
  const bool read_only = build->found.layer < ctx->read_only_layers;
  build->layer = read_only ? FI_LAYER_READ_ONLY : FI_LAYER_USER;
  atomic_fetch_add(read_only ? &ctx->counters.read_only_hits : &ctx->counters.user_hits, 1);
  return true;
}

bool build_find(struct build *build) {
  struct cache_reason reason;
  build->toolchain = wanted_toolchain(build->ctx);
  const bool is_found = cache_store_find(build->ctx->store, &build->key, build->toolchain, &build->found, &reason);
  return take_found(build, is_found, &reason);
}

static bool find_next(struct build *build) {
  struct cache_reason reason;
  const bool is_found = cache_store_find_next(build->ctx->store, build->toolchain, &build->found, &reason);
  return take_found(build, is_found, &reason);
}

static void note_refusal(struct build *build, const char *why) {
  char problem[1024];
  snprintf(problem, sizeof problem, "the driver refused %s: %s", build->found.path, why);
  cache_refuse(&build->refusals, "%s: %s", build->found.path, why);
  build->refused++;
  report_cache_problem(build, problem);
}

static void publish(struct build *build) {
  fi_ctx *ctx = build->ctx;
  struct cache_reason reason;
  build->stored = cache_store_publish(ctx->store, &build->entry, &reason);
  if (!build->stored && reason.text[0]) {
    pthread_mutex_lock(&ctx->table_lock);
    ctx->not_kept = reason;
    pthread_mutex_unlock(&ctx->table_lock);
  }
  report_cache_problem(build, reason.text);
}

/* -------------------------------------------------------------------------------- compile */

/* A kernel that spills, has a stack or waits inside the matrix pipeline is a defect of its template, not a
 * slow kernel. */
static fi_status check_resources(const struct build *build, const struct ptxas_facts *facts, const char *log) {
  if (facts->spill_bytes || facts->stack_bytes)
    return error_set(FI_ERROR_COMPILE, "\"%s\" for %s spills %u bytes and has a stack of %u bytes:\n%s",
                     build->spec_text, build->target->name, facts->spill_bytes, facts->stack_bytes, log);
  const uint64_t shared = (uint64_t)facts->static_shared + build->source.tile.shared_bytes;
  if (shared > build->target->shared_per_block)
    return error_set(FI_ERROR_COMPILE, "\"%s\" for %s needs %llu bytes of shared memory; a CTA has %u",
                     build->spec_text, build->target->name, (unsigned long long)shared,
                     build->target->shared_per_block);
  if (facts->serialised)
    return error_set(FI_ERROR_COMPILE, "\"%s\" for %s has serialised wgmma instructions:\n%s", build->spec_text,
                     build->target->name, log);
  return FI_OK;
}

/* Turns the compiler's output into an entry. */
static fi_status make_entry(struct build *build, const char *toolchain) {
  const struct compile_output *output = &build->output;
  const struct tile *tile = &build->source.tile;
  const char *log = output->log ? output->log : "";
  struct ptxas_facts facts;
  struct cache_reason reason;
  ptxas_log_read(log, &facts);
  const fi_status status = check_resources(build, &facts, log);
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
      .image = output->image,
      .image_size = output->image_size,
      .facts = {.registers = facts.registers,
                .static_shared = facts.static_shared,
                .dynamic_shared = tile->shared_bytes,
                .threads = tile->threads,
                .min_blocks = tile->ctas_per_sm},
      .created = (uint64_t)build->ctx->parts.io->wall_seconds(build->ctx->parts.io->context),
  };
  build->layer = FI_LAYER_COMPILED;
  return FI_OK;
}

static fi_status run_compiler(struct build *build, struct compiler *compiler) {
  const struct compile_job job = {
      .source = build->source.text,
      .target = build->target,
      .deadline_ms = (uint32_t)build->ctx->options.deadline_ms,
  };
  struct counters *counters = &build->ctx->counters;
  build_event(build, (fi_event){.kind = FI_EVENT_COMPILE_BEGIN, .layer = FI_LAYER_COMPILED});
  const double begin = clock_ms();
  fi_status status = compiler->compile(compiler, &job, &build->output);
  if (!status)
    status = make_entry(build, compiler->toolchain);
  build->compile_ms = clock_ms() - begin;
  atomic_fetch_add(&counters->compiles, 1);
  atomic_fetch_add(&counters->compile_us, (uint64_t)(build->compile_ms * 1000));
  build_event(build, (fi_event){.kind = FI_EVENT_COMPILE_END,
                                .layer = FI_LAYER_COMPILED,
                                .status = status,
                                .milliseconds = build->compile_ms,
                                .message = status ? fi_last_error() : NULL});
  return status;
}

/* Without a compiler, what the cache has is part of the reason. */
static fi_status fail_uncompiled(const struct build *build, fi_status status, const char *why) {
  const char *target = build->target->name;
  struct cache_reason folders;
  if (!build->refused) {
    context_list_folders(build->ctx, &folders);
    return error_set(status, "%s, and no cache has \"%s\" for %s (key %s); searched: %s", why, build->spec_text, target,
                     build->key_hex, folders.text);
  }
  return error_set(status, "%s, and the driver refused every cached kernel of \"%s\" for %s, %u in all: %s", why,
                   build->spec_text, target, build->refused, build->refusals.text);
}

static fi_status find_compiler(const struct build *build, struct compiler **compiler) {
  if (!context_compiles(build->ctx))
    return fail_uncompiled(build, FI_ERROR_NOT_CACHED, "the mode forbids compiling");
  const fi_status status = context_compiler(build->ctx, compiler);
  return status ? fail_uncompiled(build, status, fi_last_error()) : FI_OK;
}

static fi_status compile_and_publish(struct build *build, struct compiler *compiler) {
  const fi_status status = run_compiler(build, compiler);
  if (!status)
    publish(build);
  return status;
}

fi_status build_compile(struct build *build) {
  fi_ctx *ctx = build->ctx;
  struct compiler *compiler;
  struct cache_reason reason;
  struct cache_lock lock;
  fi_status status = find_compiler(build, &compiler);
  if (status)
    return status;
  cache_store_lock(ctx->store, &build->key, (uint32_t)ctx->options.lock_wait_ms, &lock, &reason);
  report_cache_problem(build, reason.text);
  if (!build_find(build)) /* another process may have had the lock */
    status = compile_and_publish(build, compiler);
  cache_store_unlock(ctx->store, &lock);
  return status;
}

fi_status build_next(struct build *build, const char *why) {
  struct compiler *compiler;
  note_refusal(build, why);
  if (find_next(build))
    return FI_OK;
  const fi_status status = find_compiler(build, &compiler);
  return status ? status : compile_and_publish(build, compiler);
}

/* -------------------------------------------------------------------------------- facts */

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
  };
  snprintf(facts->target, sizeof facts->target, "%s", entry->target);
  snprintf(facts->key, sizeof facts->key, "%s", build->key_hex);
  snprintf(facts->toolchain, sizeof facts->toolchain, "%s", entry->toolchain);
}
