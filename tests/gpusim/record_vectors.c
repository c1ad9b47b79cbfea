/*
 * Records the results of all vectors on the GPU, or on the simulator with FLASHJIT_DRIVER=sim. With a second
 * file, which the simulator recorded, tells how far apart the two are.
 *
 * usage: record_vectors instructions|arithmetic|products OUT_FILE [SIM_FILE]
 */
#include "vector_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };

struct tally {
  size_t differing;
  size_t beyond;
  double worst; /* distance */
};

static struct tally compare(const struct vector_case *vector, const uint64_t *inputs, const uint32_t *recorded,
                            const uint32_t *simulated) {
  struct tally tally = {0};
  for (size_t i = 0; i < vector_words(vector); i++) {
    double distance = vector_distance(vector, inputs, recorded, simulated, i);
    tally.differing += recorded[i] != simulated[i];
    tally.beyond += distance > 1;
    tally.worst = fmax(tally.worst, distance);
  }
  return tally;
}

/* One line for the case; false when it failed. */
static bool record(struct device *device, const struct vector_case *vector, const struct vector_file *file,
                   const struct vector_file *simulated) {
  char why[MESSAGE_BYTES] = "out of memory";
  uint64_t *inputs = vector_inputs(vector);
  uint32_t *results = vector_file_results(file, vector);
  bool done = inputs && vector_run(device, vector, inputs, results, why, sizeof why);
  printf("%-6s %6zu", done ? "ok" : "FAILED", vector_words(vector));
  if (done && simulated) {
    struct tally tally = compare(vector, inputs, results, vector_file_results(simulated, vector));
    printf("  beyond %5zu  differ %5zu  worst %-8.3g", tally.beyond, tally.differing, tally.worst);
  }
  printf("  %s\n", vector->code);
  if (!done)
    printf("       %s\n", why);
  fflush(stdout);
  free(inputs);
  return done;
}

static int record_all(struct device *device, struct vector_file *file, const struct vector_file *simulated,
                      const char *path) {
  char why[MESSAGE_BYTES];
  size_t failed = 0;
  snprintf(file->gpu, sizeof file->gpu, "%s", device->name);
  file->driver = device->version;
  printf("%s, driver %d, %zu kernels\n", file->gpu, file->driver, file->cases->count);
  for (size_t i = 0; i < file->cases->count; i++)
    failed += !record(device, &file->cases->cases[i], file, simulated);
  printf("%zu failed\n", failed);
  if (!vector_file_write(file, path, why, sizeof why)) {
    fprintf(stderr, "record_vectors: %s\n", why);
    return EXIT_FAILURE;
  }
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct vector_list *find_list(const char *name) {
  static const struct {
    const char *name;
    const struct vector_list *list;
  } lists[] = {
      {"instructions", &vector_instructions}, {"arithmetic", &vector_arithmetic}, {"products", &vector_products}};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (strcmp(name, lists[i].name) == 0)
      return lists[i].list;
  }
  return NULL;
}

int main(int argc, char **argv) {
  char why[MESSAGE_BYTES];
  struct device device;
  struct vector_file file;
  struct vector_file simulated = {.words = NULL};
  const struct vector_list *list = argc == 3 || argc == 4 ? find_list(argv[1]) : NULL;
  if (!list) {
    fprintf(stderr, "usage: record_vectors instructions|arithmetic|products OUT_FILE [SIM_FILE]\n");
    return EXIT_FAILURE;
  }
  if (argc == 4 && !vector_file_read(&simulated, list, argv[3], why, sizeof why)) {
    fprintf(stderr, "record_vectors: %s\n", why);
    return EXIT_FAILURE;
  }
  if (!device_open(&device, NULL)) {
    fprintf(stderr, "record_vectors: %s\n", device.error);
    return EXIT_FAILURE;
  }
  int status = EXIT_FAILURE;
  if (vector_file_create(&file, list)) {
    status = record_all(&device, &file, argc == 4 ? &simulated : NULL, argv[2]);
    vector_file_free(&file);
  }
  vector_file_free(&simulated);
  device_close(&device);
  return status;
}
