/*
 * A compiler that edits what it is given: libnvrtc of MUTANT_NVRTC, before which each line MUTANT_FROM of a source
 * becomes MUTANT_TO. The PTX of sources that have the line is appended to the file MUTANT_PTX, if it is set. Of kernels
 * of attention without the text SPILLS_WITHOUT, if that is set, the log says that they spill, and nothing is compiled.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef void *program;

static program edited;   /* the last program whose source had the line */
static program spilling; /* the last program that is said to spill */

static const char spill_log[] = "ptxas         .     8 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads\n";

/* A function of the library; the process ends where it is missing, as nothing here can work without it. */
static void *real(const char *name) {
  static void *library;
  const char *path = getenv("MUTANT_NVRTC");
  if (!library && path)
    library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  void *function = library ? dlsym(library, name) : NULL;
  if (!function) {
    fprintf(stderr, "edited_nvrtc: MUTANT_NVRTC=%s has no %s\n", path ? path : "", name);
    exit(1);
  }
  return function;
}

/* Forwards a call, whose parameters and arguments are in brackets. */
#define FORWARD(name, parameters, arguments)                                                                           \
  API int name parameters {                                                                                            \
    int(*function) parameters;                                                                                         \
    *(void **)&function = real(#name);                                                                                 \
    return function arguments;                                                                                         \
  }

FORWARD(nvrtcVersion, (int *major, int *minor), (major, minor))
FORWARD(nvrtcDestroyProgram, (program * of), (of))
FORWARD(nvrtcGetCUBINSize, (program of, size_t *size), (of, size))
FORWARD(nvrtcGetCUBIN, (program of, char *cubin), (of, cubin))

API const char *nvrtcGetErrorString(int result) {
  const char *(*function)(int);
  *(void **)&function = real("nvrtcGetErrorString");
  return function(result);
}

API int nvrtcCompileProgram(program of, int count, const char *const *options) {
  int (*function)(program, int, const char *const *);
  *(void **)&function = real("nvrtcCompileProgram");
  return of == spilling ? 0 : function(of, count, options);
}

/* The size of an output, which of a program that spills is that of the log. */
static int size_of(const char *name, program of, size_t *size) {
  int (*function)(program, size_t *);
  *(void **)&function = real(name);
  *size = sizeof spill_log;
  return of == spilling ? 0 : function(of, size);
}

API int nvrtcGetProgramLogSize(program of, size_t *size) {
  return size_of("nvrtcGetProgramLogSize", of, size);
}

API int nvrtcGetPTXSize(program of, size_t *size) {
  return size_of("nvrtcGetPTXSize", of, size);
}

/* An output, which of a program that spills is the log. */
static int output_of(const char *name, program of, char *text) {
  int (*function)(program, char *);
  *(void **)&function = real(name);
  if (of != spilling)
    return function(of, text);
  memcpy(text, spill_log, sizeof spill_log);
  return 0;
}

API int nvrtcGetProgramLog(program of, char *log) {
  return output_of("nvrtcGetProgramLog", of, log);
}

/* Where the line begins in a source; NULL: it has none such. */
static const char *find_line(const char *source, const char *line) {
  const size_t size = strlen(line);
  const char *found = source;
  while (size > 0 && (found = strstr(found, line))) {
    if ((found == source || found[-1] == '\n') && (found[size] == '\n' || found[size] == '\0'))
      return found;
    found++;
  }
  return NULL;
}

/* The source with the line edited, malloc'ed; NULL where it has none such. */
static char *edit(const char *source) {
  const char *from = getenv("MUTANT_FROM");
  const char *to = getenv("MUTANT_TO");
  const char *at = from && to ? find_line(source, from) : NULL;
  if (!at)
    return NULL;
  const size_t size = strlen(source) + strlen(to) + 1;
  char *text = malloc(size);
  if (text)
    snprintf(text, size, "%.*s%s%s", (int)(at - source), source, to, at + strlen(from));
  return text;
}

static int spills(const char *source) {
  const char *without = getenv("SPILLS_WITHOUT");
  return without && strstr(source, "\nflashjit_attention(") && !strstr(source, without);
}

API int nvrtcCreateProgram(program *of, const char *source, const char *name, int count, const char *const *headers,
                           const char *const *names) {
  int (*function)(program *, const char *, const char *, int, const char *const *, const char *const *);
  *(void **)&function = real("nvrtcCreateProgram");
  char *text = edit(source);
  const int result = function(of, text ? text : source, name, count, headers, names);
  if (text)
    edited = *of;
  spilling = spills(source) ? *of : spilling == *of ? NULL : spilling;
  free(text);
  return result;
}

API int nvrtcGetPTX(program of, char *ptx) {
  const int result = output_of("nvrtcGetPTX", of, ptx);
  const char *path = getenv("MUTANT_PTX");
  FILE *file = result == 0 && path && of == edited ? fopen(path, "a") : NULL;
  if (file) {
    fputs(ptx, file);
    fclose(file);
  }
  return result;
}
