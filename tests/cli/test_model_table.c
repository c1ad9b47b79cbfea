/*
 * The default config of every decoder class of a library of models, and published configs, against a table: what each
 * kind of layer computes. make_model_table.py makes the former.
 */
#include "models.h"

#include "files.h"
#include "tools/flashjit/model/architectures.h"
#include "tools/flashjit/python_json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------- one kind of the table */

static double number(const json_t *object, const char *key) {
  return json_number_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key) {
  const char *found = json_string_value(json_object_get(object, key));
  return found ? found : "";
}

static bool is_near(double a, double b) {
  return fabs(a - b) <= 1e-6 * fabs(b);
}

static bool rope_is_equal(const struct rope *rope, const json_t *expected) {
  if (!json_is_array(expected))
    return rope->pairing == FI_ROPE_NONE;
  const char *pairing = rope->pairing == FI_ROPE_HALF ? "half" : "interleaved";
  return rope->pairing != FI_ROPE_NONE && strcmp(pairing, json_string_value(json_array_get(expected, 0))) == 0 &&
         rope->dims == json_number_value(json_array_get(expected, 1)) &&
         is_near(rope->theta, json_number_value(json_array_get(expected, 2))) &&
         strcmp(rope->type_name, json_string_value(json_array_get(expected, 3))) == 0;
}

static bool is_equal(const struct model_layer *kind, const json_t *expected) {
  const struct layer *layer = &kind->layer;
  const json_t *heads = json_object_get(expected, "heads");
  if (strcmp(kind->kind, text(expected, "kind")) != 0 || kind->count != number(expected, "count") ||
      layer->attends != (heads != NULL))
    return false;
  if (!heads)
    return true;
  const uint32_t shape[] = {layer->query_heads, layer->kv_heads, layer->head_dim, layer->v_dim};
  for (size_t i = 0; i < 4; i++) {
    if (shape[i] != json_number_value(json_array_get(heads, i)))
      return false;
  }
  const bool has_mask = strcmp(text(expected, "mask"), "causal") == 0;
  return has_mask == (layer->mask == LAYER_CAUSAL) && layer->latent.rank == number(expected, "latent") &&
         layer->window == number(expected, "window") && layer->chunk == number(expected, "chunk") &&
         is_near(layer->softcap, number(expected, "softcap")) && is_near(layer->scale, number(expected, "scale")) &&
         layer->has_sinks == json_is_true(json_object_get(expected, "sinks")) &&
         layer->shares_kv == json_is_true(json_object_get(expected, "shares_kv")) &&
         rope_is_equal(&layer->rope, json_object_get(expected, "rope"));
}

static bool is_dense(const char *kind) {
  return strcmp(kind, "mlp") == 0;
}

/*
 * Feed-forward layers of their own do not count: some configs have them, and some leave them out. Nor does the prefill
 * of latent attention, whose shape is in the row of the kind before it.
 */
static bool has_row(const struct model *model, uint32_t i) {
  const struct model_layer *kind = &model->layers[i];
  if (kind->layer.is_expanded)
    cr_expect(model->layers[i - 1].layer.latent.rank > 0 && kind->layer.head_dim == kind[-1].layer.head_dim &&
              kind->layer.v_dim == kind[-1].layer.v_dim && kind->count == kind[-1].count);
  return !is_dense(kind->kind) && !kind->layer.is_expanded;
}

static void expect_kinds(const struct model *model, const char *name, const char *form, const json_t *expected) {
  uint32_t at = 0;
  size_t index;
  json_t *kind;
  json_array_foreach((json_t *)expected, index, kind) {
    if (is_dense(text(kind, "kind")))
      continue;
    while (at < model->kinds && !has_row(model, at))
      at++;
    char line[512] = "none";
    if (at < model->kinds)
      layer_text(&model->layers[at].layer, line, sizeof line);
    cr_expect(at < model->kinds && is_equal(&model->layers[at], kind), "%s (%s): kind %u is %u layers of %s, %s", name,
              form, at, at < model->kinds ? model->layers[at].count : 0,
              at < model->kinds ? model->layers[at].kind : "", line);
    at++;
  }
  while (at < model->kinds && !has_row(model, at))
    at++;
  cr_expect_eq(at, model->kinds, "%s (%s): %u kinds", name, form, model->kinds);
}

