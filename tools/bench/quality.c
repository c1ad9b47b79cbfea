/* Draws K, V and Q, quantises, and attends. */
#include "tools/bench/quality.h"

#include "flashjit.h"
#include "tests/dtypes.h"
#include "tools/bench/bench_row.h"
#include "tools/bench/quantize.h"
#include "tools/common/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 128, TOKENS = 1024, QUERIES = 64, OUTLIERS = 4 };

/* A type of K and V in the cache, and how its scales are. */
struct kind {
  const char *kv;
  const char *scales;
  struct quantizing k;
  struct quantizing v;
  double bits;
  bool has_head_scale; /* with which the largest element becomes the type's largest number */
};

static const struct kind kinds[] = {
    {"e4m3", "none", {FI_E4M3, 0, 0}, {FI_E4M3, 0, 0}, 8, false},
    {"e4m3", "of the head", {FI_E4M3, 0, 0}, {FI_E4M3, 0, 0}, 8, true},
    {"e5m2", "none", {FI_E5M2, 0, 0}, {FI_E5M2, 0, 0}, 8, false},
    {"int8", "of tokens", {FI_I8, 0, 0}, {FI_I8, 0, 0}, 8 + 32.0 / DIM, false},
    {"int8/int4", "of tokens/of 32", {FI_I8, 0, 0}, {FI_I4, 32, 0}, 6 + 16.0 / DIM + 0.25, false},
    {"int4", "of 16", {FI_I4, 16, 0}, {FI_I4, 16, 0}, 5, false},
    {"int4", "of 32", {FI_I4, 32, 0}, {FI_I4, 32, 0}, 4.5, false},
    {"int4", "of 64", {FI_I4, 64, 0}, {FI_I4, 64, 0}, 4.25, false},
    {"nvfp4", "of 16", {FI_NVFP4, 16, 0}, {FI_NVFP4, 16, 0}, 4.5, false},
};

/* One head. Row-major. */
struct head {
  double k[TOKENS * DIM];
  double v[TOKENS * DIM];
  double q[QUERIES * DIM];
  double factors[DIM]; /* of the channels of K */
};

/* Elements of bf16, as append is given them. False without memory. */
static bool draw(random_state *random, double *values, size_t rows, const double *factors, double direction) {
  uint16_t *drawn = malloc(rows * DIM * sizeof *drawn);
  if (drawn)
    random_normal(random, FI_BF16, drawn, rows * DIM);
  for (size_t i = 0; i < rows * DIM && drawn; i++) {
    uint16_t element;
    dtype_encode(FI_BF16, dtype_decode(FI_BF16, drawn, i) * pow(factors[i % DIM], direction), &element, 0);
    values[i] = dtype_decode(FI_BF16, &element, 0);
  }
  const bool has_drawn = drawn;
  free(drawn);
  return has_drawn;
}

/*
 * Q is as much smaller in outlier channels as K is larger: scores are those of the random K, neither all alike nor one
 * of them alone, as trained models keep them.
 */
static bool draw_head(struct head *head, random_state *random, bool has_outliers) {
  double all_one[DIM];
  for (int d = 0; d < DIM; d++)
    all_one[d] = head->factors[d] = 1;
  for (int i = 0; i < OUTLIERS && has_outliers; i++)
    head->factors[random_below(random, DIM / OUTLIERS) + (uint32_t)i * (DIM / OUTLIERS)] =
        20 * pow(5, (double)i / (OUTLIERS - 1)); /* from 20 to 100 */
  return draw(random, head->k, TOKENS, head->factors, 1) && draw(random, head->q, QUERIES, head->factors, -1) &&
         draw(random, head->v, TOKENS, all_one, 1);
}

/* ------------------------------------------------------------------------------------------------ attention */

static double product(const double *a, const double *b) {
  double sum = 0;
  for (int d = 0; d < DIM; d++)
    sum += a[d] * b[d];
  return sum;
}

static void attend(const struct head *head, const double *query, double *o) {
  double weights[TOKENS];
  double most = -INFINITY;
  double sum = 0;
  for (int t = 0; t < TOKENS; t++) {
    weights[t] = product(query, head->k + (ptrdiff_t)t * DIM) / sqrt(DIM);
    most = fmax(most, weights[t]);
  }
  memset(o, 0, DIM * sizeof *o);
  for (int t = 0; t < TOKENS; t++) {
    const double weight = exp(weights[t] - most);
    sum += weight;
    for (int d = 0; d < DIM; d++)
      o[d] += weight * head->v[t * DIM + d];
  }
  for (int d = 0; d < DIM; d++)
    o[d] /= sum;
}

