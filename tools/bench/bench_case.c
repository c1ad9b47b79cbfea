/* Cases from text, and what they cost at least. */
#include "tools/bench/bench_case.h"

#include "tests/dtypes.h"
#include "tests/reference.h"
#include "tools/common/number.h"
#include "tools/common/visible.h"
#include "tools/flashjit/problem.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADS = 1024 };

/* Axes whose arrays nobody makes here, but for the default. */
static const struct {
  const char *key;
  size_t offset;
  uint32_t usual;
} bounds[] = {
    {"start", offsetof(fi_spec, kv_start), 0},
    {"ranges", offsetof(fi_spec, ranges), 0},
    {"positions", offsetof(fi_spec, rope_positions), FI_POSITIONS_KV_OFFSET},
    {"snippet", offsetof(fi_spec, snippet), FI_SNIPPET_NONE},
    {"ids", offsetof(fi_spec, page_ids), FI_IDS_INT32},
};

static bool is_indexer(const fi_spec *spec) {
  return spec->op == FI_OP_INDEXER;
}

static bool can_be_timed(const fi_spec *spec, const char *text) {
  if (spec->op != FI_OP_ATTENTION && !is_indexer(spec))
    return problem_set("bench has inputs for attention and indexers alone, not for \"%s\"", text);
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    uint32_t value;
    memcpy(&value, (const char *)spec + bounds[i].offset, sizeof value);
    if (value != 0 && value != bounds[i].usual)
      return problem_set("bench has no inputs for the axis %s of \"%s\"; its default is allowed", bounds[i].key, text);
  }
  return true;
}

