/*
 * Runs the library through its public functions, with neither GPU nor driver nor compiler, and prints what came out:
 * the same lines on every machine and C library. Usage: offline [CACHE SPEC], where the cache has that spec for sm_90a.
 */
#include <flashjit.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const targets[] = {"sm_80", "sm_90a"};
static const char *const bases[] = {
    "attention", "attention group=4 kv=e4m3 page=16 rope=half keys=unrotated",
    "append",    "append page=16 rope=interleaved rope_dim=64",
    "merge",     "plan",
};
static int failures;

static void expect(int holds, const char *what) {
  if (holds)
    return;
  failures++;
  printf("failed: %s; the last error is: %s\n", what, fi_last_error());
}

static void expect_status(fi_status status, fi_status right, const char *what) {
  printf("%s: %s\n", what, fi_status_name(status));
  expect(status == right, what);
}

static uint64_t hash(const char *text) {
  uint64_t value = 0xcbf29ce484222325u;
  for (; *text; text++)
    value = (value ^ (unsigned char)*text) * 0x100000001b3u;
  return value;
}

static void print_source(const fi_spec *spec, const char *target) {
  static char source[1 << 20];
  size_t size = sizeof source;
  if (fi_spec_supported(spec, target) != FI_OK) {
    printf(" %s", fi_last_error());
    return;
  }
  expect(fi_kernel_source(spec, target, source, &size) == FI_OK, "a source");
  printf(" %s %016llx", target, (unsigned long long)hash(source));
}

static void print_spec(const fi_spec *spec) {
  char text[FI_SPEC_TEXT_SIZE];
  fi_spec again;
  if (fi_spec_print(spec, text, sizeof text) != FI_OK)
    return;
  expect(fi_spec_parse(text, &again) == FI_OK, text);
  printf("%s:", text);
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
    print_source(&again, targets[i]);
  printf("\n");
}

/* A base, and the base with one axis at one of its values. */
static void print_specs(const char *base) {
  fi_spec spec;
  expect(fi_spec_parse(base, &spec) == FI_OK, base);
  print_spec(&spec);
  fi_axis axis = {.struct_size = sizeof axis};
  for (uint32_t number = 0; fi_axis_describe(number, &axis) == FI_OK; number++) {
    const uint32_t ends[] = {axis.minimum, axis.maximum};
    const uint32_t *values = axis.values ? axis.values : ends;
    const uint32_t count = axis.values ? axis.value_count : 2;
    for (uint32_t i = 0; i < count && axis.ops >> spec.op & 1; i++) {
      fi_spec other = spec;
      memcpy((char *)&other + axis.offset, &values[i], sizeof values[i]);
      print_spec(&other);
    }
  }
}

static void try_errors(void) {
  fi_spec spec;
  expect_status(fi_spec_parse("attention hd=7", &spec), FI_ERROR_SPEC, "a head dim of 7");
  printf("  %s\n", fi_last_error());
  fi_spec_init(&spec);
  expect_status(fi_spec_supported(&spec, "sm_1"), FI_ERROR_UNSUPPORTED, "a target of 1");
  printf("  %s\n", fi_last_error());
  spec.struct_size = 4;
  expect_status(fi_spec_supported(&spec, NULL), FI_ERROR_ABI, "a struct of 4 bytes");
  expect(fi_last_error()[0], "a sentence");
}

static fi_ctx *open_context(uint32_t mode, const char *cache) {
  fi_options options = {
      .struct_size = sizeof options,
      .mode = mode,
      .target = "sm_90a",
      .cache_dir = "",
      .read_only_dirs = cache ? cache : "",
      .nvrtc = "/none/libnvrtc.so",
      .driver = "/none/libcuda.so",
  };
  fi_ctx *ctx = NULL;
  expect_status(fi_ctx_create(&options, &ctx), FI_OK, "a context");
  return ctx;
}

static void try_contexts(void) {
  fi_spec spec;
  fi_kernel *kernel;
  fi_spec_init(&spec);
  fi_ctx *ctx = open_context(FI_MODE_ON, NULL);
  fi_facts facts = {.struct_size = sizeof facts};
  expect_status(fi_precompile(ctx, &spec, &facts), FI_ERROR_NO_COMPILER, "no compiler");
  expect_status(fi_get_kernel(ctx, &spec, &kernel), FI_ERROR_NO_DRIVER, "no driver");
  fi_ctx_destroy(ctx);
  ctx = open_context(FI_MODE_LOAD_ONLY, NULL);
  expect_status(fi_precompile(ctx, &spec, &facts), FI_ERROR_NOT_CACHED, "nothing cached");
  fi_ctx_destroy(ctx);
}

static void try_cache(const char *cache, const char *text) {
  fi_spec spec;
  fi_facts facts = {.struct_size = sizeof facts};
  fi_ctx *ctx = open_context(FI_MODE_LOAD_ONLY, cache);
  expect_status(fi_spec_parse(text, &spec), FI_OK, text);
  expect_status(fi_precompile(ctx, &spec, &facts), FI_OK, "an entry of a cache that another machine has filled");
  printf("%s, %u registers, %u bytes\n", facts.key, facts.registers, facts.image_bytes);
  expect(facts.layer == FI_LAYER_READ_ONLY, "the layer");
  fi_ctx_destroy(ctx);
}

static void *run(void *arguments) {
  char **cached = arguments;
  for (size_t i = 0; i < sizeof bases / sizeof *bases; i++)
    print_specs(bases[i]);
  try_errors();
  try_contexts();
  if (*cached)
    try_cache(cached[0], cached[1]);
  return NULL;
}

/* In a thread, whose stack is that of the C library: 128 KiB with musl. */
int main(int count, char **arguments) {
  char *none = NULL;
  pthread_t thread;
  const int threads = pthread_create(&thread, NULL, run, count == 3 ? arguments + 1 : &none) == 0;
  expect(threads && pthread_join(thread, NULL) == 0, "a thread");
  return failures != 0;
}
