/*
 * A compiler that keeps what it makes: libnvrtc of KEPT_NVRTC, which is asked once for a text with its options. Results
 * are files in the folder KEPT_COMPILES, shared by the programs of several builds; where it is not set, none are.
 */
#include "cache/hash.h"

#include <dlfcn.h>
#include <nvrtc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum { LOG, PTX, CUBIN, PARTS, PATH_ROOM = 4096 };

/* How a file of a result begins; the parts follow. */
struct head {
  nvrtcResult status;
  size_t sizes[PARTS];
};

/* Behind the nvrtcProgram of the caller. */
struct program {
  nvrtcProgram real;
  char *source;
  int (*flow)(void *, void *);
  void *payload;
  struct head head;
  char *parts; /* one after the other; NULL before a compile */
};

/* ------------------------------------------------------------------------------------------------ library */

static pthread_once_t opening = PTHREAD_ONCE_INIT;
static void *library;

static void open_library(void) {
  const char *path = getenv("KEPT_NVRTC");
  library = path ? dlopen(path, RTLD_LAZY | RTLD_LOCAL) : NULL;
  if (library)
    return;
  fprintf(stderr, "kept_nvrtc: KEPT_NVRTC=%s cannot be opened\n", path ? path : "");
  exit(1);
}

static void *find(const char *name) {
  pthread_once(&opening, open_library);
  return dlsym(library, name);
}

#define REAL(name) ((__typeof__(&name))find(#name))

static struct program *program_of(nvrtcProgram handle) {
  return (struct program *)handle;
}

/* ------------------------------------------------------------------------------------------------ files */

static bool name_file(const struct program *program, int count, const char *const *options, char path[PATH_ROOM]) {
  const char *folder = getenv("KEPT_COMPILES");
  XXH3_state_t state;
  if (!folder || !*folder)
    return false;
  XXH3_INITSTATE(&state);
  XXH3_128bits_reset(&state);
  XXH3_128bits_update(&state, program->source, strlen(program->source) + 1);
  for (int i = 0; i < count; i++)
    XXH3_128bits_update(&state, options[i], strlen(options[i]) + 1);
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  snprintf(path, PATH_ROOM, "%s/%016llx%016llx", folder, (unsigned long long)hash.high64,
           (unsigned long long)hash.low64);
  return true;
}

static size_t bytes_of(const struct head *head) {
  return head->sizes[LOG] + head->sizes[PTX] + head->sizes[CUBIN];
}

static void forget(struct program *program) {
  free(program->parts);
  program->parts = NULL;
  memset(program->head.sizes, 0, sizeof program->head.sizes);
}

/* Memory for all parts; false when there is none. */
static bool make_room(struct program *program) {
  free(program->parts);
  program->parts = malloc(bytes_of(&program->head) + 1);
  return program->parts;
}

/* Files are renamed when they are whole. */
static bool read_file(struct program *program, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return false;
  const bool is_read = fread(&program->head, sizeof program->head, 1, file) == 1 && make_room(program) &&
                       fread(program->parts, 1, bytes_of(&program->head), file) == bytes_of(&program->head);
  fclose(file);
  if (!is_read)
    forget(program);
  return is_read;
}

static void write_file(const struct program *program, const char *path) {
  char temporary[PATH_ROOM + 16];
  snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
  const int descriptor = mkstemp(temporary);
  FILE *file = descriptor >= 0 ? fdopen(descriptor, "wb") : NULL;
  if (!file)
    return;
  const bool is_written = fwrite(&program->head, sizeof program->head, 1, file) == 1 &&
                          fwrite(program->parts, 1, bytes_of(&program->head), file) == bytes_of(&program->head);
  if (fclose(file) || !is_written || rename(temporary, path))
    unlink(temporary);
}

/* ------------------------------------------------------------------------------------------------ compile */

