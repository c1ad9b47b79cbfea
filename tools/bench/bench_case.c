/* Cases from text, and what they cost at least. */
#include "tools/bench/bench_case.h"

#include "tests/dtypes.h"
#include "tests/reference.h"
#include "tools/common/number.h"
#include "tools/common/visible.h"
#include "tools/flashjit/problem.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADS = 1024 };

/* Axes whose arrays nobody makes here, each with the values that need none. */
static const struct {
  const char *key;
  size_t offset;
  uint32_t most;
} bounds[] = {
    {"start", offsetof(fi_spec, kv_start), 0},
    {"ranges", offsetof(fi_spec, ranges), 0},
    {"bits", offsetof(fi_spec, mask_bits), 0},
    {"positions", offsetof(fi_spec, rope_positions), FI_POSITIONS_KV_OFFSET},
    {"bias", offsetof(fi_spec, bias), FI_BIAS_SLOPES},
    {"snippet", offsetof(fi_spec, snippet), FI_SNIPPET_NONE},
    {"ids", offsetof(fi_spec, page_ids), FI_IDS_INT32},
};

static bool can_be_timed(const fi_spec *spec, const char *text) {
  if (spec->op != FI_OP_ATTENTION)
    return problem_set("bench has inputs for attention alone, not for \"%s\"", text);
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    uint32_t value;
    memcpy(&value, (const char *)spec + bounds[i].offset, sizeof value);
    if (value > bounds[i].most)
      return problem_set("bench has no inputs for the axis %s of \"%s\"; its default is allowed%s", bounds[i].key, text,
                         bounds[i].most > 0 ? ", and slopes" : "");
  }
  return true;
}

/* What a spec leaves to the library, as flashjit.h says of each field, so that work can be counted without a kernel. */
static void fill_defaults(fi_spec *spec) {
  spec->head_dim = spec->head_dim ? spec->head_dim : 128;
  spec->v_dim = spec->v_dim ? spec->v_dim : spec->head_dim;
  spec->group = spec->group ? spec->group : 1;
  spec->q_dtype = spec->q_dtype ? spec->q_dtype : FI_BF16;
  spec->kv_dtype = spec->kv_dtype ? spec->kv_dtype : spec->q_dtype;
  spec->v_dtype = spec->v_dtype ? spec->v_dtype : spec->kv_dtype;
  spec->o_dtype = spec->o_dtype ? spec->o_dtype : spec->q_dtype;
  const bool has_groups = spec->kv_scale == FI_SCALE_GROUP || spec->kv_scale == FI_SCALE_E8M0;
  const uint32_t of_latents = spec->kv_scale == FI_SCALE_GROUP ? 128 : 64;
  const uint32_t usual_group = has_groups ? of_latents : spec->v_dtype == FI_NVFP4 ? 16 : 32;
  spec->scale_group = spec->scale_group ? spec->scale_group : usual_group;
  spec->wide_dims = spec->wide_dims || !has_groups ? spec->wide_dims : 64;
  spec->rope_dim = spec->rope_dim ? spec->rope_dim : spec->head_dim;
}

bool bench_case_make(struct bench_case *what, const fi_spec *spec, uint32_t kv_heads, const struct bench_batch *batch) {
  *what = (struct bench_case){.spec = *spec, .kv_heads = kv_heads};
  if (fi_spec_print(spec, what->spec_text, sizeof what->spec_text))
    return problem_set("%s", fi_last_error());
  fill_defaults(&what->spec);
  return can_be_timed(spec, what->spec_text) && bench_batch_copy(&what->batch, batch);
}

bool bench_case_list(struct bench_case *what, uint32_t listed) {
  if ((what->spec.select > 0) != (listed > 0))
    return problem_set("\"%s\" has %s; specs with select go with a number of blocks, other specs do not",
                       what->spec_text, listed > 0 ? "listed blocks without select" : "select without listed blocks");
  what->listed = listed;
  return true;
}

/* ------------------------------------------------------------------------------------------------ lines */

