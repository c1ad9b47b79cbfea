/* The fake compiler and the fake driver. */
#include "fakes.h"

#include "cache/hash.h"
#include "flashjit_args.h"
#include "generator/error.h"
#include "runtime/kernel.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct fakes fakes;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *word, const char *what) {
  pthread_mutex_lock(&log_lock);
  const size_t used = strlen(fakes.log);
  snprintf(fakes.log + used, sizeof fakes.log - used, "%s%s%s%s", used ? " " : "", word, what ? ":" : "",
           what ? what : "");
  pthread_mutex_unlock(&log_lock);
}

void fakes_reset(void) {
  memset(&fakes, 0, sizeof fakes);
  fakes.major = 9;
  fakes.shared_per_block = 227 << 10;
  fakes.occupancy = 8;
  fakes.toolchain = "nv1.0-00000001";
  fakes.mark = '-';
  fakes.version = 13000;
}

/* -------------------------------------------------------------------------------- compiler */

static const char *symbol_in(const char *source) {
  static const char *const symbols[] = {"flashjit_attention", "flashjit_append", "flashjit_merge", "flashjit_plan",
                                        "flashjit_indexer"};
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
    const char *at = strstr(source, symbols[i]);
    if (at && at[strlen(symbols[i])] == '(')
      return symbols[i];
  }
  return "unknown";
}

struct fake_compiler {
  struct compiler base;
  char mark;
};

static bool takes_spill(const char *symbol) {
  if (strcmp(symbol, "flashjit_plan") == 0 || fakes.spills == 0)
    return false;
  fakes.spills--;
  fakes.spilled++;
  return true;
}

static const char *spill_log(const char *source) {
  const uint64_t hash = XXH3_64bits(source, strlen(source));
  if (fakes.spill_log)
    return fakes.spill_log;
  if (fakes.spilled == fakes.fewest)
    fakes.fewest_source = hash;
  return hash == fakes.fewest_source ? "ptxas . 0 bytes stack frame, 4 bytes spill stores, 0 bytes spill loads\n"
                                     : "ptxas . 0 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads\n";
}

static fi_status no_memory(void) {
  return error_set(FI_ERROR_MEMORY, "no memory for a fake");
}

static fi_status compile(struct compiler *self, const struct compile_job *job, struct compile_output *output) {
  const char *symbol = symbol_in(job->source);
  const char mark = ((const struct fake_compiler *)self)->mark;
  char image[128];
  *output = (struct compile_output){0};
  note("compile", strchr(symbol, '_') + 1);
  const unsigned compiling = atomic_fetch_add(&fakes.compiling, 1) + 1;
  if (compiling > fakes.most_compiling)
    fakes.most_compiling = compiling;
  if (fakes.compile_ms) {
    const struct timespec time = {.tv_nsec = (long)fakes.compile_ms * 1000000};
    nanosleep(&time, NULL);
  }
  atomic_fetch_add(&fakes.compiles, 1);
  atomic_fetch_sub(&fakes.compiling, 1);
  if (fakes.compile_log)
    output->log = strdup(fakes.compile_log);
  else if (takes_spill(symbol))
    output->log = strdup(spill_log(job->source));
  if (fakes.no_builtins && mark == fakes.mark)
    return error_set(FI_ERROR_NO_COMPILER, "the fake compiler lacks its builtins");
  if (fakes.compile_status)
    return error_set(fakes.compile_status, "the fake compiler fails");
  if (fakes.plan_status && strcmp(symbol, "flashjit_plan") == 0)
    return error_set(fakes.plan_status, "the fake compiler fails of plan kernels");
  output->image_size = 1 + (size_t)snprintf(image, sizeof image, "%c\n.target sm_%s\n.visible .entry %s(\n", mark,
                                            strchr(job->target->name, '_') + 1, fakes.no_kernel ? "other" : symbol);
  output->image = strdup(image);
  return output->image ? FI_OK : no_memory();
}

static void close_compiler(struct compiler *self) {
  free(self);
}