/* Takes the parts out of the library's program. */
static bool collect(struct program *program) {
  const struct {
    nvrtcResult (*size)(nvrtcProgram, size_t *);
    nvrtcResult (*bytes)(nvrtcProgram, char *);
  } parts[PARTS] = {
      [LOG] = {REAL(nvrtcGetProgramLogSize), REAL(nvrtcGetProgramLog)},
      [PTX] = {REAL(nvrtcGetPTXSize), REAL(nvrtcGetPTX)},
      [CUBIN] = {REAL(nvrtcGetCUBINSize), REAL(nvrtcGetCUBIN)},
  };
  for (int i = 0; i < PARTS; i++)
    if (parts[i].size(program->real, &program->head.sizes[i]))
      program->head.sizes[i] = 0;
  if (!make_room(program))
    return false;
  char *to = program->parts;
  for (int i = 0; i < PARTS; i++) {
    if (program->head.sizes[i] && parts[i].bytes(program->real, to))
      return false;
    to += program->head.sizes[i];
  }
  return true;
}

/* As of a compiler that is asked to stop before it begins. */
static bool is_stopped(const struct program *program) {
  return program->flow && program->flow(program->payload, NULL);
}

API nvrtcResult nvrtcCompileProgram(nvrtcProgram handle, int count, const char *const *options) {
  struct program *program = program_of(handle);
  char path[PATH_ROOM];
  const bool is_kept = name_file(program, count, options, path) && !is_stopped(program);
  if (is_kept && read_file(program, path))
    return program->head.status;
  program->head.status = REAL(nvrtcCompileProgram)(program->real, count, options);
  if (!collect(program)) {
    forget(program);
    return NVRTC_ERROR_OUT_OF_MEMORY;
  }
  if (is_kept && (program->head.status == NVRTC_SUCCESS || program->head.status == NVRTC_ERROR_COMPILATION))
    write_file(program, path);
  return program->head.status;
}

/* ------------------------------------------------------------------------------------------------ interface */

API nvrtcResult nvrtcVersion(int *major, int *minor) {
  return REAL(nvrtcVersion)(major, minor);
}

API nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  return REAL(nvrtcGetNumSupportedArchs)(count);
}

API nvrtcResult nvrtcGetSupportedArchs(int *archs) {
  return REAL(nvrtcGetSupportedArchs)(archs);
}

API const char *nvrtcGetErrorString(nvrtcResult result) {
  return REAL(nvrtcGetErrorString)(result);
}

API nvrtcResult nvrtcCreateProgram(nvrtcProgram *handle, const char *source, const char *name, int count,
                                   const char *const *headers, const char *const *names) {
  struct program *program = calloc(1, sizeof *program);
  if (!program || !(program->source = strdup(source))) {
    free(program);
    return NVRTC_ERROR_OUT_OF_MEMORY;
  }
  *handle = (nvrtcProgram)program;
  return REAL(nvrtcCreateProgram)(&program->real, source, name, count, headers, names);
}

API nvrtcResult nvrtcDestroyProgram(nvrtcProgram *handle) {
  struct program *program = program_of(*handle);
  const nvrtcResult result = REAL(nvrtcDestroyProgram)(&program->real);
  forget(program);
  free(program->source);
  free(program);
  *handle = NULL;
  return result;
}

API nvrtcResult nvrtcSetFlowCallback(nvrtcProgram handle, int (*flow)(void *, void *), void *payload) {
  struct program *program = program_of(handle);
  program->flow = flow;
  program->payload = payload;
  __typeof__(&nvrtcSetFlowCallback) set = REAL(nvrtcSetFlowCallback); /* which not all versions have */
  return set ? set(program->real, flow, payload) : NVRTC_SUCCESS;
}

static nvrtcResult give_size(nvrtcProgram handle, int part, size_t *size) {
  *size = program_of(handle)->head.sizes[part];
  return NVRTC_SUCCESS;
}

static nvrtcResult give(nvrtcProgram handle, int part, char *bytes) {
  const struct program *program = program_of(handle);
  const char *from = program->parts;
  for (int i = 0; i < part; i++)
    from += program->head.sizes[i];
  if (program->head.sizes[part])
    memcpy(bytes, from, program->head.sizes[part]);
  return NVRTC_SUCCESS;
}

#define RESULT(function, part)                                                                                         \
  API nvrtcResult function##Size(nvrtcProgram handle, size_t *size) {                                                  \
    return give_size(handle, part, size);                                                                              \
  }                                                                                                                    \
  API nvrtcResult function(nvrtcProgram handle, char *bytes) {                                                         \
    return give(handle, part, bytes);                                                                                  \
  }

RESULT(nvrtcGetProgramLog, LOG)
RESULT(nvrtcGetPTX, PTX)
RESULT(nvrtcGetCUBIN, CUBIN)
