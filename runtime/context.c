/* Making and reading contexts. */
#include "runtime/context.h"

#include "cache/ed25519.h"

#include "generator/abi.h"
#include "generator/error.h"
#include "generator/spec.h"
#include "runtime/fork.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct parts usual_parts = {
    .open_compiler = nvrtc_open,
    .open_driver = driver_open,
    .io = &cache_io_posix,
};

uint32_t fi_library_version(void) {
  return FLASHJIT_VERSION_MAJOR * 1000000 + FLASHJIT_VERSION_MINOR * 1000 + FLASHJIT_VERSION_PATCH;
}

/* -------------------------------------------------------------------------------- create, destroy */

static const char *why_no_directory(const struct options *options) {
  return options->cache_dir ? "the cache directory (FLASHJIT_CACHE_DIR) is given as \"\", none"
                            : "none of FLASHJIT_CACHE_DIR, XDG_CACHE_HOME and HOME tells a cache directory";
}

static void tell_problem(fi_ctx *ctx, const char *text) {
  atomic_fetch_add(&ctx->counters.cache_problems, 1);
  context_event(ctx, (fi_event){.kind = FI_EVENT_CACHE_PROBLEM,
                                .unkept = !cache_store_has_user_directory(ctx->store),
                                .message = text});
}

static fi_status open_store(fi_ctx *ctx) {
  const struct options *options = &ctx->options;
  char *user = options_cache_directory(options);
  struct cache_signer signer = {.check = cache_ed25519_check};
  if (options->bundle_key)
    cache_signer_parse(options->bundle_key, signer.key);
  const struct cache_config config = {
      .bundles = options->bundles,
      .bundle = options->bundle,
      .bundle_size = options->bundle_bytes,
      .signer = options->bundle_key ? &signer : NULL,
      .read_only = options->read_only_dirs,
      .user = user,
      .lock_directory = options->lock_dir,
      .budget = options->cache_bytes,
      .sync = options->cache_sync != 0,
      .shared = options->cache_shared != 0,
  };
  struct cache_reason problem;
  ctx->store = cache_store_open(&config, ctx->parts.io, &problem);
  ctx->not_kept = problem;
  if (!user)
    cache_refuse(&ctx->not_kept, "%s", why_no_directory(options));
  if (!user && !options->cache_dir)
    problem = ctx->not_kept; /* nobody asked for none */
  free(user);
  if (!ctx->store)
    return error_set(FI_ERROR_MEMORY, "no memory for the cache");
  if (problem.text[0])
    tell_problem(ctx, problem.text);
  return FI_OK;
}

/* Nobody signs what such a server has, so a context that asks for signatures does not use it. */
static fi_status open_http(fi_ctx *ctx) {
  const struct options *options = &ctx->options;
  if (!options->http_url || !options->http_url[0])
    return FI_OK;
  if (options->bundle_key) {
    tell_problem(ctx, "http_url is not used, as bundle_key asks for signatures and entries on a server have none");
    return FI_OK;
  }
  const struct cache_http_config config = options_http(options);
  ctx->http = cache_http_open(&config, ctx->parts.io);
  return ctx->http ? FI_OK : error_set(FI_ERROR_MEMORY, "no memory for the cache");
}

void context_list_folders(const fi_ctx *ctx, struct cache_reason *folders) {
  const struct options *options = &ctx->options;
  char *user = options_cache_directory(options);
  cache_reason_clear(folders);
  if (options->bundle)
    cache_refuse(folders, "the bundle in memory");
  if (options->bundles && options->bundles[0])
    cache_refuse(folders, "%s", options->bundles);
  if (options->read_only_dirs && options->read_only_dirs[0])
    cache_refuse(folders, "%s", options->read_only_dirs);
  if (user)
    cache_refuse(folders, "%s", user);
  if (!folders->text[0])
    cache_refuse(folders, "none, as %s", why_no_directory(options));
  free(user);
}

void context_free(fi_ctx *ctx) {
  struct driver *driver = atomic_load(&ctx->driver);
  for (uint32_t i = 0; i < MOST_COMPILERS; i++) {
    struct compiler *compiler = atomic_load(&ctx->compilers[i]);
    if (compiler)
      compiler->close(compiler);
  }
  if (driver)
    driver->close(driver);
  table_free(&ctx->table);
  miss_log_free(&ctx->misses);
  edited_free(&ctx->edited);
  cache_store_close(ctx->store);
  cache_http_close(ctx->http);
  options_free(&ctx->options);
  pthread_mutex_destroy(&ctx->open_lock);
  pthread_mutex_destroy(&ctx->table_lock);
  pthread_cond_destroy(&ctx->settled);
  free(ctx);
}