static fi_status open_compiler(const char *path, uint32_t *next, struct compiler **compiler) {
  (void)path;
  note("open_compiler", NULL);
  if (fakes.no_compiler)
    return error_set(FI_ERROR_NO_COMPILER, "the fake compiler is not there");
  if (*next > fakes.older_compilers)
    return error_set(FI_ERROR_NO_COMPILER, "there is no fake compiler of number %u", *next);
  struct fake_compiler *fake = malloc(sizeof *fake);
  if (!fake)
    return no_memory();
  const uint32_t number = (*next)++;
  *fake = (struct fake_compiler){.base = {.compile = compile, .close = close_compiler}, .mark = fakes.mark};
  if (number > 0)
    fake->mark = (char)('1' + number);
  if (number > 0)
    snprintf(fake->base.toolchain, sizeof fake->base.toolchain, "nv0.%u-00000001", number + 1);
  else
    snprintf(fake->base.toolchain, sizeof fake->base.toolchain, "%s", fakes.toolchain);
  *compiler = &fake->base;
  return FI_OK;
}

/* -------------------------------------------------------------------------------- driver */

static _Thread_local void *current_context;
static _Thread_local int device_of_thread;

static void *get_context(struct driver *self) {
  (void)self;
  return current_context;
}

static void set_context(struct driver *self, void *context) {
  (void)self;
  current_context = context;
}

void fake_context(void *context) {
  current_context = context;
}

void fake_device(int number) {
  device_of_thread = number;
}

static fi_status current_device(struct driver *self, int *ordinal) {
  (void)self;
  if (fakes.no_context || (fakes.needs_context && !current_context))
    return error_set(FI_ERROR_DRIVER, "no CUDA context is current in this thread");
  *ordinal = fakes.device + device_of_thread;
  return FI_OK;
}

static fi_status describe_device(struct driver *self, int ordinal, struct device *device) {
  (void)self;
  (void)ordinal;
  *device = (struct device){
      .major = fakes.major, .minor = fakes.minor, .sms = FAKE_SMS, .shared_per_block = fakes.shared_per_block};
  return FI_OK;
}

static void note_mark(char mark) {
  pthread_mutex_lock(&log_lock);
  const size_t used = strlen(fakes.marks);
  if (used + 1 < sizeof fakes.marks)
    fakes.marks[used] = mark;
  pthread_mutex_unlock(&log_lock);
}

/* Its kernel is its symbol, with which it begins. */
struct fake_module {
  char symbol[64];
  atomic_bool prepared[KERNEL_MOST_DEVICES];
};

static fi_status load(struct driver *self, const struct image *image, struct module *module, bool *rejected) {
  const char mark = *(const char *)image->bytes;
  (void)self;
  note("load", strchr(image->symbol, '_') + 1);
  note_mark(mark);
  if (fakes.rejected && strchr(fakes.rejected, mark)) {
    *rejected = true;
    return error_set(FI_ERROR_DRIVER, "the fake driver does not like image %c", mark);
  }
  struct fake_module *loaded = calloc(1, sizeof *loaded);
  if (!loaded)
    return no_memory();
  atomic_fetch_add(&fakes.loads, 1);
  snprintf(loaded->symbol, sizeof loaded->symbol, "%s", image->symbol);
  *module = (struct module){.library = loaded, .kernel = loaded->symbol};
  return FI_OK;
}

static void unload(struct driver *self, const struct module *module) {
  (void)self;
  atomic_fetch_add(&fakes.unloads, 1);
  free(module->library);
}

static fi_status prepare(struct driver *self, const struct module *module, const struct shape *shape, int ordinal,
                         uint32_t *ctas_per_sm) {
  (void)self;
  struct fake_module *loaded = module->library;
  fakes.prepared = *shape;
  atomic_store(&loaded->prepared[ordinal], true);
  note("prepare", strchr(module->kernel, '_') + 1);
  atomic_fetch_add(&fakes.prepares, 1);
  *ctas_per_sm = fakes.occupancy;
  return FI_OK;
}

static fi_status is_capturing(struct driver *self, void *stream, bool *capturing) {
  (void)self;
  (void)stream;
  *capturing = fakes.capturing;
  return FI_OK;
}

static fi_status map_tensor(struct driver *self, const struct tensor *tensor, void *map) {
  (void)self;
  if (fakes.map_status)
    return error_set(fakes.map_status, "the fake driver maps nothing");
  fakes.mapped[fakes.maps++ % FAKES_MAPS] = *tensor;
  memset(map, (int)fakes.maps, sizeof(struct fi_tensor_map));
  return FI_OK;
}

