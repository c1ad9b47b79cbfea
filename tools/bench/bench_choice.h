/* What flashjit bench was asked for. */
#ifndef TOOLS_BENCH_BENCH_CHOICE_H
#define TOOLS_BENCH_BENCH_CHOICE_H

#include "tools/bench/bench_case.h"
#include "tools/bench/bench_write.h"
#include "tools/flashjit/options.h"

/* Where nothing else is asked for. */
enum { BENCH_SEED = 1, BENCH_REPEAT = 31 };
#define BENCH_PYTHON "python3"

struct bench_choice {
  struct model_options model;
  char **words; /* the spec, in one argument or several */
  int word_count;
  const char *batches; /* with commas between; NULL: the usual ones */
  const char *trace;
  const char *cases;
  const char *baseline;
  const char *source; /* NULL: the generated ones */
  const char *plot;
  const char *out;        /* NULL: standard output */
  const char *peers;      /* with commas between; NULL: this library alone */
  const char *peers_from; /* a folder of more plug-ins; NULL: none */
  const char *python;
  uint64_t heads;
  uint64_t counts[BENCH_COUNTS]; /* of a spec; 0: not given */
  uint64_t requests;             /* of a trace */
  uint64_t repeat;
  uint64_t seed;
  uint64_t tolerance; /* percent */
  enum bench_format format;
  bool whole; /* on the simulator, too */
  bool quality;
};

/* The cases; an exit code, after a complaint where it is not CLI_OK. */
int bench_cases(const struct bench_choice *choice, struct case_list *list);

/* Runs them and writes what was asked for. Returns an exit code: CLI_FAILED also when an output is wrong or a row
 * slower than in the baseline. */
int bench_run(const struct bench_choice *choice, const struct case_list *list);

/* The errors that quantising makes, which needs neither cases nor a device. Returns an exit code. */
int bench_quality_run(const struct bench_choice *choice);

#endif