/* The text after "KEY=" of a word; NULL when it is another word. */
static const char *value_of(const char *word, const char *key) {
  const size_t length = strlen(key);
  return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static bool append_word(char *text, size_t size, const char *word) {
  const size_t used = strlen(text);
  const int length = snprintf(text + used, size - used, "%s%s", used > 0 ? " " : "", word);
  return (size_t)length < size - used || problem_set("the spec is longer than %zu characters", size - 1);
}

/* Splits the words of a line, which it overwrites, into the spec and what is not of it. */
static bool split(char *line, char *spec, size_t size, const char **heads, const char **listed, const char **batch) {
  bool fits = true;
  char *rest = line;
  spec[0] = '\0';
  for (char *word = strtok_r(line, " \t\r\n", &rest); word && fits; word = strtok_r(NULL, " \t\r\n", &rest)) {
    if (value_of(word, "heads"))
      *heads = value_of(word, "heads");
    else if (value_of(word, "listed"))
      *listed = value_of(word, "listed");
    else if (value_of(word, "batch"))
      *batch = value_of(word, "batch");
    else
      fits = append_word(spec, size, word);
  }
  return fits;
}

/* Specs with lists say how long these are, and no others. */
static bool take_listed(struct bench_case *what, const char *text) {
  uint64_t listed = 0;
  if (text && !parse_number(text, 1, BENCH_MOST_LISTED, &listed))
    return problem_set("listed is \"%s\"; allowed are 1 to %d", text, BENCH_MOST_LISTED);
  return bench_case_list(what, (uint32_t)listed);
}

bool bench_case_parse(struct bench_case *what, const char *line) {
  char words[CASE_TEXT_SIZE];
  char text[FI_SPEC_TEXT_SIZE];
  const char *heads = "8";
  const char *listed = NULL;
  const char *batch_text = NULL;
  uint64_t kv_heads;
  fi_spec spec;
  struct bench_batch batch;
  *what = (struct bench_case){0};
  if (strlen(line) >= sizeof words)
    return problem_set("the case is longer than %zu characters", sizeof words - 1);
  snprintf(words, sizeof words, "%s", line);
  if (!split(words, text, sizeof text, &heads, &listed, &batch_text))
    return false;
  if (!batch_text)
    return problem_set("\"%s\" has no batch=, such as batch=8q1s1k", line);
  if (!parse_number(heads, 1, MOST_HEADS, &kv_heads))
    return problem_set("heads is \"%s\"; allowed are 1 to %d", heads, MOST_HEADS);
  if (fi_spec_parse(text, &spec))
    return problem_set("%s", fi_last_error());
  if (!bench_batch_parse(&batch, batch_text))
    return false;
  const bool made = bench_case_make(what, &spec, (uint32_t)kv_heads, &batch);
  bench_batch_free(&batch);
  if (!made || take_listed(what, listed))
    return made;
  bench_batch_free(&what->batch);
  return false;
}

void bench_case_text(const struct bench_case *what, char text[CASE_TEXT_SIZE]) {
  char listed[24] = "";
  if (what->listed)
    snprintf(listed, sizeof listed, " listed=%u", what->listed);
  snprintf(text, CASE_TEXT_SIZE, "%s heads=%u%s batch=%s", what->spec_text, what->kv_heads, listed, what->batch.text);
}

/* ------------------------------------------------------------------------------------------------ lists */

bool case_list_add(struct case_list *list, struct bench_case *what) {
  struct bench_case *cases = realloc(list->cases, (list->count + 1) * sizeof *cases);
  if (!cases) {
    bench_batch_free(&what->batch);
    return problem_set("out of memory");
  }
  list->cases = cases;
  list->cases[list->count++] = *what;
  return true;
}

void case_list_free(struct case_list *list) {
  for (size_t i = 0; i < list->count; i++)
    bench_batch_free(&list->cases[i].batch);
  free(list->cases);
  *list = (struct case_list){0};
}

/* ------------------------------------------------------------------------------------------------ work */

static uint64_t row_bits(struct reference_rows rows, struct reference_scale_rows scales) {
  return rows.dim * dtype_bits(rows.dtype) + scales.packed * dtype_bits(scales.dtype);
}

uint64_t bench_token_bits(const fi_spec *spec) {
  const struct reference_scale_rows none = {.dtype = FI_F32};
  const bool has_own_v = spec->v_source == FI_V_OWN;
  return row_bits(reference_k_rows(spec), reference_k_scale_rows(spec)) +
         row_bits(reference_v_rows(spec), has_own_v ? reference_v_scale_rows(spec) : none);
}

/* What a query token at a place reads by its lists. */
static double listed_tokens(const struct bench_case *what, uint32_t kv_len) {
  const double most = (double)what->listed * what->spec.select;
  return most < kv_len ? most : kv_len;
}

double bench_case_bytes(const struct bench_case *what) {
  double tokens = 0;
  for (uint32_t r = 0; r < what->batch.count; r++) {
    const struct bench_request *request = &what->batch.requests[r];
    if (what->listed) {
      tokens += request->q_len * listed_tokens(what, request->kv_len);
      continue;
    }
    const uint32_t first = visible_first(&what->spec, request->kv_len - request->q_len);
    const uint32_t borrowed = bench_batch_borrowed(&what->batch, r, what->spec.page_size);
    tokens += request->kv_len - (first > borrowed ? first : borrowed);
  }
  return tokens * what->kv_heads * (double)bench_token_bits(&what->spec) / 8;
}

double bench_case_operations(const struct bench_case *what) {
  double pairs = 0;
  for (uint32_t r = 0; r < what->batch.count; r++) {
    const struct bench_request *request = &what->batch.requests[r];
    if (what->listed) {
      pairs += request->q_len * listed_tokens(what, request->kv_len);
      continue;
    }
    pairs += what->spec.mask == FI_MASK_CAUSAL
                 ? visible_pairs(&what->spec, 0, request->kv_len - request->q_len, request->kv_len)
                 : (double)request->q_len * request->kv_len;
  }
  const double heads = (double)what->kv_heads * what->spec.group;
  return 2 * heads * pairs * (what->spec.head_dim + what->spec.v_dim);
}

/* On an H200 700 TFLOP/s stand beside 4.56 TB/s; what is near the ridge waits for memory in practice. */
bool bench_case_is_compute_bound(const struct bench_case *what) {
  enum { OPERATIONS_OF_A_BYTE = 300 };
  return bench_case_operations(what) > OPERATIONS_OF_A_BYTE * bench_case_bytes(what);
}
