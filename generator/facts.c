/* The names of templates. */
#include "facts.h"

#include <stdio.h>
#include <string.h>

struct tile_field {
  const char *name;
  size_t offset;
  const char *meaning;
};

#define FIELD(name) #name, offsetof(struct tile, name)

static const struct tile_field tile_fields[] = {
    {FIELD(threads), "of a CTA"},
    {FIELD(ctas_per_sm), "CTAs that share an SM"},
    {FIELD(rows), "of the tile: query tokens x group"},
    {FIELD(tokens), "query tokens of the tile"},
    {FIELD(row_warps), "warps of a team, which divide the rows"},
    {FIELD(row_blocks), "16-row blocks of a warp"},
    {FIELD(teams), "each takes its own KV tokens"},
    {FIELD(team_tokens), "KV tokens of a team in one step"},
    {FIELD(stages), "steps of KV in the ring"},
    {FIELD(kv_bytes), "of a stored element of K or V"},
    {FIELD(kv_pitch), "bytes from row to row of a K or V tile"},
    {FIELD(wide_pitch), "bytes from row to row of a tile of 16-bit elements"},
    {FIELD(query_registers), "1: Q stays in registers"},
    {FIELD(loader_shared), "1: a thread's KvLoader is in shared memory"},
    {FIELD(shared_rings), "byte offset in shared memory: the rings of KV stages"},
    {FIELD(shared_query), "the tile of Q"},
    {FIELD(shared_rotated), "K after rotation, one tile a team"},
    {FIELD(shared_state), "row maxima and sums of the teams"},
    {FIELD(shared_items), "work items with the rows of their tiles"},
    {FIELD(shared_ready), "first of the units to merge"},
    {FIELD(shared_loaders), "each thread's KvLoader"},
    {FIELD(shared_bytes), "bytes of dynamic shared memory"},
};

enum { TILE_FIELDS = sizeof tile_fields / sizeof *tile_fields, CONSTANT_SIZE = 48, COMMENT_COLUMN = 40 };

_Static_assert(sizeof(struct tile) == TILE_FIELDS * sizeof(uint32_t),
               "tile_fields has a row for each field of the tile");

static const struct tile_field *find_tile_field(const char *name, size_t size) {
  for (size_t i = 0; i < TILE_FIELDS; i++) {
    if (strlen(tile_fields[i].name) == size && memcmp(tile_fields[i].name, name, size) == 0)
      return &tile_fields[i];
  }
  return NULL;
}

static uint32_t tile_value(const struct tile_field *field, const struct tile *tile) {
  uint32_t value;
  memcpy(&value, (const char *)tile + field->offset, sizeof value);
  return value;
}

static bool find_target_fact(const struct target *target, const char *name, size_t size, int64_t *value) {
  const struct {
    const char *name;
    uint32_t value;
  } rows[] = {{"arch", target->arch}, {"fp8_convert", target->fp8_convert}, {"overlaps", target->overlaps}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0) {
      *value = rows[i].value;
      return true;
    }
  }
  return false;
}

bool facts_find(const struct facts *facts, const char *name, size_t size, struct fact *fact) {
  *fact = (struct fact){0};
  /* The tile comes first: it has the rows too, and helper kernels have a tile whose rows are not the spec's.
   */
  const struct tile_field *field = find_tile_field(name, size);
  if (field) {
    fact->value = tile_value(field, facts->tile);
    return true;
  }
  fact->axis = axis_find_field(name, size);
  if (fact->axis) {
    fact->value = axis_get(fact->axis, facts->spec);
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
  for (uint32_t i = 0; (axis = axis_at(i)); i++) {
    const uint32_t value = axis_get(axis, facts->spec);
    if (!find_tile_field(axis->field, strlen(axis->field)))
      print_constant(axis->field, value, axis_value_name(axis, value), axis->meaning, text);
  }
  text_print(text, "\n");
  for (size_t i = 0; i < TILE_FIELDS; i++)
    print_constant(tile_fields[i].name, tile_value(&tile_fields[i], facts->tile), NULL, tile_fields[i].meaning, text);
}
