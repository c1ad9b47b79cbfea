/* The simulator against what a GPU has recorded: every case of the list, within the bound that it states. */
#include "vector_cuda.h"
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

/* Runs the case on the simulator, and holds its results against those that are right. */
static void expect_case(struct device *device, const struct vector_case *vector, const uint32_t *recorded) {
  char text[MESSAGE_BYTES];
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
    cr_expect(false, "%s\n  thread %zu (lane %zu), operands%s: %%r%zu is %#x, not %#x, %.3g of the bound", vector->code,
              thread, thread % VECTOR_LANES, text, i % vector->results, simulated[i], recorded[i], distance);
  }
  cr_expect(beyond <= MOST_REPORTED, "%s\n  %zu of %zu results differ", vector->code, beyond, words);
  free(simulated);
  free(inputs);
}

static void expect_recorded(const struct vector_list *list, const char *path) {
  char why[MESSAGE_BYTES];
  struct device device;
  struct vector_file file;
  cr_assert(vector_file_read(&file, list, path, why, sizeof why), "%s", why);
  cr_assert(!strstr(file.gpu, "simulator"), "%s was recorded on the simulator", path);
  cr_assert(device_open(&device, GPUSIM_LIBRARY), "%s", device.error);
  cr_assert(device.simulated);
  for (size_t i = 0; i < list->count; i++)
    expect_case(&device, &list->cases[i], vector_file_results(&file, &list->cases[i]));
  device_close(&device);
  vector_file_free(&file);
}

Test(gpusim_vectors, instructions) {
  expect_recorded(&vector_instructions, GPUSIM_VECTORS);
}

Test(gpusim_vectors, products) {
  expect_recorded(&vector_products, GPUSIM_PRODUCTS);
}

Test(gpusim_vectors, arithmetic) {
  FILE *file = fopen(GPUSIM_ARITHMETIC, "rb");
  if (!vector_cuda_available())
    cr_skip_test("no NVRTC: set FLASHJIT_NVRTC to run this test");
  if (!file)
    cr_skip_test("not recorded yet: on a GPU run record_vectors arithmetic %s", GPUSIM_ARITHMETIC);
  fclose(file);
  expect_recorded(&vector_arithmetic, GPUSIM_ARITHMETIC);
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* What the host computes apart is right; a sixteenth of the operands at least would tell if something were fused. */
static void expect_separate(struct device *device, size_t number) {
  const struct vector_case *vector = &vector_arithmetic.cases[number];
  uint64_t *inputs = vector_inputs(vector);
  uint32_t *right = calloc(vector->threads, sizeof *right);
  size_t telling = 0;
  cr_assert(inputs && right);
  for (uint32_t thread = 0; thread < vector->threads; thread++) {
    float operands[4];
    for (int k = 0; k < 4; k++) {
      uint32_t word = (uint32_t)inputs[4 * thread + (uint32_t)k];
      memcpy(&operands[k], &word, sizeof word);
    }
    right[thread] = bits_of(vector_separate(number, operands));
    uint32_t fused = bits_of(vector_fused(number, operands));
    telling += vector_distance(vector, &inputs[4 * thread], &right[thread], &fused, 0) > 1;
  }
  cr_expect(telling * 16 >= vector->threads, "%s\n  %zu of %u operands tell", vector->code, telling, vector->threads);
  expect_case(device, vector, right);
  free(inputs);
  free(right);
}

Test(gpusim_vectors, nothing_is_fused) {
  struct device device;
  if (!vector_cuda_available())
    cr_skip_test("no NVRTC: set FLASHJIT_NVRTC to run this test");
  cr_assert(device_open(&device, GPUSIM_LIBRARY), "%s", device.error);
  for (size_t i = 0; i < vector_arithmetic.count; i++)
    expect_separate(&device, i);
  device_close(&device);
}
