/* Words, of which only those of files need quotes. */
#include "tools/bench/repro.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_quoted(FILE *file, const char *word) {
  fputc('\'', file);
  for (; *word; word++) {
    if (*word == '\'')
      fputs("'\\''", file);
    else
      fputc(*word, file);
  }
  fputc('\'', file);
}

/* Nothing where there is no word. */
static void write_option(FILE *file, const char *option, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,:=+-";
  if (!word)
    return;
  fprintf(file, " %s ", option);
  if (*word && word[strspn(word, plain)] == '\0')
    fputs(word, file);
  else
    write_quoted(file, word);
}

static void write_number(FILE *file, const char *option, uint64_t number, uint64_t usual) {
  if (number != usual)
    fprintf(file, " %s %" PRIu64, option, number);
}

static void write_batch(FILE *file, const struct bench_batch *batch) {
  if (batch->trace)
    fprintf(file, " --requests %u", batch->count);
  else
    write_option(file, "--batch", batch->text);
}

/* The last ones, so that who hides files can cut them off. */
static void write_files(FILE *file, const struct bench_choice *choice, const char *trace, bool by_peer) {
  write_option(file, "--trace", trace);
  write_option(file, "--source", choice->source);
  write_option(file, "--peers-from", by_peer ? choice->peers_from : NULL);
  write_option(file, "--python", by_peer && strcmp(choice->python, BENCH_PYTHON) != 0 ? choice->python : NULL);
}

char *repro_command(const struct bench_choice *choice, const struct bench_case *what, const char *provider) {
  char *text = NULL;
  size_t size;
  const bool by_peer = strcmp(provider, "flashjit") != 0;
  FILE *file = open_memstream(&text, &size);
  if (!file)
    return NULL;
  fprintf(file, "flashjit bench %s --heads %u", what->spec_text, what->kv_heads);
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    if (bench_case_count(what, i))
      fprintf(file, " --%s %u", bench_counts[i].name, bench_case_count(what, i));
  write_batch(file, &what->batch);
  write_number(file, "--seed", choice->seed, BENCH_SEED);
  write_number(file, "--repeat", choice->repeat, BENCH_REPEAT);
  if (choice->whole)
    fputs(" --whole", file);
  write_option(file, "--peers", by_peer ? provider : NULL);
  write_files(file, choice, what->batch.trace, by_peer);
  const bool written = !ferror(file);
  if (fclose(file) == 0 && written)
    return text;
  free(text);
  return NULL;
}
