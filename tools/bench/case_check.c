/* Holds rows of O, or lists, against the reference. */
#include "tools/bench/case_data.h"

#include "tests/measure.h"
#include "tools/flashjit/problem.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_CHECKED = 8, MOST_HEAD_DIM = 512 };

/* Multiplications of the reference, with which lists are compared: a few seconds. */
static const double lists_budget = 2e9;

/* A host copy of what the last launch on set 0 left in a buffer, to be freed; NULL with a problem. */
static void *download(const struct case_data *data, enum case_buffer buffer) {
  void *copy = malloc(data->bytes[buffer]);
  if (!copy)
    problem_set("no host memory for %zu bytes", data->bytes[buffer]);
  else
    device_download(data->device, copy, data->memory[0][buffer], data->bytes[buffer]);
  if (!device_failed(data->device))
    return copy;
  problem_set("%s", data->device->error);
  free(copy);
  return NULL;
}

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

static bool check_rows(const struct case_data *data, random_state *random, struct case_error *error) {
  struct reference reference = case_reference(data);
  struct measure measure = {0};
  fi_facts facts = {.struct_size = sizeof facts};
  if (fi_kernel_facts(data->kernel, &facts))
    return problem_set("%s", fi_last_error());
  const uint32_t dtype = measure_dtype(&data->spec, facts.target);
  void *o = download(data, CASE_O);
  bool checked = o;
  reference.tensors.o = o;
  for (uint32_t i = 0; i < ROWS_CHECKED && checked; i++)
    checked = check_row(&reference, dtype, random, &measure);
  free(o);
  const double norm = measure_norm(&measure);
  *error = (struct case_error){.error = isnan(norm) ? INFINITY : norm,
                               .allowed = tolerance_of(dtype)->norm,
                               .passed = measure_passes(&measure, dtype)};
  return checked;
}

static bool check_lists(const struct case_data *data, random_state *random, struct case_error *error) {
  struct lists_step step = {.reference = case_reference(data), .budget = lists_budget, .seed = random_next(random)};
  struct lists_verdict found;
  int32_t *lists = download(data, CASE_LISTS);
  if (!lists)
    return false;
  step.reference.tensors.lists = lists;
  const bool checked = verify_lists(&step, &found) || problem_set("no host memory for the reference");
  free(lists);
  if (!checked)
    return false;
  *error = (struct case_error){.error = found.excess, .allowed = 1, .passed = !found.first.what};
  if (found.first.what)
    list_mismatch_text(&found.first, error->reason);
  return true;
}

bool case_check(const struct case_data *data, random_state *random, struct case_error *error) {
  return (data->spec.op == FI_OP_INDEXER ? check_lists : check_rows)(data, random, error);
}