/* A key that is none would refuse every bundle. */
static fi_status check_bundle_key(const fi_ctx *ctx) {
  unsigned char key[CACHE_SIGNER_SIZE];
  const char *text = ctx->options.bundle_key;
  if (!text || cache_signer_parse(text, key))
    return FI_OK;
  return error_set(FI_ERROR_ARGUMENT,
                   "options.bundle_key (FLASHJIT_BUNDLE_KEY) is \"%s\"; it must be an Ed25519 public key "
                   "of %d hex digits",
                   text, 2 * CACHE_SIGNER_SIZE);
}

static fi_status check_http(const fi_ctx *ctx) {
  struct cache_reason why = {""};
  const char *url = ctx->options.http_url;
  const char *token = ctx->options.http_token;
  if (!url || !url[0])
    return FI_OK;
  if (!cache_http_url_check(url, &why))
    return error_set(FI_ERROR_ARGUMENT, "options.http_url (FLASHJIT_HTTP_URL) is not allowed: %s", why.text);
  if (token && !cache_http_token_check(token, &why))
    return error_set(FI_ERROR_ARGUMENT, "FLASHJIT_HTTP_TOKEN is not allowed: %s", why.text);
  return FI_OK;
}

/* A target that was given must exist; that is known without a device. */
static fi_status check_target(fi_ctx *ctx) {
  const struct target *target;
  if (!ctx->options.target || !ctx->options.target[0])
    return FI_OK;
  const fi_status status = spec_find_target(ctx->options.target, &target);
  if (!status)
    atomic_store(&ctx->target, target);
  return status;
}

fi_status context_create(const fi_options *options, const struct parts *parts, fi_ctx **out) {
  fi_status status = options ? abi_check(ABI_options, options) : FI_OK;
  if (status)
    return status;
  if (!out)
    return error_set(FI_ERROR_ARGUMENT, "ctx is NULL");
  *out = NULL;
  fi_ctx *ctx = calloc(1, sizeof *ctx);
  if (!ctx || !fork_watch()) {
    free(ctx);
    return error_set(FI_ERROR_MEMORY, "no memory for a context");
  }
  ctx->parts = *parts;
  ctx->generation = fork_generation();
  pthread_mutex_init(&ctx->open_lock, NULL);
  pthread_mutex_init(&ctx->table_lock, NULL);
  pthread_cond_init(&ctx->settled, NULL);
  status = options_read(options, &ctx->options);
  atomic_store(&ctx->mode, (uint32_t)ctx->options.mode);
  if (!status)
    status = check_bundle_key(ctx);
  if (!status)
    status = check_target(ctx);
  if (!status)
    status = check_http(ctx);
  if (!status)
    status = edited_read(parts->io, ctx->options.source, &ctx->edited);
  if (!status)
    status = open_store(ctx);
  if (!status)
    status = open_http(ctx);
  if (status) {
    context_free(ctx);
    return status;
  }
  *out = ctx;
  return FI_OK;
}

fi_status fi_ctx_create(const fi_options *options, fi_ctx **ctx) {
  return context_create(options, &usual_parts, ctx);
}

fi_status context_check(const fi_ctx *ctx) {
  if (!ctx)
    return error_set(FI_ERROR_ARGUMENT, "ctx is NULL");
  if (ctx->generation != fork_generation())
    return error_set(FI_ERROR_FORKED, "the context was made before fork(); a child makes its own");
  return FI_OK;
}

/* -------------------------------------------------------------------------------- mode */

bool context_compiles(const fi_ctx *ctx) {
  return atomic_load(&ctx->mode) == FI_MODE_ON;
}

fi_status fi_ctx_set_mode(fi_ctx *ctx, uint32_t mode) {
  const fi_status status = context_check(ctx);
  if (status)
    return status;
  if (mode < FI_MODE_ON || mode > FI_MODE_MEMORY_ONLY)
    return error_set(FI_ERROR_ARGUMENT, "mode is %u; it must be FI_MODE_ON, _LOAD_ONLY or _MEMORY_ONLY (%d to %d)",
                     mode, FI_MODE_ON, FI_MODE_MEMORY_ONLY);
  atomic_store(&ctx->mode, mode);
  return FI_OK;
}

/* -------------------------------------------------------------------------------- parts */

/* Under open_lock: opens compilers up to this number. */
static fi_status open_compilers(fi_ctx *ctx, uint32_t number) {
  fi_status status = FI_OK;
  for (uint32_t i = 0; i <= number && !status; i++) {
    struct compiler *compiler = atomic_load(&ctx->compilers[i]);
    if (compiler)
      continue;
    status = ctx->parts.open_compiler(ctx->options.nvrtc, &ctx->next_compiler, &compiler);
    if (!status)
      atomic_store_explicit(&ctx->compilers[i], compiler, memory_order_release);
  }
  return status;
}

