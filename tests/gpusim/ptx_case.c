/* Runs cases that are written as PTX bodies. */
#include "ptx_case.h"

#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 1024, SEEDS = 5, REPORT_BYTES = 2048 };

static const char prologue[] =
    ".version 8.5\n.target sm_90a\n.address_size 64\n"
    ".entry k(.param .u64 out, .param .u64 input, .param .align 64 .b8 tensor[128])\n.maxntid %u, 1, 1\n{\n"
    ".reg .pred %%p<8>, %%first, %%leader; .reg .b32 %%r<32>, %%t, %%lane, %%warp, %%m; .reg .f32 %%f<128>;\n"
    ".reg .b64 %%d<16>, %%a, %%o, %%data, %%map; .shared .align 1024 .b8 memory[16384];\n"
    "mov.u32 %%t, %%tid.x; mov.u32 %%lane, %%laneid; shr.u32 %%warp, %%t, 5; ld.param.u64 %%data, [input];\n"
    "mov.b64 %%map, tensor; cvta.param.u64 %%map, %%map;\n"
    "setp.eq.u32 %%first, %%t, 0; setp.eq.u32 %%leader, %%lane, 0; mov.u32 %%m, memory;\n";

static const char epilogue[] = "\nld.param.u64 %a, [out]; mul.wide.u32 %o, %t, 4; add.u64 %a, %a, %o;\n"
                               "st.global.u32 [%a], %r0; ret;\n}\n";

static char *text_of(const struct ptx_case *c) {
  size_t bytes = strlen(c->body) + sizeof prologue + sizeof epilogue + 16;
  char *text = calloc(1, bytes);
  cr_assert(text);
  int used = snprintf(text, bytes, prologue, c->threads);
  used += snprintf(text + used, bytes - (size_t)used, "%s", c->body);
  snprintf(text + used, bytes - (size_t)used, "%s", epilogue);
  return text;
}

CUresult ptx_map_encode(CUtensorMap *out, const struct ptx_map *map, CUdeviceptr data) {
  __typeof__(cuTensorMapEncodeTiled) *encode =
      (__typeof__(cuTensorMapEncodeTiled) *)sim_function("cuTensorMapEncodeTiled");
  cuuint64_t strides[PTX_MAX_RANK];
  cuuint32_t steps[PTX_MAX_RANK];
  cuuint64_t dense = map->element_bytes;
  const unsigned rank = map->rank < PTX_MAX_RANK ? map->rank : PTX_MAX_RANK;
  for (unsigned d = 0; d < rank; d++) {
    dense *= map->dims[d];
    strides[d] = d + 1 < rank && map->strides[d] ? map->strides[d] : dense;
    steps[d] = map->steps[d] ? map->steps[d] : 1;
  }
  return encode(out, map->type, map->rank, (void *)(uintptr_t)(data - map->early), map->dims, strides, map->box, steps,
                CU_TENSOR_MAP_INTERLEAVE_NONE, map->swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                map->nan ? CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA : CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

static CUdeviceptr upload_words(void) {
  static uint32_t words[PTX_DATA_WORDS];
  for (uint32_t i = 0; i < PTX_DATA_WORDS; i++)
    words[i] = i;
  return sim_upload(words, sizeof words);
}

static void expect_words(const struct ptx_case *c, CUdeviceptr out) {
  uint32_t words[MOST_THREADS];
  sim_download(words, out, c->threads * sizeof *words);
  for (uint32_t thread = 0; thread < c->threads; thread++)
    cr_expect_eq(words[thread], c->word(thread), "%s: thread %u has %#x, expected %#x", c->what, thread, words[thread],
                 c->word(thread));
}

static void run_case(const struct ptx_case *c, CUkernel kernel, const char *seed) {
  char report[REPORT_BYTES] = "";
  sim_set("FLASHJIT_SIM_SEED", seed);
  sim_forget_fault();
  CUdeviceptr out = sim_buffer(c->threads * sizeof(uint32_t));
  CUdeviceptr data = upload_words();
  CUtensorMap map = {0};
  if (c->map)
    cr_assert_eq(ptx_map_encode(&map, c->map, data), CUDA_SUCCESS, "%s", c->what);
  void *parameters[] = {&out, &data, &map};
  CUresult result = sim_launch(kernel, 1, c->threads, 0, parameters);
  sim_report_text(report, sizeof report);
  cr_expect_eq(result, c->error, "%s: error %d, expected %d: %s", c->what, result, c->error, report);
  if (c->report)
    cr_expect(strstr(report, c->report), "%s: the report is: %s", c->what, report);
  else if (result == CUDA_SUCCESS)
    expect_words(c, out);
}

void ptx_cases_run(const struct ptx_case *cases, size_t count) {
  sim_become("compute_90a");
  sim_set("FLASHJIT_SIM_QUIET", "1");
  for (size_t i = 0; i < count; i++) {
    char *text = text_of(&cases[i]);
    CUlibrary library;
    cr_assert_eq(sim_load(text, &library), CUDA_SUCCESS, "%s:\n%s", cases[i].what, text);
    for (int seed = 0; seed < SEEDS; seed++) {
      char number[16];
      snprintf(number, sizeof number, "%d", seed);
      run_case(&cases[i], sim_kernel(library, "k"), number);
    }
    free(text);
  }
}
