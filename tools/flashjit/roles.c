/* A kind of layer and a role make a spec. */
#include "tools/flashjit/roles.h"

#include "tools/flashjit/problem.h"

static const uint32_t tile_rows[] = {16, 32, 64, 128};

enum { TILE_ROWS = sizeof tile_rows / sizeof *tile_rows, LARGE_TILE_ROWS = 64 };

const char *role_name(enum role role) {
  static const char *const names[] = {"prefill", "append", "extend", "decode"};
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

/* A tile of lists has one query token in any case. */
fi_status role_spec(const struct model_layer *layer, uint32_t page_size, enum role role, const char *target,
                    fi_spec *spec) {
  *spec = layer->spec;
  spec->page_size = page_size;
  if (role == ROLE_APPEND)
    spec->op = FI_OP_APPEND;
  else if (role == ROLE_PREFILL && !spec->select)
    spec->rows = most_rows(*spec, target);
  else
    spec->rows = rows_for(role == ROLE_EXTEND && !spec->select ? EXTEND_TOKENS : 1, spec->group);
  return fi_spec_supported(spec, target);
}

bool layer_has_role(const struct model_layer *layer, enum role role) {
  if (layer->layer.is_expanded)
    return role == ROLE_PREFILL;
  return role != ROLE_APPEND || !(layer->layer.shares_kv || layer->layer.is_cross);
}

bool layer_indexer(const struct model_layer *layer, uint32_t page_size, fi_spec *indexer, fi_spec *append) {
  const struct selection *selection = &layer->layer.selection;
  if (selection->index_heads == 0)
    return false;
  fi_spec_init(indexer);
  indexer->op = FI_OP_INDEXER;
  indexer->head_dim = selection->index_dim;
  indexer->group = selection->by_head ? layer->kv_heads : selection->index_heads;
  indexer->scores = selection->by_head ? FI_SCORES_HEADS : FI_SCORES_SUM;
  indexer->select = selection->block;
  indexer->q_dtype = layer->layer.q_dtype;
  indexer->page_size = page_size;
  fi_spec_init(append);
  append->op = FI_OP_APPEND;
  append->head_dim = selection->index_dim;
  append->v_source = FI_V_KEYS;
  append->q_dtype = layer->layer.q_dtype;
  append->page_size = page_size;
  return true;
}

bool layer_indexer_supported(const struct model_layer *layer, uint32_t page_size, const char *target) {
  fi_spec indexer, append;
  const bool has_indexer = layer_indexer(layer, page_size, &indexer, &append);
  if (!has_indexer || (!fi_spec_supported(&indexer, target) && !fi_spec_supported(&append, target)))
    return true;
  return problem_set("%s", fi_last_error());
}

bool layer_supported(const struct model_layer *layer, uint32_t page_size, const char *target) {
  fi_status status = FI_OK;
  fi_spec spec;
  for (enum role role = 0; role < ROLE_COUNT && status == FI_OK; role++) {
    if (layer_has_role(layer, role))
      status = role_spec(layer, page_size, role, target, &spec);
  }
  const char *separator = layer->missing[0] && status ? "; " : "";
  if (status == FI_OK && layer->missing[0] == '\0')
    return true;
  return problem_set("%s%s%s", layer->missing, separator, status ? fi_last_error() : "");
}