/* Of attention that of the family with the larger one, if a tensor was mapped. */
static size_t args_size(const char *symbol) {
  const size_t attention = fakes.maps ? sizeof(struct fi_attention_maps_args) : sizeof(struct fi_attention_args);
  return strcmp(symbol, "flashjit_attention") == 0 ? attention
         : strcmp(symbol, "flashjit_append") == 0  ? sizeof(struct fi_append_args)
         : strcmp(symbol, "flashjit_merge") == 0   ? sizeof(struct fi_merge_args)
         : strcmp(symbol, "flashjit_indexer") == 0 ? sizeof(struct fi_indexer_args)
                                                   : sizeof(struct fi_plans_args);
}

static fi_status launch(struct driver *self, const struct module *module, const struct launch *request) {
  struct fake_module *loaded = module->library;
  int ordinal = 0;
  current_device(self, &ordinal);
  if (!atomic_load(&loaded->prepared[ordinal]))
    atomic_fetch_add(&fakes.unprepared, 1);
  pthread_mutex_lock(&log_lock);
  fakes.launch = *request;
  fakes.symbol = module->kernel;
  memcpy(fakes.args, request->args, args_size(fakes.symbol));
  if (fakes.launches < FAKES_LAUNCHES) {
    fakes.ctas[fakes.launches] = request->ctas;
    memcpy(&fakes.attention[fakes.launches], fakes.args, sizeof *fakes.attention);
  }
  fakes.launches++;
  pthread_mutex_unlock(&log_lock);
  return FI_OK;
}

static void close_driver(struct driver *self) {
  free(self);
}

static fi_status open_driver(const char *path, struct driver **driver) {
  (void)path;
  note("open_driver", NULL);
  if (fakes.no_driver)
    return error_set(FI_ERROR_NO_DRIVER, "the fake driver is not there");
  *driver = malloc(sizeof **driver);
  if (!*driver)
    return no_memory();
  **driver = (struct driver){
      .simulated = true,
      .version = fakes.version,
      .get_context = get_context,
      .set_context = set_context,
      .map_tensor = map_tensor,
      .current_device = current_device,
      .describe_device = describe_device,
      .load = load,
      .unload = unload,
      .prepare = prepare,
      .is_capturing = is_capturing,
      .launch = launch,
      .close = close_driver,
  };
  return FI_OK;
}

const struct parts fake_parts = {
    .open_compiler = open_compiler,
    .open_driver = open_driver,
    .io = &cache_io_posix,
};

/* -------------------------------------------------------------------------------- helpers */

static void give_up(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  abort();
}

char *make_directory(void) {
  char *path = strdup("/tmp/flashjit-test-XXXXXX");
  if (!path || !mkdtemp(path))
    give_up("mkdtemp", "no directory");
  return path;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status;
  (void)kind;
  (void)place;
  return remove(path);
}

void remove_directory(char *path) {
  nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  free(path);
}

fi_ctx *make_context_with(fi_options options) {
  fi_ctx *ctx;
  options.struct_size = sizeof options;
  if (!options.cache_dir)
    options.cache_dir = "";
  if (context_create(&options, &fake_parts, &ctx))
    give_up("context_create", fi_last_error());
  return ctx;
}

fi_ctx *make_context(const char *directory) {
  return make_context_with((fi_options){.cache_dir = directory});
}

fi_counters counters_of(const fi_ctx *ctx) {
  fi_counters counters = {.struct_size = sizeof counters};
  if (fi_counters_read(ctx, &counters))
    give_up("fi_counters_read", fi_last_error());
  return counters;
}

fi_spec spec_of(const char *text) {
  fi_spec spec;
  if (fi_spec_parse(text, &spec))
    give_up(text, fi_last_error());
  return spec;
}

fi_status get(fi_ctx *ctx, const char *text) {
  const fi_spec spec = spec_of(text);
  fi_kernel *kernel = NULL;
  const fi_status status = fi_get_kernel(ctx, &spec, &kernel);
  if ((kernel != NULL) != (status == FI_OK))
    give_up(text, "a status and a handle that contradict each other");
  return status;
}

fi_kernel *kernel_of(fi_ctx *ctx, const char *text) {
  const fi_spec spec = spec_of(text);
  fi_kernel *kernel;
  if (fi_get_kernel(ctx, &spec, &kernel))
    give_up(text, fi_last_error());
  return kernel;
}

void *address(uintptr_t value) {
  return (void *)value;
}
