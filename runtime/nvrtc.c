/* The compiler: libnvrtc, opened at run time. The only file that includes nvrtc.h. */
#include "generator/error.h"
#include "generator/render.h"
#include "runtime/compiler.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <nvrtc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_OPTIONS = 16 };

/* A constant name: with none, symbols of internal linkage get names that differ from run to run. */
static const char program_name[] = SOURCE_NAME;

/* Newest first: what a driver refuses of the one it may take of the next. */
static const char *const usual_names[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

/* The functions in use; one that older libraries lack is optional and NULL there. */
#define NVRTC_FUNCTIONS(REQUIRED, OPTIONAL)                                                                            \
  REQUIRED(nvrtcVersion)                                                                                               \
  REQUIRED(nvrtcGetErrorString)                                                                                        \
  REQUIRED(nvrtcCreateProgram)                                                                                         \
  REQUIRED(nvrtcDestroyProgram)                                                                                        \
  REQUIRED(nvrtcCompileProgram)                                                                                        \
  REQUIRED(nvrtcGetProgramLogSize)                                                                                     \
  REQUIRED(nvrtcGetProgramLog)                                                                                         \
  REQUIRED(nvrtcGetCUBINSize)                                                                                          \
  REQUIRED(nvrtcGetCUBIN)                                                                                              \
  REQUIRED(nvrtcGetPTXSize)                                                                                            \
  REQUIRED(nvrtcGetPTX)                                                                                                \
  OPTIONAL(nvrtcSetFlowCallback)

struct nvrtc {
  struct compiler base;
  int version; /* 1300 for 13.0 */
#define POINTER(name) __typeof__(&name) name;
  NVRTC_FUNCTIONS(POINTER, POINTER)
#undef POINTER
};

/* -------------------------------------------------------------------------------- compile */

struct deadline {
  struct timespec end;
  atomic_bool passed;
};

static void deadline_start(struct deadline *deadline, uint32_t ms) {
  clock_gettime(CLOCK_MONOTONIC, &deadline->end);
  deadline->end.tv_sec += ms / 1000;
  deadline->end.tv_nsec += (long)(ms % 1000) * 1000000;
  deadline->passed = false;
}

/* Called by the compiler now and then; 1 cancels, and must then be the answer for ever. */
static int deadline_poll(void *payload, void *unused) {
  struct deadline *deadline = payload;
  struct timespec now;
  (void)unused;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t left = ((int64_t)deadline->end.tv_sec - now.tv_sec) * 1000000000 + deadline->end.tv_nsec - now.tv_nsec;
  if (left < 0)
    deadline->passed = true;
  return deadline->passed;
}

typedef nvrtcResult get_size(nvrtcProgram program, size_t *size);
typedef nvrtcResult get_bytes(nvrtcProgram program, char *bytes);

/* One of the program's results, malloc'ed. */
static nvrtcResult result_of(nvrtcProgram program, get_size *size_of, get_bytes *bytes_of, char **bytes, size_t *size) {
  *bytes = NULL;
  nvrtcResult result = size_of(program, size);
  if (result != NVRTC_SUCCESS)
    return result;
  *bytes = malloc(*size ? *size : 1);
  if (!*bytes)
    return NVRTC_ERROR_OUT_OF_MEMORY;
  result = bytes_of(program, *bytes);
  if (result != NVRTC_SUCCESS) {
    free(*bytes);
    *bytes = NULL;
  }
  return result;
}

/* What is the source's fault is FI_ERROR_COMPILE, and not tried again. */
static fi_status status_of(nvrtcResult result) {
  switch (result) {
  case NVRTC_SUCCESS:
    return FI_OK;
  case NVRTC_ERROR_OUT_OF_MEMORY:
    return FI_ERROR_MEMORY;
  case NVRTC_ERROR_BUILTIN_OPERATION_FAILURE: /* libnvrtc-builtins cannot be opened */
    return FI_ERROR_NO_COMPILER;
  default:
    return FI_ERROR_COMPILE;
  }
}

static nvrtcResult compile_program(const struct nvrtc *nvrtc, nvrtcProgram program, const struct compile_job *job) {
  char texts[MOST_OPTIONS][COMPILE_OPTION_SIZE];
  const char *options[MOST_OPTIONS];
  int count = 0;
  for (size_t i = 0; i < compile_option_count && count < MOST_OPTIONS; i++) {
    const struct compile_option *option = &compile_options[i];
    if (option->first_version > nvrtc->version || (option->line_info && !job->line_info))
      continue;
    compile_option_print(option, job->target, texts[count]);
    options[count] = texts[count];
    count++;
  }
  return nvrtc->nvrtcCompileProgram(program, count, options);
}

static fi_status check_result(const struct nvrtc *nvrtc, nvrtcResult result, const char *what,
                              const struct compile_job *job) {
  if (result == NVRTC_SUCCESS)
    return FI_OK;
  return error_set(status_of(result), "the compiler returned no %s for %s: %s", what, job->target->name,
                   nvrtc->nvrtcGetErrorString(result));
}

static fi_status collect(const struct nvrtc *nvrtc, nvrtcProgram program, const struct compile_job *job,
                         struct compile_output *output) {
  const bool ptx = job->target->ptx;
  nvrtcResult result = result_of(program, ptx ? nvrtc->nvrtcGetPTXSize : nvrtc->nvrtcGetCUBINSize,
                                 ptx ? nvrtc->nvrtcGetPTX : nvrtc->nvrtcGetCUBIN, &output->image, &output->image_size);
  const fi_status status = check_result(nvrtc, result, ptx ? "PTX" : "cubin", job);
  if (status || !job->keep_ptx)
    return status;
  result = result_of(program, nvrtc->nvrtcGetPTXSize, nvrtc->nvrtcGetPTX, &output->ptx, &output->ptx_size);
  return check_result(nvrtc, result, "PTX", job);
}

static fi_status nvrtc_compile(struct compiler *self, const struct compile_job *job, struct compile_output *output) {
  const struct nvrtc *nvrtc = (const struct nvrtc *)self;
  struct deadline deadline;
  nvrtcProgram program;
  *output = (struct compile_output){0};
  nvrtcResult result = nvrtc->nvrtcCreateProgram(&program, job->source, program_name, 0, NULL, NULL);
  if (result != NVRTC_SUCCESS)
    return error_set(status_of(result), "nvrtcCreateProgram: %s", nvrtc->nvrtcGetErrorString(result));
  deadline_start(&deadline, job->deadline_ms);
  if (job->deadline_ms && nvrtc->nvrtcSetFlowCallback)
    nvrtc->nvrtcSetFlowCallback(program, deadline_poll, &deadline);
  result = compile_program(nvrtc, program, job);
  size_t log_size;
  result_of(program, nvrtc->nvrtcGetProgramLogSize, nvrtc->nvrtcGetProgramLog, &output->log, &log_size);
  fi_status status;
  if (result == NVRTC_SUCCESS)
    status = collect(nvrtc, program, job, output);
  else if (deadline.passed)
    status = error_set(FI_ERROR_DEADLINE, "the compile was stopped after its deadline of %u ms", job->deadline_ms);
  else
    status = error_set(status_of(result), "%s for %s:\n%s", nvrtc->nvrtcGetErrorString(result), job->target->name,
                       output->log ? output->log : "");
  nvrtc->nvrtcDestroyProgram(&program);
  return status;
}

/* -------------------------------------------------------------------------------- open */

struct build_id {
  uintptr_t address; /* inside the library */
  uint32_t first;    /* four bytes of its GNU build id; 0 when it has none */
};

static uint32_t note_build_id(const char *notes, size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, notes, sizeof note);
    const size_t name = (note.n_namesz + 3u) & ~3u;
    const size_t length = sizeof note + name + ((note.n_descsz + 3u) & ~3u);
    if (length > size)
      break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz >= 4) {
      unsigned char id[4];
      memcpy(id, notes + sizeof note + name, sizeof id);
      return (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    }
    notes += length;
    size -= length;
  }
  return 0;
}