fi_status context_compiler(fi_ctx *ctx, uint32_t number, struct compiler **compiler) {
  if (number >= MOST_COMPILERS)
    return error_set(FI_ERROR_NO_COMPILER, "there are no more than %d compilers", MOST_COMPILERS);
  *compiler = atomic_load_explicit(&ctx->compilers[number], memory_order_acquire);
  if (*compiler)
    return FI_OK;
  pthread_mutex_lock(&ctx->open_lock);
  const fi_status status = open_compilers(ctx, number);
  pthread_mutex_unlock(&ctx->open_lock);
  *compiler = atomic_load(&ctx->compilers[number]);
  return status;
}

uint32_t context_first_compiler(const fi_ctx *ctx) {
  return atomic_load(&ctx->first_compiler);
}

void context_prefer_compiler(fi_ctx *ctx, uint32_t number) {
  uint_least32_t first = atomic_load(&ctx->first_compiler);
  while (first < number && !atomic_compare_exchange_weak(&ctx->first_compiler, &first, number))
    ;
}

fi_status context_driver(fi_ctx *ctx, struct driver **driver) {
  *driver = atomic_load_explicit(&ctx->driver, memory_order_acquire);
  if (*driver)
    return FI_OK;
  pthread_mutex_lock(&ctx->open_lock);
  fi_status status = FI_OK;
  *driver = atomic_load(&ctx->driver);
  if (!*driver)
    status = ctx->parts.open_driver(ctx->options.driver, driver);
  if (!status)
    atomic_store_explicit(&ctx->driver, *driver, memory_order_release);
  pthread_mutex_unlock(&ctx->open_lock);
  return status;
}

/* Of the current device, or of the first one in a thread without a CUDA context. */
static fi_status device_target(struct driver *driver, const struct target **target) {
  struct device device;
  int ordinal = 0;
  if (driver->current_device(driver, &ordinal))
    ordinal = 0;
  const fi_status status = driver->describe_device(driver, ordinal, &device);
  if (status)
    return status;
  *target = target_of_device(device.major, device.minor, driver->simulated);
  if (!*target)
    return error_set(FI_ERROR_UNSUPPORTED, "device %d has compute capability %u.%u, for which there are no kernels",
                     ordinal, device.major, device.minor);
  return FI_OK;
}

fi_status context_target(fi_ctx *ctx, const struct target **target) {
  struct driver *driver;
  const struct target *none = NULL;
  *target = atomic_load_explicit(&ctx->target, memory_order_acquire);
  if (*target)
    return FI_OK;
  fi_status status = context_driver(ctx, &driver);
  if (status)
    return error_set(status, "no target is given, and no device tells one: %s", fi_last_error());
  status = device_target(driver, target);
  if (!status && !atomic_compare_exchange_strong(&ctx->target, &none, *target))
    *target = none; /* another thread was first; its device decides */
  return status;
}

/* -------------------------------------------------------------------------------- reports */

/* The callback may call functions that fail: the thread's error text is set aside, and it may be the message.
 */
void context_event(const fi_ctx *ctx, fi_event event) {
  char last_error[ERROR_SIZE];
  const char **texts[] = {&event.spec, &event.target, &event.key, &event.message};
  if (!ctx->options.on_event)
    return;
  event.struct_size = sizeof event;
  snprintf(last_error, sizeof last_error, "%s", fi_last_error());
  if (event.message == fi_last_error())
    event.message = last_error;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (!*texts[i])
      *texts[i] = "";
  }
  ctx->options.on_event(ctx->options.user, &event);
  error_set(event.status, "%s", last_error);
}

fi_status fi_counters_read(const fi_ctx *ctx, fi_counters *counters) {
  fi_status status = context_check(ctx);
  if (!status)
    status = abi_check(ABI_counters, counters);
  if (status)
    return status;
  *counters = (fi_counters){
      .struct_size = sizeof *counters,
      .kernels = (uint32_t)atomic_load(&ctx->counters.kernels),
      .memory_hits = atomic_load(&ctx->counters.memory_hits),
      .read_only_hits = atomic_load(&ctx->counters.read_only_hits),
      .user_hits = atomic_load(&ctx->counters.user_hits),
      .compiles = atomic_load(&ctx->counters.compiles),
      .failures = atomic_load(&ctx->counters.failures),
      .cache_problems = atomic_load(&ctx->counters.cache_problems),
      .bundle_hits = atomic_load(&ctx->counters.bundle_hits),
      .http_hits = atomic_load(&ctx->counters.http_hits),
      .compile_ms = (double)atomic_load(&ctx->counters.compile_us) / 1000,
  };
  return FI_OK;
}
