/* The plan of tiles: every spec has one on every target, it fits, and it is smaller than asked for only where
 * it must. */
#include "generator/family.h"
#include "generator/spec.h"
#include "generator/tile_choice.h"
#include "generator/tile_records.h"
#include "random_spec.h"
#include "tile_text.h"

#include <criterion/criterion.h>
#include <string.h>

enum { SPECS = 4000, KIB = 1024, CTA_RESERVE = 1024 };

static uint32_t least(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

/* The next random attention spec without a contradiction, canonical. */
static fi_spec next_spec(struct random_source *source) {
  fi_spec canonical;
  fi_spec spec;
  do
    spec = random_spec(source, FI_OP_ATTENTION);
  while (spec_canonical(&spec, &canonical) != FI_OK);
  return canonical;
}

static bool rotates_keys(const fi_spec *spec) {
  return spec->rope != FI_ROPE_NONE && spec->rope_keys == FI_KEYS_UNROTATED;
}

static uint32_t row_bytes(uint32_t dtype, uint32_t dim) {
  return dim * (dtype < FI_E4M3 ? 16 : dtype < FI_I4 ? 8 : 4) / 8;
}

static bool is_wgmma(const struct tile *tile) {
  return tile->family->number == FI_FAMILY_WGMMA;
}

/* Consumers have 64 rows each, and one or two more warpgroups bring their operands. */
static void check_warpgroups(const fi_spec *spec, const struct tile *tile) {
  const uint32_t consumers = number(tile, "workers") / 128;
  cr_assert_eq(tile->rows, 64 * consumers);
  cr_assert_eq(tile->group_shares, 1);
  cr_assert_eq(tile->heads, spec->group);
  cr_assert_eq(tile->tokens, tile->rows / spec->group);
  cr_assert_geq(tile->tokens, 1);
  const uint32_t producers = tile->threads / 128 - consumers;
  cr_assert(producers == 1 || producers == 2);
  cr_assert_eq(number(tile, "row_warps"), 4 * consumers);
  cr_assert(tile->stages == 2 || tile->stages == 4, "a power of two");
  cr_assert_eq(tile->team_tokens % 16, 0, "a product takes 16 tokens of V");
  cr_assert_eq(tile->team_tokens % number(tile, "box_tokens"), 0);
  cr_assert(spec->page_size == 0 || spec->page_size % number(tile, "box_tokens") == 0, "a box lies in a page");
  cr_assert_eq(256 % tile->start_tokens, 0, "split_tokens of 256 suits every tile");
  const uint32_t launched = 65536 / tile->ctas_per_sm / tile->threads / 8 * 8;
  cr_assert_leq(producers * number(tile, "producer_registers") + consumers * number(tile, "consumer_registers"),
                (consumers + producers) * launched, "what the consumers take is what the producers give");
}

/* Consumers that divide the dims of V have the same rows. */
static bool shares_rows(const struct tile *tile) {
  return is_wgmma(tile) && number(tile, "value_warps") > 1;
}

static void check_shared_rows(const fi_spec *spec, const struct tile *tile) {
  cr_assert(spec->v_source == FI_V_KEYS || spec->v_dim == 512, "O of 256 dims is one consumer's");
  cr_assert_eq(number(tile, "workers"), 256);
  cr_assert_eq(tile->threads, 384);
  cr_assert_eq(tile->rows, 64);
  cr_assert_eq(tile->heads * tile->group_shares, spec->group);
  cr_assert_eq(tile->tokens, spec->select > 0 ? 1 : tile->rows / tile->heads);
  cr_assert_geq(tile->tokens, 1);
  cr_assert(tile->team_tokens == 64 || (spec->v_source == FI_V_OWN && tile->team_tokens == 32),
            "weights take the place of a panel of K");
  cr_assert_eq(tile->team_tokens % number(tile, "box_tokens"), 0);
  cr_assert(spec->page_size == 0 || spec->page_size % number(tile, "box_tokens") == 0, "a box lies in a page");
  cr_assert_eq(256 % tile->start_tokens, 0, "split_tokens of 256 suits every tile");
  cr_assert(tile->stages == 2 || tile->stages == 4, "steps in turn are in stages of the consumers in turn");
  cr_assert_leq(number(tile, "producer_registers") + 2 * number(tile, "consumer_registers"), 3 * 168);
}

static void check_division(const fi_spec *spec, const struct tile *tile) {
  if (shares_rows(tile)) {
    check_shared_rows(spec, tile);
    return;
  }
  if (is_wgmma(tile)) {
    check_warpgroups(spec, tile);
    return;
  }
  cr_assert(tile->rows >= tile->heads && tile->rows <= tile_rows_asked(spec), "%u rows", tile->rows);
  cr_assert_eq(tile->heads * tile->group_shares, spec->group);
  cr_assert_eq(tile->tokens, spec->select ? 1 : tile->rows / tile->heads);
  cr_assert_eq(number(tile, "row_warps") * number(tile, "row_blocks") * 16, tile->rows,
               "every row has its warps in a team");
  cr_assert_eq(tile->teams * number(tile, "row_warps") * number(tile, "value_warps") * 32, tile->threads);
  cr_assert_leq(tile->threads, 512);
  cr_assert_geq(tile->stages, 2, "one stage is filled while another is read");
  cr_assert_eq(tile_step_tokens(tile), tile->teams * tile->team_tokens);
  cr_assert_eq(256 % tile_step_tokens(tile), 0, "split_tokens of 256 suits every tile");
}

/* Rows in panels of 64 dims. */
static uint32_t tile_bytes(uint32_t rows, uint32_t dim) {
  return rows * ((dim + 63) / 64) * 128;
}

struct extent {
  uint32_t begin, end, needed;
};

static void check_extents(const struct extent *extents, size_t count, size_t panels) {
  for (size_t i = 0; i < count; i++) {
    cr_assert(extents[i].end - extents[i].begin >= extents[i].needed && extents[i].end >= extents[i].begin,
              "region %zu: %u to %u, needs %u bytes", i, extents[i].begin, extents[i].end, extents[i].needed);
    cr_assert_eq(extents[i].begin % (i < panels ? 1024 : 16), 0);
  }
}

/* The same where V is in K. */
static void check_latent_panels(const fi_spec *spec, const struct tile *tile) {
  const struct extent extents[] = {
      {number(tile, "shared_query"), number(tile, "shared_keys"), tile_bytes(tile->rows, spec->head_dim)},
      {number(tile, "shared_keys"), number(tile, "shared_items"), tile->stages * tile_bytes(64, spec->head_dim)},
      {number(tile, "shared_items"), number(tile, "shared_maxima"), 2 * (48 + 28 * tile->rows)},
      {number(tile, "shared_maxima"), number(tile, "shared_sums"), tile->stages * (2 * tile->rows + 4) * 4},
      {number(tile, "shared_sums"), number(tile, "shared_odd"), 2 * 256 * 8},
      {number(tile, "shared_odd"), number(tile, "shared_barriers"), 4},
      {number(tile, "shared_barriers"), tile->shared_bytes, 8 * (6 + 7 * tile->stages) + 4},
  };
  check_extents(extents, sizeof extents / sizeof *extents, 2);
}

/* The same where V has a ring of its own, and weights places. */
static void check_halves_panels(const fi_spec *spec, const struct tile *tile) {
  const struct extent extents[] = {
      {number(tile, "shared_query"), number(tile, "shared_keys"), tile_bytes(tile->rows, spec->head_dim)},
      {number(tile, "shared_keys"), number(tile, "shared_values"),
       tile->stages * tile_bytes(tile->team_tokens, spec->head_dim)},
      {number(tile, "shared_values"), number(tile, "shared_weights"),
       tile->stages * tile_bytes(tile->team_tokens, spec->v_dim)},
      {number(tile, "shared_weights"), number(tile, "shared_items"),
       tile->stages * tile_bytes(tile->rows, tile->team_tokens)},
      {number(tile, "shared_items"), number(tile, "shared_maxima"), 2 * (48 + 28 * tile->rows)},
      {number(tile, "shared_maxima"), number(tile, "shared_sums"), tile->stages * (2 * tile->rows + 4) * 4},
      {number(tile, "shared_sums"), number(tile, "shared_odd"), 2 * 256 * 8},
      {number(tile, "shared_odd"), number(tile, "shared_barriers"), 4},
      {number(tile, "shared_barriers"), tile->shared_bytes, 8 * (6 + 6 * tile->stages) + 4},
  };
  check_extents(extents, sizeof extents / sizeof *extents, 4);
}

/* The same where all is e4m3: V is there as it comes, and turned, a row of 128 bytes for each dim. */
static void check_narrow_panels(const fi_spec *spec, const struct tile *tile) {
  const uint32_t items = number(tile, "query_tiles");
  const uint32_t qk_units = spec->head_dim / 2; /* of 16 bits */
  const struct extent extents[] = {
      {number(tile, "shared_query"), number(tile, "shared_keys"), items * tile_bytes(tile->rows, qk_units)},
      {number(tile, "shared_keys"), number(tile, "shared_values"),
       tile->stages * tile_bytes(tile->team_tokens, qk_units)},
      {number(tile, "shared_values"), number(tile, "shared_turned"),
       tile->stages * tile_bytes(tile->team_tokens, spec->v_dim / 2)},
      {number(tile, "shared_turned"), number(tile, "shared_output"), tile->stages * 128 * spec->v_dim},
      {number(tile, "shared_output"), number(tile, "shared_items"), number(tile, "workers") / 32 * 1024},
      {number(tile, "shared_items"), number(tile, "shared_barriers"), 2 * (48 + 28 * tile->rows)},
      {number(tile, "shared_barriers"), tile->shared_bytes, 8 * (4 + 2 * items + 6 * tile->stages) + 4},
  };
  check_extents(extents, sizeof extents / sizeof *extents, 4);
}

/* Panels begin where their pattern does, and each region holds what it is for. */
static void check_panels(const fi_spec *spec, const struct tile *tile) {
  const uint32_t items = number(tile, "query_tiles");
  const bool converts = number(tile, "converts");
  const uint32_t stored = tile_bytes(tile->team_tokens, spec->head_dim / 2) +
                          tile_bytes(tile->team_tokens, spec->v_dim / 2); /* in units of 16 bits */
  const struct extent extents[] = {
      {number(tile, "shared_query"), number(tile, "shared_keys"), items * tile_bytes(tile->rows, spec->head_dim)},
      {number(tile, "shared_keys"), number(tile, "shared_values"),
       tile->stages * tile_bytes(tile->team_tokens, spec->head_dim)},
      {number(tile, "shared_values"), number(tile, "shared_stored"),
       tile->stages * tile_bytes(tile->team_tokens, spec->v_dim)},
      {number(tile, "shared_stored"), number(tile, "shared_output"), converts ? stored : 0},
      {number(tile, "shared_output"), number(tile, "shared_items"), number(tile, "workers") / 32 * 1024},
      {number(tile, "shared_items"), number(tile, "shared_barriers"), 2 * (48 + 28 * tile->rows)},
      {number(tile, "shared_barriers"), tile->shared_bytes,
       8 * (4 + 2 * items + 4 * tile->stages + (converts ? 4 : 0)) + 4},
  };
  check_extents(extents, sizeof extents / sizeof *extents, 4);
}

/* Each region begins at a multiple of 16 and holds what it is for, in the order of struct tile. */
static void check_regions(const fi_spec *spec, const struct tile *tile) {
  if (shares_rows(tile) && spec->v_source == FI_V_OWN) {
    check_halves_panels(spec, tile);
    return;
  }
  if (shares_rows(tile)) {
    check_latent_panels(spec, tile);
    return;
  }
  if (is_wgmma(tile) && spec->q_dtype == FI_E4M3) {
    check_narrow_panels(spec, tile);
    return;
  }
  if (is_wgmma(tile)) {
    check_panels(spec, tile);
    return;
  }
  const uint32_t wide = spec->head_dim * (number(tile, "weight_exponent") > 0 ? 1 : 2); /* a row of Q in its tile */
  const bool is_converted = spec->wide_dims > 0; /* K becomes rows of 16-bit elements, as Q has them, with V in it */
  const uint32_t key = row_bytes(spec->kv_dtype, spec->head_dim - spec->wide_dims);
  const uint32_t value = is_converted ? wide : row_bytes(spec->v_dtype, spec->v_dim);
  const uint32_t own_value = spec->v_source == FI_V_OWN ? value : 2 * spec->wide_dims;
  const uint32_t rotated = rotates_keys(spec) || is_converted ? tile->teams * tile->team_tokens * wide : 0;
  const struct {
    uint32_t begin, end, needed;
  } regions[] = {
      {number(tile, "shared_rings"), number(tile, "shared_query"),
       tile->teams * tile->stages * tile->team_tokens * (key + own_value)},
      {number(tile, "shared_query"), number(tile, "shared_rotated"), tile->rows * wide},
      {number(tile, "shared_rotated"), number(tile, "shared_state"), rotated},
      {number(tile, "shared_state"), number(tile, "shared_items"), tile->teams > 1 ? tile->teams * tile->rows * 8 : 0},
      {number(tile, "shared_items"), number(tile, "shared_ready"), (tile->teams > 1 ? 2 : 1) * (40 + 16 * tile->rows)},
      {number(tile, "shared_ready"), number(tile, "shared_loaders"), 4},
      {number(tile, "shared_loaders"), tile->shared_bytes, number(tile, "loader_shared") ? tile->threads * 40 : 0},
  };
  cr_assert(number(tile, "key_pitch") >= key && number(tile, "value_pitch") >= value &&
            number(tile, "query_pitch") >= wide);
  cr_assert(number(tile, "key_pitch") % 16 == 0 && number(tile, "value_pitch") % 16 == 0 &&
            number(tile, "query_pitch") % 16 == 0 && number(tile, "shared_query") % 16 == 0 &&
            number(tile, "shared_rotated") % 16 == 0);
  for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
    cr_assert(regions[i].end >= regions[i].begin && regions[i].end - regions[i].begin >= regions[i].needed,
              "region %zu: %u to %u, needs %u bytes", i, regions[i].begin, regions[i].end, regions[i].needed);
}

/* Enough for one team with the shortest ring of a tile of so many rows. */
static uint32_t sufficient_bytes(const fi_spec *spec, uint32_t rows) {
  const uint32_t tokens = spec->kv_dtype < FI_E4M3 ? 16 : 32;
  const uint32_t wide_row = spec->head_dim * 2 + 16;
  const uint32_t ring =
      2 * tokens * (row_bytes(spec->kv_dtype, spec->head_dim) + row_bytes(spec->v_dtype, spec->v_dim) + 32 + 64);
  const uint32_t loader = spec->second_page ? sizeof(struct second_loader)
                          : spec->select    ? sizeof(struct list_loader)
                                            : sizeof(struct kv_loader);
  const uint32_t loaders = 256 * loader;
  return ring + (rows + tokens) * wide_row + rows * 16 + loaders + KIB;
}

/* Rows of one query token whose O fills a CTA's registers, or whose Q its shared memory, have no tile. */
static bool is_too_large(const fi_spec *spec, const struct target *target) {
  if (spec->family == FI_FAMILY_WGMMA)
    return fi_spec_supported(spec, target->name) != FI_OK;
  uint32_t heads = spec->group;
  uint32_t rows = 16;
  while (heads % 2 == 0)
    heads /= 2; /* tiles share them */
  while (rows < heads)
    rows *= 2;
  return rows * spec->v_dim > 32768 || sufficient_bytes(spec, rows) > target->shared_per_block;
}

Test(tile, every_spec_has_one_that_fits_every_target) {
  struct random_source source = {7};
  const struct target *target;
  uint32_t refused = 0;
  for (int i = 0; i < SPECS; i++) {
    const fi_spec spec = next_spec(&source);
    for (uint32_t t = 0; (target = target_at(t)); t++) {
      struct tile tile;
      if (is_too_large(&spec, target)) {
        refused += fi_spec_supported(&spec, target->name) != FI_OK;
        continue;
      }
      cr_assert_eq(fi_spec_supported(&spec, target->name), FI_OK, "%s", fi_last_error());
      cr_assert_eq(tile_plan(&spec, target, 0, &tile), FI_OK, "%s", fi_last_error());
      check_division(&spec, &tile);
      check_regions(&spec, &tile);
      cr_assert_leq(tile.shared_bytes, target->shared_per_block, "%s", target->name);
      cr_assert_leq(tile.ctas_per_sm * (tile.shared_bytes + CTA_RESERVE), target->shared_per_sm, "%s", target->name);
    }
  }
  cr_assert_gt(refused, 0);
}

static bool is_of_same_shares(const struct tile *tile, const struct tile *other) {
  return tile->family == other->family && tile->group_shares == other->group_shares &&
         number(tile, "value_warps") == number(other, "value_warps");
}

/* What is compiled when a tile spills: each time another one, that fits, and in the end one with all savings. */
Test(tile, choices_differ_and_fit) {
  struct random_source source = {13};
  const struct target *target;
  for (int i = 0; i < SPECS / 10; i++) {
    const fi_spec spec = next_spec(&source);
    for (uint32_t t = 0; (target = target_at(t)); t++) {
      struct tile tile = {0};
      struct tile before = {0};
      uint32_t choice = 0;
      for (; tile_plan(&spec, target, choice, &tile) == FI_OK; choice++) {
        cr_assert_neq(memcmp(&tile, &before, sizeof tile), 0, "choice %u is that before", choice);
        cr_assert_leq(tile.ctas_per_sm * (tile.shared_bytes + CTA_RESERVE), target->shared_per_sm);
        cr_assert(tile.rows <= (is_of_same_shares(&tile, &before) ? before.rows : tile_rows_asked(&spec)) ||
                  (is_wgmma(&tile) && tile.rows == 192));
        check_division(&spec, &tile);
        before = tile;
      }
      if (choice == 0 || is_wgmma(&before))
        continue;
      cr_assert_eq(before.ctas_per_sm, 1);
      cr_assert_eq(before.teams, 1);
      cr_assert_eq(number(&before, "query_registers"), 0);
      cr_assert(number(&before, "row_blocks") == 1 || before.rows == 128, "narrow warps, if their loaders fit");
      cr_assert(spec.v_dim % 64 > 0 || before.rows > 16 || number(&before, "value_warps") > 1, "shares of V");
    }
  }
}

Test(tile, has_fewer_rows_only_where_those_asked_for_do_not_fit) {
  struct random_source source = {11};
  const struct target *target;
  uint32_t smaller = 0;
  for (int i = 0; i < SPECS; i++) {
    const fi_spec spec = next_spec(&source);
    for (uint32_t t = 0; (target = target_at(t)); t++) {
      struct tile tile;
      const uint32_t room = least(target->shared_per_block, target->shared_per_sm - CTA_RESERVE);
      if (tile_plan(&spec, target, 0, &tile) != FI_OK || is_wgmma(&tile) || tile.rows == tile_rows_asked(&spec) ||
          2 * tile.rows * spec.v_dim > 32768)
        continue;
      smaller++;
      cr_assert_gt(sufficient_bytes(&spec, 2 * tile.rows), room, "%u rows, not %u, of hd=%u on %s", tile.rows,
                   tile_rows_asked(&spec), spec.head_dim, target->name);
    }
  }
  cr_assert_gt(smaller, 0, "sm_86 has less shared memory than the largest tiles need");
}

Test(tile, of_rows_that_do_not_fit_has_half_as_many) {
  fi_spec spec;
  fi_spec canonical;
  struct tile tile;
  cr_assert_eq(fi_spec_parse("attention hd=256 group=64 rows=128", &spec), FI_OK);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(tile_plan(&canonical, target_find("sm_90a"), 0, &tile), FI_OK);
  cr_expect_eq(tile.rows, 128);
  cr_assert_eq(tile_plan(&canonical, target_find("sm_86"), 0, &tile), FI_OK);
  cr_expect_eq(tile.rows, 64, "Q alone takes 64 KiB of 99, and two stages 32 more");
  cr_expect_eq(tile.tokens, 1);
}

/* What measurements say is faster; asked for, a family is taken in any case. */