static int visit_object(struct dl_phdr_info *object, size_t size, void *data) {
  struct build_id *id = data;
  bool inside = false;
  uint32_t first = 0;
  (void)size;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    const uintptr_t start = object->dlpi_addr + segment->p_vaddr;
    if (segment->p_type == PT_LOAD && id->address - start < segment->p_memsz)
      inside = true;
    if (segment->p_type == PT_NOTE && !first)
      first = note_build_id((const char *)start, segment->p_memsz);
  }
  if (inside)
    id->first = first;
  return inside;
}

/* nvrtcVersion has no patch level, so the build id tells two builds of one version apart. */
static void name_toolchain(struct nvrtc *nvrtc) {
  struct build_id id = {.address = (uintptr_t)nvrtc->nvrtcVersion};
  dl_iterate_phdr(visit_object, &id);
  snprintf(nvrtc->base.toolchain, sizeof nvrtc->base.toolchain, "nv%d.%d-%08x", nvrtc->version / 100,
           nvrtc->version % 100, id.first);
}

/* Returns the name of a function that the library lacks, or NULL. */
static const char *find_functions(struct nvrtc *nvrtc, void *library) {
#define OPTIONAL(name) *(void **)&nvrtc->name = dlsym(library, #name);
#define REQUIRED(name)                                                                                                 \
  OPTIONAL(name)                                                                                                       \
  if (!nvrtc->name)                                                                                                    \
    return #name;
  NVRTC_FUNCTIONS(REQUIRED, OPTIONAL)
#undef REQUIRED
#undef OPTIONAL
  return NULL;
}

