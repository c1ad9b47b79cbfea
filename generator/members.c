/* The members of a spec without rows: tiles of the fewest rows, for decoding, and of more and more, up to prompts. */
#include "members.h"

#include "error.h"
#include "family.h"
#include "spec.h"
#include "tile_choice.h"

/* Besides the fewest. */
static const uint32_t more_rows[] = {32, 64, 128};

static bool may_divide(const fi_spec *canonical) {
  return canonical->op == FI_OP_ATTENTION && canonical->rows == 0;
}

/*
 * Whether a tile of more rows takes no more time than one of fewer: for its arithmetic, since both read the same, and
 * for its launch. Then nothing is ever for the one of fewer.
 */
static bool outdoes(const struct tile *wider, const struct tile *tile) {
  const struct family_costs *own = &wider->family->costs;
  const struct family_costs *other = &tile->family->costs;
  return (uint64_t)wider->rows * wider->group_shares * other->flops_percent <=
             (uint64_t)tile->rows * tile->group_shares * own->flops_percent &&
         own->launch_ns[family_tile_size(wider->rows)] <= other->launch_ns[family_tile_size(tile->rows)];
}

/*
 * Adds the kernel of more rows if its tile holds more query tokens than that of the member before it: what does not fit
 * the target is made smaller, and a tile of lists holds one token in any case. Where prefixes are shared both have
 * pieces of one query head. It takes the place of one that it outdoes, but not of the first.
 */
static void add_wider(const struct target *target, uint32_t rows, struct tile *last, struct members *members) {
  struct tile tile;
  fi_spec wider = members->specs[0];
  wider.rows = rows;
  if (tile_plan(&wider, target, 0, &tile) || tile.tokens <= last->tokens)
    return;
  if (wider.prefixes && tile.group_shares != last->group_shares)
    return;
  if (members->count > 1 && outdoes(&tile, last))
    members->count--;
  members->specs[members->count++] = wider;
  *last = tile;
}

fi_status members_find(const fi_spec *canonical, const struct target *target, struct members *members) {
  struct tile tile;
  const fi_status status = tile_plan(canonical, target, 0, &tile);
  *members = (struct members){.count = 1, .specs = {*canonical}};
  if (status || canonical->op != FI_OP_ATTENTION)
    return status;
  const uint32_t fewest = tile_rows_asked(canonical);
  members->specs[0].rows = fewest;
  if (!may_divide(canonical))
    return FI_OK;
  for (size_t i = 0; i < sizeof more_rows / sizeof *more_rows; i++) {
    if (more_rows[i] > fewest)
      add_wider(target, more_rows[i], &tile, members);
  }
  return FI_OK;
}

fi_status fi_spec_member(const fi_spec *spec, const char *name, uint32_t number, fi_spec *member) {
  const struct target *target = NULL;
  struct members members;
  fi_spec canonical;
  if (!member)
    return error_set(FI_ERROR_ARGUMENT, "member is NULL");
  fi_status status = spec_canonical(spec, &canonical);
  if (!status && name)
    status = spec_find_target(name, &target);
  if (!status)
    status = members_find(&canonical, target, &members);
  if (status)
    return status;
  if (number >= members.count)
    return error_set(FI_ERROR_ARGUMENT, "number is %u; the spec has %u kernels", number, members.count);
  *member = members.specs[number];
  return FI_OK;
}
