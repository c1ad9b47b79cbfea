/*
 * A compiler that edits what it is given: libnvrtc of MUTANT_NVRTC, before which each line MUTANT_FROM of a source
 * becomes MUTANT_TO. The PTX of sources that have the line is appended to the file MUTANT_PTX, if it is set.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

typedef void *program;

static program edited; /* the last program whose source had the line */

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
FORWARD(nvrtcCompileProgram, (program of, int count, const char *const *options), (of, count, options))
FORWARD(nvrtcGetProgramLogSize, (program of, size_t *size), (of, size))
FORWARD(nvrtcGetProgramLog, (program of, char *log), (of, log))
FORWARD(nvrtcGetCUBINSize, (program of, size_t *size), (of, size))
FORWARD(nvrtcGetCUBIN, (program of, char *cubin), (of, cubin))
FORWARD(nvrtcGetPTXSize, (program of, size_t *size), (of, size))

API const char *nvrtcGetErrorString(int result) {
  const char *(*function)(int);
  *(void **)&function = real("nvrtcGetErrorString");
  return function(result);
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

API int nvrtcCreateProgram(program *of, const char *source, const char *name, int count, const char *const *headers,
                           const char *const *names) {
  int (*function)(program *, const char *, const char *, int, const char *const *, const char *const *);
  *(void **)&function = real("nvrtcCreateProgram");
  char *text = edit(source);
  const int result = function(of, text ? text : source, name, count, headers, names);
  if (text)
    edited = *of;
  free(text);
  return result;
}

API int nvrtcGetPTX(program of, char *ptx) {
  int (*function)(program, char *);
  *(void **)&function = real("nvrtcGetPTX");
  const int result = function(of, ptx);
  const char *path = getenv("MUTANT_PTX");
  FILE *file = result == 0 && path && of == edited ? fopen(path, "a") : NULL;
  if (file) {
    fputs(ptx, file);
    fclose(file);
  }
  return result;
}