/*
 * libnvrtc opens its builtins by name at the first compile. Where the loader does not search, as in an
 * unpacked wheel, it finds them only if they are open already: take those beside it.
 */
static void open_builtins(const struct nvrtc *nvrtc) {
  char path[PATH_MAX];
  Dl_info info;
  if (!dladdr((void *)(uintptr_t)nvrtc->nvrtcVersion, &info) || !info.dli_fname)
    return;
  const char *slash = strrchr(info.dli_fname, '/');
  const int folder = slash ? (int)(slash + 1 - info.dli_fname) : 0;
  const int length = snprintf(path, sizeof path, "%.*slibnvrtc-builtins.so.%d.%d", folder, info.dli_fname,
                              nvrtc->version / 100, nvrtc->version % 100);
  if (length > 0 && (size_t)length < sizeof path)
    dlopen(path, RTLD_LAZY | RTLD_LOCAL);
}

/* The library stays open: opening it takes milliseconds, and other contexts use it too. */
static void nvrtc_close(struct compiler *self) {
  free(self);
}

static fi_status open_one(const char *path, struct compiler **compiler) {
  void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!library)
    return error_set(FI_ERROR_NO_COMPILER, "%s", dlerror());
  struct nvrtc *nvrtc = calloc(1, sizeof *nvrtc);
  if (!nvrtc) {
    dlclose(library);
    return error_set(FI_ERROR_MEMORY, "no memory for the compiler");
  }
  const char *missing = find_functions(nvrtc, library);
  if (missing) {
    free(nvrtc);
    dlclose(library);
    return error_set(FI_ERROR_NO_COMPILER, "%s lacks %s", path, missing);
  }
  int major = 0;
  int minor = 0;
  nvrtc->nvrtcVersion(&major, &minor);
  nvrtc->version = major * 100 + minor;
  open_builtins(nvrtc);
  nvrtc->base.compile = nvrtc_compile;
  nvrtc->base.close = nvrtc_close;
  name_toolchain(nvrtc);
  *compiler = &nvrtc->base;
  return FI_OK;
}

fi_status nvrtc_open(const char *path, uint32_t *next, struct compiler **compiler) {
  const bool given = path && *path;
  const char *const *names = given ? &path : usual_names;
  const uint32_t count = given ? 1 : sizeof usual_names / sizeof *usual_names;
  char reasons[ERROR_SIZE / 2] = "";
  for (uint32_t i = *next; i < count; i++) {
    const fi_status status = open_one(names[i], compiler);
    if (!status)
      *next = i + 1;
    if (status != FI_ERROR_NO_COMPILER)
      return status;
    const size_t used = strlen(reasons);
    snprintf(reasons + used, sizeof reasons - used, "%s%s", used ? "; " : "", fi_last_error());
  }
  return error_set(FI_ERROR_NO_COMPILER, "libnvrtc cannot be opened (FLASHJIT_NVRTC names its path): %s",
                   reasons[0] ? reasons
                   : given    ? "no other path is given"
                              : "no other of its usual names is left");
}
