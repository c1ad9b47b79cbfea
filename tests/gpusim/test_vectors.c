/* The simulator against what a GPU has recorded: every case of the list, within the bound that it states. */
#include "vector_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_REPORTED = 4, MESSAGE_BYTES = 2048 };

static void print_operands(const struct vector_case *vector, const uint64_t *inputs, size_t thread, char *text,
                           size_t bytes) {
  uint32_t count = vector_operand_count(vector);
  size_t used = 0;
  text[0] = '\0';
  for (uint32_t k = 0; k < count && used < bytes; k++)
    used += (size_t)snprintf(text + used, bytes - used, " %#llx", (unsigned long long)inputs[thread * count + k]);
}

static void expect_case(struct device *device, const struct vector_file *file, const struct vector_case *vector) {
  char text[MESSAGE_BYTES];
  const uint32_t *recorded = vector_file_results(file, vector);
  size_t words = vector_words(vector);
  size_t beyond = 0;
  uint64_t *inputs = vector_inputs(vector);
  uint32_t *simulated = calloc(words, sizeof *simulated);
  cr_assert(inputs && simulated);
  cr_expect(vector_run(device, vector, inputs, simulated, text, sizeof text), "%s: %s", vector->code, text);
  cr_assert(!device_failed(device));
  for (size_t i = 0; i < words; i++) {
    double distance = vector_distance(vector, inputs, recorded, simulated, i);
    size_t thread = i / vector->results;
    if (distance <= 1 || beyond++ >= MOST_REPORTED)
      continue;
    print_operands(vector, inputs, thread, text, sizeof text);
    cr_expect(false, "%s\n  thread %zu (lane %zu), operands%s: %%r%zu is %#x, recorded %#x, %.3g of the bound",
              vector->code, thread, thread % VECTOR_LANES, text, i % vector->results, simulated[i], recorded[i],
              distance);
  }
  cr_expect(beyond <= MOST_REPORTED, "%s\n  %zu of %zu results differ", vector->code, beyond, words);
  free(simulated);
  free(inputs);
}

Test(gpusim_vectors, recorded) {
  char why[MESSAGE_BYTES];
  struct device device;
  struct vector_file file;
  cr_assert(vector_file_read(&file, GPUSIM_VECTORS, why, sizeof why), "%s", why);
  cr_assert(!strstr(file.gpu, "simulator"), "%s was recorded on the simulator", GPUSIM_VECTORS);
  cr_assert(device_open(&device, GPUSIM_LIBRARY), "%s", device.error);
  cr_assert(device.simulated);
  for (size_t i = 0; i < vector_case_count; i++)
    expect_case(&device, &file, &vector_cases[i]);
  device_close(&device);
  vector_file_free(&file);
}