/* ------------------------------------------------------------------------------------------------ the table */

typedef void row_function(const json_t *row);

static void for_each_row(const char *path, size_t least, row_function *function) {
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t room = 0;
  size_t rows = 0;
  ssize_t length;
  cr_assert_not_null(file, "%s", path);
  while ((length = getline(&line, &room, file)) > 0) {
    json_error_t error;
    json_t *row = python_json_parse(line, (size_t)length, &error);
    cr_assert_not_null(row, "%s:%zu: %s", path, rows + 1, error.text);
    function(row);
    json_decref(row);
    rows++;
  }
  free(line);
  fclose(file);
  cr_expect_geq(rows, least, "%zu rows", rows);
}

/* A config file of the row's fields, and of its model_type alone. */
static void check_default(const json_t *row) {
  char alone[128];
  const char *type = text(row, "model_type");
  const json_t *kinds = json_object_get(row, "kinds");
  char *whole = json_dumps(json_object_get(row, "config"), 0);
  snprintf(alone, sizeof alone, "{\"model_type\": \"%s\"}", type);
  const struct model *model = read_text(whole);
  cr_expect(model->is_known, "%s", type);
  expect_kinds(model, type, "whole", kinds);
  expect_kinds(read_text(alone), type, "alone", kinds);
  free(whole);
}

Test(model_table, defaults_of_decoder_classes) {
  for_each_row(TEST_DATA "/models/defaults.jsonl", 190, check_default);
}

/* What their makers publish, by hand from their papers and code. */
static const struct {
  const char *name;
  const char *kind;
  uint32_t count;
  const char *line;
  const char *missing;
} published[] = {
#define PUBLISHED(name, kind, count, line, missing) {name, kind, count, line, missing},
#include "published.def"
};

enum { PUBLISHED_KINDS = sizeof published / sizeof *published };

static bool seen[PUBLISHED_KINDS];

static void check_published(const json_t *row) {
  const char *name = text(row, "name");
  char *whole = json_dumps(json_object_get(row, "config"), 0);
  const struct model *model = read_text(whole);
  free(whole);
  cr_expect(model->is_known, "%s", name);
  for (uint32_t i = 0; i < model->kinds; i++) {
    const struct model_layer *kind = &model->layers[i];
    char line[512];
    size_t at = 0;
    layer_text(&kind->layer, line, sizeof line);
    while (at < PUBLISHED_KINDS && (strcmp(published[at].name, name) != 0 || strcmp(published[at].line, line) != 0))
      at++;
    cr_assert_lt(at, PUBLISHED_KINDS, "PUBLISHED(\"%s\", \"%s\", %u, \"%s\", \"%s\")", name, kind->kind, kind->count,
                 line, kind->missing);
    cr_expect_eq(kind->count, published[at].count, "%s: %u of %s", name, kind->count, line);
    cr_expect_str_eq(kind->kind, published[at].kind);
    cr_expect_str_eq(kind->missing, published[at].missing);
    seen[at] = true;
  }
}

Test(model_table, published_configs) {
  for_each_row(TEST_DATA "/models/published.jsonl", 19, check_published);
  for (size_t i = 0; i < PUBLISHED_KINDS; i++)
    cr_expect(seen[i], "%s has no %s", published[i].name, published[i].kind);
}

/* ------------------------------------------------------------------------------------------------ the rows */

/* Each row of the architectures is JSON, and those that it is like are rows. */
Test(model_table, rows_are_json) {
  for (size_t i = 0; architecture_name(i); i++) {
    bool is_known;
    json_t *row = architecture_defaults(architecture_name(i), NULL, &is_known);
    cr_expect(is_known && json_is_object(row), "%s", architecture_name(i));
    const char *like = text(row, "@like");
    json_t *base = architecture_defaults(like, NULL, &is_known);
    cr_expect(!like[0] || is_known, "%s is like %s", architecture_name(i), like);
    json_decref(base);
    json_decref(row);
  }
}
