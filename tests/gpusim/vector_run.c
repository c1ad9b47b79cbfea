/* Makes a kernel of the code of a case, and runs it. */
#include "vector_cuda.h"

#include "cache/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 8192 };

struct text {
  char bytes[TEXT_BYTES];
  size_t size;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  text->size += (size_t)vsnprintf(text->bytes + text->size, TEXT_BYTES - text->size, format, arguments);
  va_end(arguments);
}

#define PTX_VERSION "8.4"

const char vector_ptx_version[] = PTX_VERSION;

/* With the target, the bytes of shared memory and the threads of a block. */
static const char head[] = ".version " PTX_VERSION "\n.target %s\n.address_size 64\n"
                           ".visible .entry vector(.param .u64 inputs, .param .u64 outputs)\n{\n"
                           ".shared .align 128 .b8 shared[%u];\n"
                           ".reg .b32 %%a<10>, %%r<4>, %%t<8>, %%lane, %%thread, %%s, %%own;\n"
                           ".reg .b16 %%h<10>, %%g<8>;\n"
                           ".reg .b64 %%l<10>, %%q<4>, %%in, %%out;\n"
                           ".reg .pred %%p<4>;\n"
                           "ld.param.u64 %%in, [inputs];\nld.param.u64 %%out, [outputs];\n"
                           "mov.u32 %%lane, %%tid.x;\nmov.u32 %%thread, %%ctaid.x;\n"
                           "mad.lo.s32 %%thread, %%thread, %u, %%lane;\n"
                           "mov.u32 %%s, shared;\nmad.lo.s32 %%own, %%lane, 16, %%s;\n";

static uint32_t block_threads(const struct vector_case *vector) {
  return vector->language == VECTOR_WARPGROUP ? 4 * VECTOR_LANES : VECTOR_LANES;
}

static const char *target_of(const struct vector_case *vector) {
  if (vector->language == VECTOR_WARPGROUP)
    return "sm_90a";
  return vector->language == VECTOR_PTX_89 ? "sm_89" : "sm_90";
}

/* False when the text is too long. */
static bool write_ptx(const struct vector_case *vector, struct text *text) {
  uint32_t operands = vector_operand_count(vector);
  append(text, head, target_of(vector), 32 * block_threads(vector), block_threads(vector));
  append(text, "mad.wide.u32 %%in, %%thread, %u, %%in;\n", 8 * operands);
  append(text, "mad.wide.u32 %%out, %%thread, %u, %%out;\n", 4 * vector->results);
  for (uint32_t k = 0; k < operands; k++)
    append(text, "ld.global.u64 %%l%u, [%%in+%u];\ncvt.u32.u64 %%a%u, %%l%u;\ncvt.u16.u32 %%h%u, %%a%u;\n", k, 8 * k, k,
           k, k, k);
  append(text, "%s\n", vector->code);
  for (uint32_t k = 0; k < vector->results; k++)
    append(text, "st.global.u32 [%%out+%u], %%r%u;\n", 4 * k, k);
  append(text, "ret;\n}\n");
  return text->size < TEXT_BYTES;
}

static bool write_kernel(const struct vector_case *vector, struct text *text) {
  if (vector->language != VECTOR_CUDA)
    return write_ptx(vector, text);
  text->size = vector_cuda_source(vector, text->bytes, TEXT_BYTES);
  return text->size < TEXT_BYTES;
}

size_t vector_words(const struct vector_case *vector) {
  return (size_t)vector->threads * vector->results;
}

static uint64_t hash_case(const struct vector_case *vector, const uint64_t *inputs, uint64_t seed) {
  struct text text = {.size = 0};
  size_t bytes = (size_t)vector->threads * vector_operand_count(vector) * sizeof *inputs;
  write_kernel(vector, &text);
  return XXH3_64bits_withSeed(inputs, bytes, XXH3_64bits_withSeed(text.bytes, text.size, seed));
}

uint64_t vector_list_hash(const struct vector_list *list) {
  uint64_t hash = list->count;
  for (size_t i = 0; i < list->count; i++) {
    uint64_t *inputs = vector_inputs(&list->cases[i]);
    if (!inputs)
      return 0;
    hash = hash_case(&list->cases[i], inputs, hash);
    free(inputs);
  }
  return hash;
}

static bool launch(struct device *device, void *kernel, const struct vector_case *vector, const uint64_t *inputs,
                   uint32_t *results) {
  size_t input_bytes = (size_t)vector->threads * vector_operand_count(vector) * sizeof *inputs;
  size_t result_bytes = vector_words(vector) * sizeof *results;
  void *from = device_alloc(device, input_bytes);
  void *to = device_alloc(device, result_bytes);
  void *parameters[] = {&from, &to};
  device_upload(device, from, inputs, input_bytes);
  device_launch(device, kernel, vector->threads / block_threads(vector), block_threads(vector), parameters);
  device_download(device, results, to, result_bytes);
  device_free(device, from);
  device_free(device, to);
  return !device_failed(device);
}

bool vector_run(struct device *device, const struct vector_case *vector, const uint64_t *inputs, uint32_t *results,
                char *why, size_t why_bytes) {
  struct text text = {.size = 0};
  if (!write_kernel(vector, &text)) {
    snprintf(why, why_bytes, "its text is longer than %d bytes", TEXT_BYTES);
    return false;
  }
  void *library = NULL;
  if (vector->language != VECTOR_CUDA)
    library = device_library_load(device, text.bytes, why, why_bytes);
  else
    library = vector_cuda_load(device, text.bytes, why, why_bytes);
  if (!library)
    return false;
  bool done = launch(device, device_kernel(device, library, "vector"), vector, inputs, results);
  device_library_unload(device, library);
  if (!done)
    snprintf(why, why_bytes, "%s", device->error);
  return done;
}
