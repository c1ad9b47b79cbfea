/* Holds rows of O against the reference. */
#include "tools/bench/case_data.h"

#include "tests/measure.h"
#include "tools/flashjit/problem.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_CHECKED = 8, MOST_HEAD_DIM = 512 };

static bool check_row(const struct reference *reference, uint32_t dtype, random_state *random,
                      struct measure *measure) {
  const fi_spec *spec = &reference->spec;
  const uint32_t request = random_below(random, reference->batch.requests);
  const uint32_t i = random_below(random, reference_query_len(reference, request));
  const uint32_t head = random_below(random, reference->kv_heads * spec->group);
  double expected[MOST_HEAD_DIM];
  double lse;
  struct reference_head loaded;
  if (!reference_head_load(reference, request, head / spec->group, &loaded))
    return problem_set("no host memory for the reference");
  reference_attend(reference, &loaded, request, i, head, expected, &lse);
  reference_head_free(&loaded);
  const int64_t offset = reference_o_offset(reference, reference_query_begin(reference, request) + i, head);
  measure_row(measure, expected, spec->v_dim, dtype, spec->o_dtype, reference->tensors.o, (size_t)offset);
  return true;
}

bool case_check(const struct case_data *data, random_state *random, struct case_error *error) {
  struct reference reference = case_reference(data);
  struct measure measure = {0};
  fi_facts facts = {.struct_size = sizeof facts};
  void *o = malloc(data->bytes[CASE_O]);
  bool checked = o || problem_set("no host memory for O");
  if (checked && fi_kernel_facts(data->kernel, &facts))
    checked = problem_set("%s", fi_last_error());
  const uint32_t dtype = measure_dtype(&data->spec, facts.target);
  reference.tensors.o = o;
  if (checked) {
    device_download(data->device, o, data->memory[0][CASE_O], data->bytes[CASE_O]);
    checked = !device_failed(data->device) || problem_set("%s", data->device->error);
  }
  for (uint32_t i = 0; i < ROWS_CHECKED && checked; i++)
    checked = check_row(&reference, dtype, random, &measure);
  free(o);
  const double norm = measure_norm(&measure);
  *error = (struct case_error){.error = isnan(norm) ? INFINITY : norm,
                               .allowed = tolerance_of(dtype)->norm,
                               .passed = measure_passes(&measure, dtype)};
  return checked;
}
