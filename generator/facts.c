/* The names of templates. */
#include "facts.h"

#include "derived.h"
#include "family.h"

#include <stdio.h>
#include <string.h>

struct tile_field {
  const char *name;
  size_t offset;
  const char *meaning;
};

#define FIELD(name) #name, offsetof(struct tile, name)

/* What every tile has; the rest are numbers of its family. */
static const struct tile_field tile_fields[] = {
    {FIELD(threads), "of a CTA"},
    {FIELD(ctas_per_sm), "CTAs that share an SM"},
    {FIELD(rows), "of the tile: query tokens x group"},
    {FIELD(group_shares), "tiles that divide the query heads of a KV head"},
    {FIELD(tokens), "query tokens of the tile"},
    {FIELD(teams), "each takes its own KV tokens"},
    {FIELD(team_tokens), "KV tokens of a team in one step"},
    {FIELD(start_tokens), "steps begin at multiples of so many KV tokens"},
    {FIELD(stages), "steps of KV in the ring"},
    {FIELD(shared_bytes), "bytes of dynamic shared memory"},
};

enum { TILE_FIELDS = sizeof tile_fields / sizeof *tile_fields, CONSTANT_SIZE = 48, COMMENT_COLUMN = 40 };

static bool same(const char *name, const char *text, size_t size) {
  return strlen(name) == size && memcmp(name, text, size) == 0;
}

static uint32_t field_value(const struct tile_field *field, const struct tile *tile) {
  uint32_t value;
  memcpy(&value, (const char *)tile + field->offset, sizeof value);
  return value;
}

static bool find_tile_field(const struct tile *tile, const char *name, size_t size, int64_t *value) {
  for (size_t i = 0; i < TILE_FIELDS; i++) {
    if (same(tile_fields[i].name, name, size)) {
      *value = field_value(&tile_fields[i], tile);
      return true;
    }
  }
  return false;
}

static bool find_number(const struct tile *tile, const char *name, size_t size, int64_t *value) {
  const struct tile_number *number = tile_find(tile, name, size);
  *value = number ? number->value : 0;
  return number;
}

/* A fact of the tile takes the place of an axis of its name. */
static bool find_tile_fact(const struct tile *tile, const char *name, size_t size, int64_t *value) {
  return find_tile_field(tile, name, size, value) || find_number(tile, name, size, value);
}

static bool find_derived(const fi_spec *spec, const char *name, size_t size, int64_t *value) {
  const struct derived *derived;
  for (uint32_t i = 0; (derived = derived_at(i)); i++) {
    if (same(derived->name, name, size)) {
      *value = derived->value(spec);
      return true;
    }
  }
  return false;
}

static bool find_target_fact(const struct target *target, const char *name, size_t size, int64_t *value) {
  const struct {
    const char *name;
    uint32_t value;
  } rows[] = {{"arch", target->arch}, {"fp8_convert", target->fp8_convert}, {"overlaps", target->overlaps}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (same(rows[i].name, name, size)) {
      *value = rows[i].value;
      return true;
    }
  }
  return false;
}

bool facts_find(const struct facts *facts, const char *name, size_t size, struct fact *fact) {
  *fact = (struct fact){0};
  /* The tile comes first: it has the rows too, and helper kernels have a tile whose rows are not the spec's. */
  if (find_tile_fact(facts->tile, name, size, &fact->value) || find_derived(facts->spec, name, size, &fact->value))
    return true;
  fact->axis = axis_find_field(name, size);
  if (fact->axis) {
    /* A kernel is of the family that its tile is of, whether the spec names it or not. */
    fact->value = same("family", name, size) ? facts->tile->family->number : axis_get(fact->axis, facts->spec);
    return true;
  }
  return find_target_fact(facts->target, name, size, &fact->value);
}

/* Writes the constant of a name: kv_bytes is kKvBytes. */
static void constant_name(const char *name, char constant[CONSTANT_SIZE]) {
  size_t used = 0;
  constant[used++] = 'k';
  bool upper = true;
  for (; *name && used < CONSTANT_SIZE - 1; name++) {
    if (*name != '_')
      constant[used++] = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
    upper = *name == '_';
  }
  constant[used] = '\0';
}

static void print_constant(const char *name, uint32_t value, const char *value_name, const char *meaning,
                           struct text *text) {
  char constant[CONSTANT_SIZE];
  char line[2 * CONSTANT_SIZE];
  constant_name(name, constant);
  snprintf(line, sizeof line, "constexpr int %s = %u;", constant, value);
  text_print(text, "%-*s /* %s%s%s */\n", COMMENT_COLUMN, line, value_name ? value_name : "", value_name ? ": " : "",
             meaning);
}

void facts_print_constants(const struct facts *facts, struct text *text) {
  const struct axis *axis;
  int64_t value;
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    const uint32_t choice = axis_get(axis, facts->spec);
    if (!find_tile_fact(facts->tile, axis->field, strlen(axis->field), &value))
      print_constant(axis->field, choice, axis_value_name(axis, choice), axis->meaning, text);
  }
  const struct derived *derived;
  for (uint32_t i = 0; (derived = derived_at(i)); i++)
    print_constant(derived->name, derived->value(facts->spec), NULL, derived->meaning, text);
  text_print(text, "\n");
  for (size_t i = 0; i < TILE_FIELDS; i++)
    print_constant(tile_fields[i].name, field_value(&tile_fields[i], facts->tile), NULL, tile_fields[i].meaning, text);
  for (uint32_t i = 0; i < facts->tile->number_count; i++) {
    const struct tile_number *number = &facts->tile->numbers[i];
    print_constant(number->name, number->value, NULL, number->meaning, text);
  }
}
