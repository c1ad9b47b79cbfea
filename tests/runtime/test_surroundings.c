/* Contexts whose options name what is not there, or is bad: which call fails, and with what sentence. */
#include "fakes.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(surroundings, .init = fakes_reset);

static void expect(size_t number, fi_status status, fi_status expected, const char *message) {
  cr_expect_eq(status, expected, "%zu: %s: %s", number, fi_status_name(status), fi_last_error());
  cr_expect(strstr(fi_last_error(), message), "%zu: %s", number, fi_last_error());
}

/* A context on the real compiler and driver, whose paths are bad. */
static const struct {
  fi_options options;
  fi_status create;
  fi_status get;
  const char *message;
} surroundings[] = {
    {{.target = "sm_90"}, FI_ERROR_UNSUPPORTED, FI_OK, "sm_90"},
    {{.target = "gfx942"}, FI_ERROR_UNSUPPORTED, FI_OK, "gfx942"},
    {{.mode = 4}, FI_ERROR_ARGUMENT, FI_OK, "options.mode is 4; it must be FI_MODE_ON, _LOAD_ONLY or _MEMORY_ONLY"},
    {{.mode = UINT32_MAX}, FI_ERROR_ARGUMENT, FI_OK, "options.mode is 4294967295; it must be"},
    {{.driver = "/no/such/libcuda.so"}, FI_OK, FI_ERROR_NO_DRIVER, "/no/such/libcuda.so"},
    {{.driver = FAKE_CUDA_NO_DEVICE}, FI_OK, FI_ERROR_NO_DRIVER, "found no device"},
    {{.driver = FAKE_CUDA_NO_LIBRARIES}, FI_OK, FI_ERROR_OLD_DRIVER, "cuLibraryLoadData"},
    {{.driver = FAKE_CUDA_BROKEN}, FI_OK, FI_ERROR_DRIVER, "cuInit"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .nvrtc = "/no/such/libnvrtc.so"},
     FI_OK,
     FI_ERROR_NO_COMPILER,
     "/no/such/libnvrtc.so"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .nvrtc = FAKE_CUDA}, FI_OK, FI_ERROR_NO_COMPILER, "lacks nvrtcVersion"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .mode = FI_MODE_LOAD_ONLY},
     FI_OK,
     FI_ERROR_NOT_CACHED,
     "mode forbids compiling"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .mode = FI_MODE_MEMORY_ONLY}, FI_OK, FI_ERROR_NOT_CACHED, "memory_only"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .mode = FI_MODE_LOAD_ONLY, .read_only_dirs = "/no/such/folder"},
     FI_OK,
     FI_ERROR_NOT_CACHED,
     "searched: /no/such/folder"},
    {{.driver = FAKE_CUDA,
      .target = "sm_90a",
      .mode = FI_MODE_LOAD_ONLY,
      .read_only_dirs = "/no/such/folder:/no/other",
      .cache_dir = "/dev/null/cache"},
     FI_OK,
     FI_ERROR_NOT_CACHED,
     "searched: /no/such/folder:/no/other; /dev/null/cache"},
    {{.driver = FAKE_CUDA, .target = "sm_90a", .mode = FI_MODE_LOAD_ONLY},
     FI_OK,
     FI_ERROR_NOT_CACHED,
     "the cache directory (FLASHJIT_CACHE_DIR) is given as \"\", none"},
    {{.driver = FAKE_CUDA, .target = "compute_80", .mode = FI_MODE_LOAD_ONLY, .cache_dir = "/dev/null/cache"},
     FI_OK,
     FI_ERROR_NOT_CACHED,
     "for compute_80"},
    {{.driver = FAKE_CUDA, .target = "sm_80"}, FI_OK, FI_ERROR_UNSUPPORTED, "has compute capability 9.0"},
};

Test(surroundings, are_told) {
  const fi_spec spec = spec_of("merge");
  for (size_t i = 0; i < sizeof surroundings / sizeof *surroundings; i++) {
    fi_options options = surroundings[i].options;
    fi_ctx *ctx = (void *)1;
    fi_kernel *kernel;
    options.struct_size = sizeof options;
    if (!options.cache_dir)
      options.cache_dir = "";
    const fi_status status = fi_ctx_create(&options, &ctx);
    if (surroundings[i].create) {
      expect(i, status, surroundings[i].create, surroundings[i].message);
      cr_expect_null(ctx);
      continue;
    }
    cr_assert_eq(status, FI_OK, "%zu: %s", i, fi_last_error());
    expect(i, fi_get_kernel(ctx, &spec, &kernel), surroundings[i].get, surroundings[i].message);
    fi_ctx_destroy(ctx);
  }
}
