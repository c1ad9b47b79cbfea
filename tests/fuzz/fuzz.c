/* usage: fuzz SUBJECT SECONDS [SEED]
 *
 * Feeds mutated seeds of a subject to its reader until the time is over. Every input that is taken, where only few are,
 * is a seed of later ones. An input that breaks what must hold is written to fuzz-SUBJECT.input, and named. Under ASan
 * and UBSan any wrong access ends the program, and the last line says with which seed and at which execution. */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_KEPT = 64 };

struct corpus {
  struct input *inputs[MOST_SEEDS + MOST_KEPT];
  size_t count;
  size_t seeds;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct input *new_input(const void *bytes, size_t size) {
  struct input *input = malloc(sizeof *input);
  if (!input || size > MOST_BYTES)
    abort();
  memcpy(input->bytes, bytes, size);
  input->size = size;
  return input;
}

static struct input *read_seed(const char *name) {
  static unsigned char bytes[MOST_BYTES];
  char path[512];
  snprintf(path, sizeof path, TEST_SOURCES "/%s", name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "no seed %s\n", path);
    exit(2);
  }
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  return new_input(bytes, size);
}

static void fill(struct corpus *corpus, const struct subject *subject) {
  for (const char *const *seed = subject->seeds; *seed; seed++)
    corpus->inputs[corpus->count++] = subject->seeds_are_files ? read_seed(*seed) : new_input(*seed, strlen(*seed));
  corpus->seeds = corpus->count;
}

/* In place of another that was kept, once there are enough. */
static void keep(struct corpus *corpus, const struct input *input, uint64_t random) {
  if (corpus->count < corpus->seeds + MOST_KEPT)
    corpus->inputs[corpus->count++] = new_input(input->bytes, input->size);
  else
    *corpus->inputs[corpus->seeds + (size_t)(random % MOST_KEPT)] = *input;
}

static int report(const struct subject *subject, const struct input *input) {
  char path[64];
  snprintf(path, sizeof path, "fuzz-%s.input", subject->name);
  FILE *file = fopen(path, "wb");
  if (file) {
    fwrite(input->bytes, 1, input->size, file);
    fclose(file);
  }
  printf("%s: what must hold does not, for %s\n", subject->name, path);
  return 1;
}

static int run(const struct subject *subject, double seconds, uint64_t seed) {
  static struct corpus corpus;
  static struct input input;
  uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;
  uint64_t executions = 0;
  uint64_t taken_count = 0;
  const double end = now() + seconds;
  fill(&corpus, subject);
  while (executions % 64 || now() < end) {
    const struct input *from = corpus.inputs[next_random(&random) % corpus.count];
    const struct input *other = corpus.inputs[next_random(&random) % corpus.count];
    bool taken = false;
    memcpy(input.bytes, from->bytes, from->size);
    input.size = from->size;
    if (executions >= corpus.seeds)
      mutate(&input, other, &random);
    executions++;
    if (!subject->read(&input, next_random(&random), &taken))
      return report(subject, &input);
    taken_count += taken;
    if (taken && next_random(&random) % 16 == 0)
      keep(&corpus, &input, next_random(&random));
  }
  printf("%s: %" PRIu64 " executions, %" PRIu64 " taken, seed %" PRIu64 "\n", subject->name, executions, taken_count,
         seed);
  for (size_t i = 0; i < corpus.count; i++)
    free(corpus.inputs[i]);
  return taken_count ? 0 : 1;
}

int main(int count, char **arguments) {
  const struct subject *subject = count > 1 ? subject_find(arguments[1]) : NULL;
  if (!subject || count < 3 || count > 4) {
    fputs("usage: fuzz SUBJECT SECONDS [SEED]\n", stderr);
    return 2;
  }
  return run(subject, strtod(arguments[2], NULL), count == 4 ? strtoull(arguments[3], NULL, 10) : 1);
}