/* What a spec leaves to the library, as flashjit.h says of each field, so that work can be counted without a kernel. */
static void fill_defaults(fi_spec *spec) {
  spec->head_dim = spec->head_dim ? spec->head_dim : 128;
  if (is_indexer(spec)) { /* which has keys alone */
    spec->v_source = FI_V_KEYS;
    spec->select = spec->select ? spec->select : 1;
  } else {
    spec->v_dim = spec->v_dim ? spec->v_dim : spec->head_dim;
  }
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

const struct bench_count bench_counts[BENCH_COUNTS] = {
    {"listed", offsetof(struct bench_case, listed), 1 << 20},
    {"ratio", offsetof(struct bench_case, ratio), 1 << 16},
    {"first", offsetof(struct bench_case, first), 1 << 20},
    {"last", offsetof(struct bench_case, last), 1 << 20},
};

static uint32_t *count_at(struct bench_case *what, size_t number) {
  return (uint32_t *)(void *)((char *)what + bench_counts[number].offset);
}

uint32_t bench_case_count(const struct bench_case *what, size_t number) {
  uint32_t count;
  memcpy(&count, (const char *)what + bench_counts[number].offset, sizeof count);
  return count;
}

/* Its query tokens have pages in common, and are requests of their own. */
static bool can_have_entries(const struct bench_case *what) {
  bool is_plain = what->spec.page_size > 0 && what->batch.room.q_len == 0;
  for (uint32_t r = 0; r < what->batch.count; r++)
    is_plain &= what->batch.requests[r].shared == 0;
  if (bench_batch_tokens(&what->batch) > BENCH_MOST_REQUESTS)
    return problem_set("batch %s has %llu query tokens; with a ratio each is a request, of which there may be %d",
                       what->batch.text, (unsigned long long)bench_batch_tokens(&what->batch), BENCH_MOST_REQUESTS);
  return is_plain || problem_set("\"%s\" has a ratio with batch %s; an indexer takes one with pages, and batches that "
                                 "share no tokens and have no room",
                                 what->spec_text, what->batch.text);
}

/* What is listed anyway. */
static bool check_ends(const struct bench_case *what) {
  const uint64_t ends = (uint64_t)what->first + what->last;
  if (ends > 0 && !is_indexer(&what->spec))
    return problem_set("\"%s\" has first or last blocks; indexers take such, other specs do not", what->spec_text);
  return ends <= what->listed || problem_set("\"%s\" has %u first and %u last blocks in lists of %u", what->spec_text,
                                             what->first, what->last, what->listed);
}

bool bench_case_list(struct bench_case *what, const uint32_t counts[BENCH_COUNTS]) {
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    *count_at(what, i) = counts[i];
  if (is_indexer(&what->spec) && what->listed == 0)
    return problem_set("\"%s\" has no number of listed blocks (listed); an indexer takes one", what->spec_text);
  if ((what->spec.select > 0) != (what->listed > 0))
    return problem_set("\"%s\" has %s; specs with select go with a number of blocks (listed), other specs do not",
                       what->spec_text,
                       what->listed > 0 ? "listed blocks without select" : "select without listed blocks");
  if (what->spec.second_page == 0 && what->ratio > 0 && !is_indexer(&what->spec))
    return problem_set("\"%s\" has a ratio of %u without a second KV; specs with second and indexers take one, other "
                       "specs do not",
                       what->spec_text, what->ratio);
  if (what->spec.second_page > 0 && what->ratio == 0)
    what->ratio = BENCH_RATIO;
  return check_ends(what) && (!is_indexer(&what->spec) || what->ratio == 0 || can_have_entries(what));
}

bool bench_case_launched(const struct bench_case *what, struct bench_case *launched) {
  const bool is_of_entries = is_indexer(&what->spec) && what->ratio > 0;
  *launched = *what;
  if (!is_of_entries)
    return bench_batch_copy(&launched->batch, &what->batch);
  launched->ratio = 0;
  return bench_batch_of_entries(&launched->batch, &what->batch, what->ratio);
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

/* What a line says beside the spec; NULL: nothing. */
struct words {
  const char *heads;
  const char *batch;
  const char *counts[BENCH_COUNTS];
};

/* Where the value of a word goes; NULL of one that is of the spec. */
static const char **place_of(struct words *words, const char *word, const char **name) {
  const struct {
    const char *key;
    const char **value;
  } others[] = {{"heads", &words->heads}, {"batch", &words->batch}};
  for (size_t i = 0; i < BENCH_COUNTS; i++) {
    *name = bench_counts[i].name;
    if (value_of(word, *name))
      return &words->counts[i];
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    *name = others[i].key;
    if (value_of(word, *name))
      return others[i].value;
  }
  return NULL;
}

/* Splits the words of a line, which it overwrites, into the spec and what is not of it. */
static bool split(char *line, char *spec, size_t size, struct words *words) {
  bool fits = true;
  char *rest = line;
  spec[0] = '\0';
  for (char *word = strtok_r(line, " \t\r\n", &rest); word && fits; word = strtok_r(NULL, " \t\r\n", &rest)) {
    const char *name;
    const char **place = place_of(words, word, &name);
    if (place && *place)
      return problem_set("%s is given twice", name);
    if (place)
      *place = value_of(word, name);
    else
      fits = append_word(spec, size, word);
  }
  return fits;
}

/* A number of the line from 1 on; what is not there is 0. */
static bool take_number(const char *name, const char *text, uint32_t most, uint32_t *number) {
  uint64_t value = 0;
  if (text && !parse_number(text, 1, most, &value))
    return problem_set("%s is \"%s\"; allowed are 1 to %u", name, text, most);
  *number = (uint32_t)value;
  return true;
}

static bool take_counts(struct bench_case *what, const struct words *words) {
  uint32_t counts[BENCH_COUNTS];
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    if (!take_number(bench_counts[i].name, words->counts[i], bench_counts[i].most, &counts[i]))
      return false;
  return bench_case_list(what, counts);
}

bool bench_case_parse(struct bench_case *what, const char *line) {
  char copy[CASE_TEXT_SIZE];
  char text[FI_SPEC_TEXT_SIZE];
  struct words words = {0};
  uint32_t kv_heads = 0;
  fi_spec spec;
  struct bench_batch batch;
  *what = (struct bench_case){0};
  if (strlen(line) >= sizeof copy)
    return problem_set("the case is longer than %zu characters", sizeof copy - 1);
  snprintf(copy, sizeof copy, "%s", line);
  if (!split(copy, text, sizeof text, &words))
    return false;
  if (!words.batch)
    return problem_set("\"%s\" has no batch=, such as batch=8q1s1k", line);
  if (!take_number("heads", words.heads ? words.heads : "8", MOST_HEADS, &kv_heads))
    return false;
  if (fi_spec_parse(text, &spec))
    return problem_set("%s", fi_last_error());
  if (!bench_batch_parse(&batch, words.batch))
    return false;
  const bool made = bench_case_make(what, &spec, kv_heads, &batch);
  bench_batch_free(&batch);
  if (!made || take_counts(what, &words))
    return made;
  bench_batch_free(&what->batch);
  return false;
}

void bench_case_text(const struct bench_case *what, char text[CASE_TEXT_SIZE]) {
  int used = snprintf(text, CASE_TEXT_SIZE, "%s heads=%u", what->spec_text, what->kv_heads);
  for (size_t i = 0; i < BENCH_COUNTS; i++)
    if (bench_case_count(what, i))
      used += snprintf(text + used, CASE_TEXT_SIZE - (size_t)used, " %s=%u", bench_counts[i].name,
                       bench_case_count(what, i));
  snprintf(text + used, CASE_TEXT_SIZE - (size_t)used, " batch=%s", what->batch.text);
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

uint32_t bench_case_entries(const struct bench_case *what, uint32_t request) {
  return what->ratio > 0 ? what->batch.requests[request].kv_len / what->ratio : 0;
}

uint32_t bench_case_seen(const struct bench_case *what, uint32_t request, uint32_t i) {
  const struct bench_request *of = &what->batch.requests[request];
  const uint32_t place = what->spec.mask == FI_MASK_CAUSAL ? of->kv_len - of->q_len + i : of->kv_len - 1;
  return what->ratio > 0 ? (place + 1) / what->ratio : place / what->spec.select + 1;
}

/* Entries that the query tokens of a request see, each of them so many at most. */
static double seen_entries(const struct bench_case *what, uint32_t request, double most) {
  double entries = 0;
  for (uint32_t i = 0; i < what->batch.requests[request].q_len; i++)
    entries += fmin(most, bench_case_seen(what, request, i));
  return entries;
}

/* Tokens, or entries, that the query tokens of a request read by their lists. */
static double listed_tokens(const struct bench_case *what, uint32_t request) {
  const struct bench_request *of = &what->batch.requests[request];
  const double most = (double)what->listed * what->spec.select;
  return what->ratio > 0 ? seen_entries(what, request, what->listed) : of->q_len * fmin(most, of->kv_len);
}

/* Without lists, or beside those of a second KV. */
static double shown_tokens(const struct bench_case *what, uint32_t request) {
  const struct bench_request *of = &what->batch.requests[request];
  const uint32_t first = visible_first(&what->spec, of->kv_len - of->q_len);
  const uint32_t borrowed = bench_batch_borrowed(&what->batch, request, what->spec.page_size);
  return of->kv_len - (first > borrowed ? first : borrowed);
}

static double shown_pairs(const struct bench_case *what, uint32_t request) {
  const struct bench_request *of = &what->batch.requests[request];
  return visible_pairs(&what->spec, 0, of->kv_len - of->q_len, of->kv_len);
}

/* Of a request, tokens of KV that are read, .. */
static double tokens_read(const struct bench_case *what, uint32_t request) {
  if (is_indexer(&what->spec))
    return what->ratio > 0 ? bench_case_entries(what, request) : shown_tokens(what, request);
  const double listed = what->listed ? listed_tokens(what, request) : 0;
  return listed + (!what->listed || what->ratio > 0 ? shown_tokens(what, request) : 0);
}

/* .. and those that each of its query tokens is held against. */
static double pairs_of(const struct bench_case *what, uint32_t request) {
  if (is_indexer(&what->spec))
    return what->ratio > 0 ? seen_entries(what, request, INFINITY) : shown_pairs(what, request);
  const double listed = what->listed ? listed_tokens(what, request) : 0;
  return listed + (!what->listed || what->ratio > 0 ? shown_pairs(what, request) : 0);
}

double bench_case_bytes(const struct bench_case *what) {
  double tokens = 0;
  for (uint32_t r = 0; r < what->batch.count; r++)
    tokens += tokens_read(what, r);
  return tokens * what->kv_heads * (double)bench_token_bits(&what->spec) / 8;
}

double bench_case_operations(const struct bench_case *what) {
  double pairs = 0;
  for (uint32_t r = 0; r < what->batch.count; r++)
    pairs += pairs_of(what, r);
  const double heads = (double)what->kv_heads * what->spec.group;
  return 2 * heads * pairs * (what->spec.head_dim + what->spec.v_dim);
}

/* On an H200 700 TFLOP/s stand beside 4.56 TB/s; what is near the ridge waits for memory in practice. */
bool bench_case_is_compute_bound(const struct bench_case *what) {
  enum { OPERATIONS_OF_A_BYTE = 300 };
  return bench_case_operations(what) > OPERATIONS_OF_A_BYTE * bench_case_bytes(what);
}