/* ------------------------------------------------------------------------------------------------ errors */

/* ||a - b|| / ||b|| over the channels that have a factor of at most `most`. */
static double error_of(const double *a, const double *b, size_t rows, const double *factors, double most) {
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < rows * DIM; i++) {
    if (factors[i % DIM] > most)
      continue;
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return sqrt(difference / norm);
}

static void quantize(const struct kind *kind, struct quantizing quantizing, double *values) {
  double largest = 0;
  for (size_t i = 0; i < TOKENS * DIM && kind->has_head_scale; i++)
    largest = fmax(largest, fabs(values[i]));
  quantizing.scale = largest / dtype_largest(quantizing.dtype);
  for (size_t t = 0; t < TOKENS; t++)
    quantize_row(&quantizing, values + t * DIM, DIM);
}

struct errors {
  double k;
  double plain; /* of the channels that are no outliers */
  double o;
};

static struct errors measure(const struct kind *kind, const struct head *exact, struct head *quantized) {
  struct errors errors;
  double difference = 0;
  double norm = 0;
  *quantized = *exact;
  quantize(kind, kind->k, quantized->k);
  quantize(kind, kind->v, quantized->v);
  errors.k = error_of(quantized->k, exact->k, TOKENS, exact->factors, INFINITY);
  errors.plain = error_of(quantized->k, exact->k, TOKENS, exact->factors, 1);
  for (int i = 0; i < QUERIES; i++) {
    double got[DIM];
    double right[DIM];
    attend(quantized, exact->q + (ptrdiff_t)i * DIM, got);
    attend(exact, exact->q + (ptrdiff_t)i * DIM, right);
    for (int d = 0; d < DIM; d++) {
      difference += (got[d] - right[d]) * (got[d] - right[d]);
      norm += right[d] * right[d];
    }
  }
  errors.o = sqrt(difference / norm);
  return errors;
}

json_t *quality_rows(uint64_t seed) {
  struct head *heads = calloc(3, sizeof *heads); /* random, with outliers, quantised */
  random_state random = seed;
  const bool drawn = heads && draw_head(&heads[0], &random, false) && draw_head(&heads[1], &random, true);
  json_t *rows = drawn ? json_array() : NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && rows; i++) {
    const struct errors plain = measure(&kinds[i], &heads[0], &heads[2]);
    const struct errors outliers = measure(&kinds[i], &heads[1], &heads[2]);
    json_array_append_new(rows, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "kv", kinds[i].kv, "scales",
                                          kinds[i].scales, "bits", kinds[i].bits, "k_random", plain.k, "o_random",
                                          plain.o, "k_outliers", outliers.k, "plain_outliers", outliers.plain,
                                          "o_outliers", outliers.o));
  }
  free(heads);
  return rows;
}

/* ------------------------------------------------------------------------------------------------ table */

static void text_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  snprintf(text, BENCH_CELL, "%s", bench_row_text(row, key));
}

static void bits_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  snprintf(text, BENCH_CELL, "%.3g", bench_row_number(row, key));
}

static void error_cell(const json_t *row, const char *key, char text[BENCH_CELL]) {
  snprintf(text, BENCH_CELL, "%.1e", bench_row_number(row, key));
}

static void print_title(FILE *file, const json_t *head) {
  (void)head;
  fprintf(file,
          "Relative norms of the errors that quantising KV makes, against bf16: head dim %d, %d tokens, %d queries.\n"
          "With outliers %d channels of K are 20 to 100 times larger; \"other channels\" are the rest of that K.\n\n",
          DIM, TOKENS, QUERIES, OUTLIERS);
}

static const struct bench_column columns[] = {
    {"KV", "kv", text_cell, true, false},
    {"scales", "scales", text_cell, true, false},
    {"bits", "bits", bits_cell, false, false},
    {"random: K", "k_random", error_cell, false, false},
    {"O", "o_random", error_cell, false, false},
    {"outliers: K", "k_outliers", error_cell, false, false},
    {"other channels", "plain_outliers", error_cell, false, false},
    {"O", "o_outliers", error_cell, false, false},
};

static const char *const csv_keys[] = {"kv",         "scales",         "bits",       "k_random", "o_random",
                                       "k_outliers", "plain_outliers", "o_outliers", NULL};

const struct bench_layout bench_quality = {
    .columns = columns,
    .count = sizeof columns / sizeof *columns,
    .csv_keys = csv_keys,
    .print_title = print_title,
};
