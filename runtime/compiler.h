/* What the build pipeline asks of a compiler. NVRTC is one; tests bring their own. */
#ifndef RUNTIME_COMPILER_H
#define RUNTIME_COMPILER_H

#include "flashjit.h"
#include "generator/target.h"

#include <stdbool.h>
#include <stddef.h>

struct compile_job {
  const char *source;
  const struct target *target;
  uint32_t deadline_ms; /* 0: none */
  bool line_info;       /* profilers are to find the lines of the source */
  bool keep_ptx;        /* for a cubin target: return the PTX on its way too */
};

/* Everything is malloc'ed; compile_output_free frees it. */
struct compile_output {
  char *image; /* cubin, or PTX with its closing NUL, by the form of the target */
  size_t image_size;
  char *ptx; /* for keep_ptx, else NULL */
  size_t ptx_size;
  char *log; /* may be NULL */
};

struct compiler {
  char toolchain[32]; /* "nv13.0-1a2b3c4d": names the exact compiler, part of file names */
  /* FI_ERROR_COMPILE, _DEADLINE, _MEMORY or _NO_COMPILER (a part of it is missing) set the thread's error
   * text. */
  fi_status (*compile)(struct compiler *self, const struct compile_job *job, struct compile_output *output);
  void (*close)(struct compiler *self);
};

/*
 * Opens libnvrtc at a path or, when that is NULL or empty, the first of its usual names, from number *next on, that has
 * all that is needed; *next becomes the number after it. FI_ERROR_NO_COMPILER, with what is wrong with each, when none
 * has; a path is the only one.
 */
fi_status nvrtc_open(const char *path, uint32_t *next, struct compiler **compiler);

void compile_output_free(struct compile_output *output);

/*
 * Compiler options, in order. Part of a kernel's key is the whole list; what an older compiler does not know
 * is left out of its command line, and the toolchain in the entry's name tells the difference.
 */
enum { COMPILE_OPTION_SIZE = 48, COMPILE_OPTIONS_TEXT_SIZE = 512 };

struct compile_option {
  const char *text;  /* the target's name follows when it ends in '=' */
  int first_version; /* 1204: known to NVRTC 12.4 and later */
  bool line_info;    /* for jobs with line_info only */
};

extern const struct compile_option compile_options[];
extern const size_t compile_option_count;

/* One option, and the whole list joined by spaces. */
void compile_option_print(const struct compile_option *option, const struct target *target,
                          char text[COMPILE_OPTION_SIZE]);
void compile_options_print(const struct target *target, bool line_info, char text[COMPILE_OPTIONS_TEXT_SIZE]);

#endif
