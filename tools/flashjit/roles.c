/* A kind of layer and a role make a spec. */
#include "tools/flashjit/roles.h"

#include "tools/flashjit/problem.h"

#include "generator/tile.h"

static const uint32_t tile_rows[] = {16, 32, 64, 128};

enum { TILE_ROWS = sizeof tile_rows / sizeof *tile_rows };

const char *role_name(enum role role) {
  static const char *const names[] = {"prefill", "append", "extend", "decode", "entries", "indexer", "index keys"};
  return names[role];
}

fi_spec plan_spec(void) {
  fi_spec spec;
  fi_spec_init(&spec);
  spec.op = FI_OP_PLAN;
  return spec;
}

/* What the kernels of a spec of attention need of fi_spec.members of their plan. */
static uint32_t planned_members(const fi_spec *spec, const char *target) {
  fi_spec member;
  if (fi_spec_member(spec, target, 1, &member) == FI_OK)
    return PLAN_OF_SEVERAL;
  return fi_spec_member(spec, target, 0, &member) == FI_OK && member.rows >= LARGE_TILE_ROWS;
}

bool plan_spec_of(const fi_spec *spec, const char *target, fi_spec *plan) {
  *plan = plan_spec();
  if (spec->op != FI_OP_ATTENTION)
    return spec->op == FI_OP_INDEXER || (spec->op == FI_OP_APPEND && spec->slots == FI_SLOTS_NONE);
  plan->prefixes = spec->page_size > 0 ? spec->prefixes : 0;
  if (plan->prefixes || spec->select)
    plan->intervals = 2;
  else
    plan->intervals = spec->kv_start || spec->window_left || spec->window_right || spec->chunk || spec->ranges;
  plan->members = planned_members(spec, target);
  return true;
}

/* The largest tile that has a kernel; the smallest when none has. */
static uint32_t most_rows(fi_spec spec, const char *target) {
  for (int i = TILE_ROWS - 1; i > 0; i--) {
    spec.rows = tile_rows[i];
    if (fi_spec_supported(&spec, target) == FI_OK)
      return spec.rows;
  }
  return tile_rows[0];
}

/* The smallest tile that holds some query tokens of a request. */
static uint32_t rows_for(uint32_t tokens, uint32_t group) {
  for (int i = 0; i < TILE_ROWS; i++) {
    if (tile_rows[i] >= tokens * group)
      return tile_rows[i];
  }
  return tile_rows[TILE_ROWS - 1];
}

/* ------------------------------------------------------------------------------------------------ roles */

uint32_t layer_index_heads(const struct model_layer *layer) {
  const struct selection *selection = &layer->layer.selection;
  return selection->by_head && selection->index_heads > 0 ? layer->kv_heads : selection->index_heads;
}

/* Keys come as they are compared; those of entries go to places that the caller says. */
static void fill_indexer(const struct model_layer *layer, enum role role, fi_spec *spec) {
  const struct selection *selection = &layer->layer.selection;
  const bool is_append = role == ROLE_INDEX_KEYS;
  fi_spec_init(spec);
  spec->op = is_append ? FI_OP_APPEND : FI_OP_INDEXER;
  spec->head_dim = selection->index_dim;
  spec->q_dtype = layer->layer.q_dtype;
  if (is_append) {
    spec->v_source = FI_V_KEYS;
    spec->slots = selection->ratio > 0 ? FI_SLOTS_INT32 : FI_SLOTS_NONE;
    return;
  }
  spec->group = layer_index_heads(layer);
  spec->scores = selection->by_head ? FI_SCORES_HEADS : FI_SCORES_SUM;
  spec->select = selection->block;
}

/* An entry is rotated as the first of its tokens is, wherever it is in the second KV. */
static void fill_entries(fi_spec *spec) {
  spec->op = FI_OP_APPEND;
  spec->slots = FI_SLOTS_INT32;
  if (spec->rope != FI_ROPE_NONE)
    spec->rope_positions = FI_POSITIONS_ARRAY;
}

/* A tile of lists has one query token in any case. */
static void fill_attention(enum role role, const char *target, fi_spec *spec) {
  if (role == ROLE_PREFILL && !spec->select)
    spec->rows = most_rows(*spec, target);
  else
    spec->rows = rows_for(role == ROLE_EXTEND && !spec->select ? EXTEND_TOKENS : 1, spec->group);
}

fi_status role_spec(const struct model_layer *layer, uint32_t page_size, enum role role, const char *target,
                    fi_spec *spec) {
  *spec = layer->spec;
  if (role == ROLE_INDEXER || role == ROLE_INDEX_KEYS)
    fill_indexer(layer, role, spec);
  spec->page_size = page_size;
  if (role < PLAIN_ROLES && layer->layer.selection.ratio > 0)
    spec->second_page = page_size > 0 ? page_size : 1; /* which then has no kernel */
  if (role == ROLE_ENTRIES)
    fill_entries(spec);
  else if (role == ROLE_APPEND)
    spec->op = FI_OP_APPEND;
  else if (role < PLAIN_ROLES)
    fill_attention(role, target, spec);
  return fi_spec_supported(spec, target);
}

bool layer_has_role(const struct model_layer *layer, enum role role) {
  if (layer->layer.is_expanded)
    return role == ROLE_PREFILL;
  if (role == ROLE_ENTRIES)
    return layer->layer.selection.ratio > 0;
  if (role == ROLE_INDEXER || role == ROLE_INDEX_KEYS)
    return layer->layer.selection.index_heads > 0;
  return role != ROLE_APPEND || !(layer->layer.shares_kv || layer->layer.is_cross);
}

/* Why lists have no indexer here; NULL where they have one, or need none. */
static const char *lacks_indexer(const struct selection *selection) {
  if (selection->block == 0 || selection->index_heads > 0 || (selection->ratio > 0 && selection->entries == 0))
    return NULL;
  if (selection->by_head)
    return "it has not as many heads as there are KV heads";
  if (selection->block > 1)
    return "it compares keys that are pooled over groups of tokens, and lists the last group, whole or not";
  return "the config has no heads of it (index_n_heads)";
}

bool layer_indexer_supported(const struct model_layer *layer, uint32_t page_size, const char *target) {
  fi_spec spec;
  const char *lacks = lacks_indexer(&layer->layer.selection);
  if (lacks && layer->layer.attends)
    return problem_set("%s", lacks);
  for (enum role role = ROLE_INDEXER; role < ROLE_COUNT; role++) {
    if (layer_has_role(layer, role) && role_spec(layer, page_size, role, target, &spec))
      return problem_set("%s", fi_last_error());
  }
  return true;
}

bool layer_supported(const struct model_layer *layer, uint32_t page_size, const char *target) {
  fi_status status = FI_OK;
  fi_spec spec;
  for (enum role role = 0; role < ROLE_INDEXER && status == FI_OK; role++) {
    if (layer_has_role(layer, role))
      status = role_spec(layer, page_size, role, target, &spec);
  }
  const char *separator = layer->missing[0] && status ? "; " : "";
  if (status == FI_OK && layer->missing[0] == '\0')
    return true;
  return problem_set("%s%s%s", layer->missing, separator, status ? fi_last_error() : "");
}
