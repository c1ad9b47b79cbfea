/* The tiles of attention by mma.sync and cp.async: how warps divide rows, KV tokens and dims, and what is where. */
#include "tile_plans.h"

#include "derived.h"
#include "dtypes.h"
#include "flashjit_args.h"
#include "shared_layout.h"
#include "tile_narrow.h"
#include "tile_records.h"

#include <stdbool.h>
#include <string.h>

enum {
  WARP = 32,
  MMA_ROWS = 16,
  MMA_BYTES = 32, /* of a row of Q or K that a matrix instruction takes */
  CHUNK = 16,
  LARGE_ROWS = 128,
  RING_BYTES = 4096, /* of K that a one-warp team takes in a step: enough bytes in flight, small enough to balance */
  MAX_TEAM_TOKENS = 64,
  MAX_THREADS = 512,
  MOST_CTAS = 3,          /* of an SM */
  MASK_TOKENS = 32,       /* of a word of a packed mask */
  SHARE_DIMS = 256,       /* the most of O that a warp can have of each row */
  SHARE_STEP = 32,        /* dims that products with V of any type take at once */
  THREAD_REGISTERS = 255, /* that the compiler can give a thread */
  SM_REGISTERS = 65536,
  WIDE_BITS = 16,   /* of elements of the types of Q */
  LINE_DIMS = 64,   /* of such elements, in a line of memory */
  NARROW_BITS = 8,  /* of those of e4m3 */
  NARROW_ROWS = 64, /* tiles of fewer wait for memory, and take weights of 16 bits */
};

/*
 * Warps form teams. A team takes its own KV tokens through its own ring of stages; the warps of a team share those
 * tokens and divide the rows, and where rows have many dims also the dims of V. One-warp teams (few rows) need no CTA
 * barrier in the loop; one team of all warps (many rows) reads each token once for the whole tile.
 */
struct mma {
  uint32_t rows;
  uint32_t teams;
  uint32_t row_blocks; /* 16-row blocks of a warp */
  uint32_t row_warps;
  uint32_t value_warps;
  uint32_t threads;
  uint32_t team_tokens;
  uint32_t stages;
  uint32_t ctas_per_sm;
  uint32_t key_pitch; /* bytes from row to row in shared memory */
  uint32_t value_pitch;
  uint32_t wide_pitch; /* of the wide dims of K */
  uint32_t query_pitch;
  uint32_t query_registers;
  uint32_t loader_shared;
  uint32_t ordered_loads;
};

/* What a tile does without so that it needs fewer registers, in the order of preference. */
struct saving {
  bool loader_shared;
  bool query_shared;
  uint32_t token_halvings;
  bool one_cta;
  bool narrow;  /* warps of 16 rows */
  bool ordered; /* matrix loads are not moved up, before those in front of them are used */
};

static const struct saving savings[] = {
    {false, false, 0, false, false, false}, {true, false, 0, false, false, false}, {true, true, 0, false, false, false},
    {true, true, 1, false, false, false},   {true, true, 2, false, false, false},  {true, true, 2, true, true, false},
    {true, true, 0, true, false, true},     {true, true, 1, true, true, true},     {true, true, 2, true, true, true},
};

enum { SAVINGS = sizeof savings / sizeof *savings };

/* What a plan is made for. */
struct purpose {
  const fi_spec *spec;
  const struct target *target;
  uint32_t qk_dim;
  uint32_t v_dim;
  uint32_t kv_bits; /* of K, as products take it from shared memory */
  uint32_t v_bits;
  bool v_in_keys;        /* V is the first dims of K, in the tile of K */
  bool converts_keys;    /* K becomes rows of another type, in a tile beside the ring */
  bool is_narrow;        /* products are of e4m3, and so are Q in its tile and weights */
  uint32_t group_shares; /* tiles that divide the heads of a KV head */
  uint32_t value_shares; /* warps that divide the dims of V */
};

/* The query heads of a tile. */
static uint32_t tile_heads(const struct purpose *purpose) {
  return purpose->spec->group / purpose->group_shares;
}

/* Bytes of a row of K or V in shared memory, which has whole chunks. */
static uint32_t chunk_bytes(uint32_t dim, uint32_t bits) {
  return (dim * bits / 8 + CHUNK - 1) / CHUNK * CHUNK;
}

/*
 * Bytes from row to row in shared memory, such that the same 16-byte chunk of eight consecutive rows falls in
 * eight different bank groups: an odd number of chunks, which makes all of a row's chunks constant offsets
 * from its first.
 */
static uint32_t padded_pitch(uint32_t bytes) {
  return (bytes / CHUNK | 1) * CHUNK;
}

/*
 * KV rows of a multiple of 128 bytes keep their size where the copies are what a kernel waits for, and their
 * chunks change places by row instead: on an H200, copies into rows that straddle 128-byte lines made decode
 * 3 % slower. Shares of a row must then begin at such a multiple too.
 */
static uint32_t kv_pitch(uint32_t bytes, uint32_t share_bytes, bool waits_for_copies) {
  return waits_for_copies && bytes % 128 == 0 && share_bytes % 128 == 0 ? bytes : padded_pitch(bytes);
}

/* The most teams of a tile: up to 32 rows, teams of few warps split the KV; above, one team of all warps
 * splits the rows. */
static uint32_t most_teams(const struct purpose *purpose, uint32_t rows) {
  if (rows <= MMA_ROWS)
    return 4;
  return rows <= 2 * MMA_ROWS && purpose->v_dim <= 128 ? 2 : 1;
}

static uint32_t team_warps(const struct mma *mma) {
  return mma->row_warps * mma->value_warps;
}

static uint32_t share_dims(const struct purpose *purpose, const struct mma *mma) {
  return purpose->v_dim / mma->value_warps;
}

/* Bytes of a row of Q, as products take it from shared memory. */
static uint32_t query_bytes(const struct purpose *purpose) {
  return purpose->qk_dim * (purpose->is_narrow ? NARROW_BITS : WIDE_BITS) / 8;
}

/*
 * About how many registers a thread needs in a step of `tokens` KV tokens: what is live at once is exact, the
 * operands and the rest are such that ptxas 13.0 spills nothing, which would fail the build.
 */
static uint32_t thread_registers(const struct purpose *purpose, const struct mma *mma, uint32_t tokens) {
  const uint32_t output = mma->row_blocks * share_dims(purpose, mma) / 2;
  const uint32_t scores = mma->row_blocks * tokens / 2;
  const uint32_t query_blocks = mma->query_registers ? (query_bytes(purpose) + MMA_BYTES - 1) / MMA_BYTES : 1;
  const uint32_t query = mma->row_blocks * query_blocks * 4;
  const uint32_t row_state = mma->row_blocks * 4;
  const bool converts = purpose->kv_bits < WIDE_BITS && !purpose->is_narrow;
  const uint32_t operands = 8 + (converts ? purpose->target->convert_registers : 0); /* K or V */
  return output + scores + query + row_state + operands + purpose->target->rest_registers;
}

static uint32_t most_registers(const struct mma *mma) {
  const uint32_t share = SM_REGISTERS / mma->threads;
  return share < THREAD_REGISTERS ? share : THREAD_REGISTERS;
}

/* The pitches of K in the ring and of the tile that it becomes. */
static void divide_converted(const struct purpose *purpose, struct mma *mma) {
  const uint32_t codes = derived_code_dims(purpose->spec) * derived_kv_bits(purpose->spec) / 8;
  const uint32_t wide = chunk_bytes(purpose->spec->wide_dims, WIDE_BITS);
  mma->key_pitch = kv_pitch(codes, codes, true);
  mma->wide_pitch = kv_pitch(wide, wide, true);
  mma->value_pitch = mma->query_pitch;
}

/* The pitches of K and V, which are one tile where V is in K. */
static void divide_kv(const struct purpose *purpose, struct mma *mma) {
  const uint32_t keys = chunk_bytes(purpose->qk_dim, purpose->kv_bits);
  const uint32_t values = chunk_bytes(purpose->v_dim, purpose->v_bits);
  const bool waits = mma->teams > 1;
  mma->key_pitch = kv_pitch(keys, purpose->v_in_keys ? values / mma->value_warps : keys, waits);
  mma->value_pitch = purpose->v_in_keys ? mma->key_pitch : kv_pitch(values, values / mma->value_warps, waits);
}

static void divide_rows(const struct purpose *purpose, const struct saving *saving, struct mma *mma) {
  const uint32_t blocks = mma->rows / MMA_ROWS;
  const uint32_t most_v_dim = purpose->is_narrow ? 64 : 128; /* more would leave registers for steps of 32 tokens */
  const bool wide = mma->rows == LARGE_ROWS && purpose->v_dim <= most_v_dim && !saving->narrow;
  mma->row_blocks = wide ? 2 : 1;
  mma->row_warps = blocks / mma->row_blocks;
  mma->value_warps = purpose->value_shares;
  mma->threads = WARP * team_warps(mma) * mma->teams;
  /* Q stays in registers where its fragments fit beside O, the scores and what converts K and V. */
  const uint32_t kept_bytes = mma->teams > 1 && purpose->kv_bits == WIDE_BITS ? 384 : 256;
  mma->query_registers = mma->row_blocks * query_bytes(purpose) <= kept_bytes && !saving->query_shared;
  /* Where copies are what a tile waits for, pages of 16-bit KV are on their way to registers for a whole step. */
  const bool waits = mma->teams > 1 && mma->value_warps == 1 && purpose->kv_bits == WIDE_BITS;
  const uint32_t most_dims = waits ? SHARE_DIMS : 191;
  mma->loader_shared =
      mma->row_blocks * share_dims(purpose, mma) > most_dims || saving->loader_shared || purpose->spec->select > 0;
  mma->ordered_loads = saving->ordered;
  mma->query_pitch = padded_pitch(query_bytes(purpose));
  if (purpose->converts_keys)
    divide_converted(purpose, mma);
  else
    divide_kv(purpose, mma);
}

/* Bytes of K and V of a token and head, in the cache. */
static uint32_t token_row_bytes(const struct purpose *purpose) {
  if (purpose->converts_keys)
    return (derived_code_dims(purpose->spec) * derived_kv_bits(purpose->spec) + purpose->spec->wide_dims * WIDE_BITS) /
           8;
  const uint32_t own_v = purpose->v_in_keys ? 0 : purpose->v_dim * purpose->v_bits;
  return (purpose->qk_dim * purpose->kv_bits + own_v) / 8;
}

/* Bytes of a token and head where teams exchange their O: in a stage of each, or in its tile of converted K. */
static uint32_t exchange_row_bytes(const struct purpose *purpose, const struct mma *mma) {
  return purpose->converts_keys ? mma->query_pitch : token_row_bytes(purpose);
}

/* What teams exchange their O through. */
static uint32_t exchange_bytes(const struct purpose *purpose, const struct mma *mma) {
  return mma->teams > 1 ? mma->rows * purpose->v_dim * (uint32_t)sizeof(float) : 0;
}

/* Whether stages are as large as the exchange in any case: rows of few bits would else need tokens for it. */
static bool pads_stages(const struct purpose *purpose) {
  return purpose->v_bits < 8;
}

/*
 * Fewest KV tokens of a team in a step, a power of two: what one matrix load spans, a token for each of its warps, and
 * room to exchange a team's O in one stage.
 */
static uint32_t least_team_tokens(const struct purpose *purpose, const struct mma *mma) {
  const uint32_t exchange = pads_stages(purpose) ? 0 : exchange_bytes(purpose, mma);
  uint32_t tokens = purpose->kv_bits > 8 ? 256 / purpose->kv_bits : 32;
  while (tokens < team_warps(mma) || tokens * exchange_row_bytes(purpose, mma) < exchange)
    tokens *= 2;
  return tokens;
}

/* Most KV tokens of a team in a step: a lane looks up one, templates/ring/cp_async.cuh. */
static uint32_t most_team_tokens(const struct mma *mma) {
  const uint32_t lanes = WARP * team_warps(mma);
  return lanes < MAX_TEAM_TOKENS ? lanes : MAX_TEAM_TOKENS;
}

/* What a team takes in a step if it fits in shared memory: what its ring should hold when teams split the KV,
 * else all that leaves registers for O. */
static uint32_t preferred_team_tokens(const struct purpose *purpose, const struct mma *mma) {
  const uint32_t least = least_team_tokens(purpose, mma);
  uint32_t most = most_team_tokens(mma);
  if (mma->teams > 1) {
    const uint32_t ring = RING_BYTES * mma->row_warps * 8 / (purpose->qk_dim * purpose->kv_bits);
    const uint32_t lanes = WARP * mma->row_warps;
    most = ring < lanes ? ring : lanes;
  }
  uint32_t tokens = least;
  while (2 * tokens <= most && thread_registers(purpose, mma, 2 * tokens) <= most_registers(mma))
    tokens *= 2;
  return tokens;
}

/* Of one team: the tiles of K and V, and scales that tokens have of their own. */
static uint32_t stage_bytes(const struct purpose *purpose, const struct mma *mma) {
  const uint32_t scales = derived_key_scale_bytes(purpose->spec) + derived_value_scale_bytes(purpose->spec);
  const uint32_t own_v = purpose->v_in_keys ? 0 : mma->value_pitch;
  const uint32_t tiles = mma->team_tokens * (mma->key_pitch + mma->wide_pitch + own_v + scales);
  const uint32_t exchange = pads_stages(purpose) ? exchange_bytes(purpose, mma) : 0;
  return tiles > exchange ? tiles : exchange;
}

/* A thread's place in the KV, in the list of its item, and in a second KV. */
static uint32_t loader_bytes(const fi_spec *spec) {
  if (spec->second_page > 0)
    return (uint32_t)sizeof(struct second_loader);
  return (uint32_t)(spec->select > 0 ? sizeof(struct list_loader) : sizeof(struct kv_loader));
}

enum { REGIONS = 9 };

/* The regions of shared memory. */
static void lay_out(const struct purpose *purpose, const struct mma *mma, struct region regions[REGIONS]) {
  const bool rotates = derived_rotates_keys(purpose->spec) || purpose->converts_keys;
  const bool has_worths = derived_has_token_scales(purpose->spec);
  const uint32_t team_tile = stage_bytes(purpose, mma);
  const uint32_t worths = mma->teams * mma->team_tokens * (uint32_t)sizeof(struct token_worth);
  const uint32_t item_tiles = mma->teams > 1 ? 2 : 1;
  const uint32_t item_bytes = (uint32_t)(sizeof(struct fi_item) + mma->rows * sizeof(struct tile_row));
  const uint32_t loaders = mma->loader_shared ? mma->threads * loader_bytes(purpose->spec) : 0;
  const uint32_t lists = purpose->spec->prefixes ? mma->threads / WARP : 1; /* of units to merge */
  const struct region rows[REGIONS] = {
      {"shared_rings", 128, mma->teams * mma->stages * team_tile,
       "byte offset in shared memory: the rings of KV stages"},
      {"shared_query", 128, mma->rows * mma->query_pitch, "the tile of Q"},
      {"shared_rotated", 128, rotates ? mma->teams * mma->team_tokens * mma->query_pitch : 0,
       "K after rotation or conversion, one tile a team"},
      {"shared_worths", 16, has_worths ? worths : 0, "what the KV tokens of a step are worth"},
      {"shared_state", 16, mma->teams > 1 ? mma->teams * mma->rows * 2 * (uint32_t)sizeof(float) : 0,
       "row maxima and sums of the teams"},
      {"shared_items", 16, item_tiles * item_bytes, "work items with the rows of their tiles"},
      {"shared_ready", 4, lists * (uint32_t)sizeof(int), "first of the units to merge"},
      {"shared_odd", 4, 4, "1: V is infinite or NaN where not all rows see it"},
      {"shared_loaders", 16, loaders, "each thread's loader"},
  };
  memcpy(regions, rows, sizeof rows);
}

static uint32_t shared_bytes(const struct purpose *purpose, const struct mma *mma) {
  struct region regions[REGIONS];
  lay_out(purpose, mma, regions);
  return shared_layout_bytes(regions, REGIONS);
}

/* The most tokens and stages that let `ctas` CTAs of this tile live on one SM; false when none does. */
static bool fit(const struct purpose *purpose, const struct saving *saving, uint32_t ctas, struct mma *mma) {
  const struct target *target = purpose->target;
  const uint32_t share = target->shared_per_sm / ctas - TARGET_CTA_RESERVE;
  const uint32_t room = share < target->shared_per_block ? share : target->shared_per_block;
  const uint32_t least = least_team_tokens(purpose, mma);
  const uint32_t most_stages = mma->teams > 1 && ctas < MOST_CTAS ? 3 : 2;
  const uint32_t preferred = preferred_team_tokens(purpose, mma) >> saving->token_halvings;
  mma->ctas_per_sm = ctas;
  for (uint32_t tokens = preferred > least ? preferred : least; tokens >= least; tokens /= 2) {
    for (mma->stages = most_stages; mma->stages >= 2; mma->stages--) {
      mma->team_tokens = tokens;
      if (shared_bytes(purpose, mma) <= room)
        return true;
    }
  }
  return false;
}

/*
 * Where one step has as many tokens as a query token sees, though it may begin in front of them, a third stage brings
 * nothing, but its room lets a third CTA work. For windows of 128 and heads of 64 dims an H200 takes 10.4 us in place
 * of 11.7 for 64 requests, and 16.0 in place of 18.2 for 128.
 */
static bool fit_one_step(const struct purpose *purpose, const struct saving *saving, struct mma *mma) {
  const uint32_t registers = SM_REGISTERS / (mma->threads * MOST_CTAS);
  return mma->rows == MMA_ROWS && mma->teams > 1 && purpose->kv_bits == WIDE_BITS &&
         fit(purpose, saving, MOST_CTAS, mma) && derived_span(purpose->spec) <= mma->teams * mma->team_tokens &&
         thread_registers(purpose, mma, mma->team_tokens) <= registers;
}

/* The tile of so many rows and teams with a saving; false when it does not fit. */
static bool make(const struct purpose *purpose, const struct saving *saving, uint32_t rows, uint32_t teams,
                 struct mma *mma) {
  *mma = (struct mma){.rows = rows, .teams = teams};
  divide_rows(purpose, saving, mma);
  if (mma->threads > MAX_THREADS || least_team_tokens(purpose, mma) > most_team_tokens(mma) ||
      thread_registers(purpose, mma, least_team_tokens(purpose, mma)) > SM_REGISTERS / mma->threads)
    return false;
  /* Two CTAs of more than 128 threads would leave too few registers for O. */
  if (mma->threads <= 128 && !saving->one_cta)
    return fit_one_step(purpose, saving, mma) || fit(purpose, saving, 2, mma) || fit(purpose, saving, 1, mma);
  return fit(purpose, saving, 1, mma);
}

/*
 * Whether a line of KV is mostly read by one CTA at one time, so that it need not stay in L2: plans, Q and partials do
 * then, and launches on an H200 are 0.6 to 2 us faster. Some heads share lines, and what requests share is read again;
 * queries longer than a tile, and pages in common that nobody looks for, are read again all the same.
 */
static bool reads_once(const struct purpose *purpose, const struct mma *mma) {
  const bool has_lines = purpose->qk_dim % LINE_DIMS == 0 && purpose->v_dim % LINE_DIMS == 0;
  return purpose->target->overlaps && mma->teams > 1 && purpose->kv_bits == WIDE_BITS && !purpose->converts_keys &&
         has_lines && purpose->group_shares == 1 && purpose->spec->select == 0 && !purpose->spec->prefixes;
}

/* Describes the tile by its names. */
static void describe(const struct purpose *purpose, const struct mma *mma, struct tile *tile) {
  tile->threads = mma->threads;
  tile->ctas_per_sm = mma->ctas_per_sm;
  tile->rows = mma->rows;
  tile->group_shares = purpose->group_shares;
  tile->heads = tile_heads(purpose);
  tile->tokens = purpose->spec->select > 0 ? 1 : mma->rows / tile->heads; /* each has its own lists */
  tile->teams = mma->teams;
  tile->team_tokens = mma->team_tokens;
  tile->stages = mma->stages;
  tile->token_bytes = token_row_bytes(purpose);
  const uint32_t warp_tokens = mma->team_tokens / team_warps(mma);
  const bool one_page = purpose->spec->select == 0 && purpose->spec->page_size % warp_tokens == 0;
  tile_add(tile, "workers", mma->threads, "threads that compute: all");
  tile_add(tile, "row_warps", mma->row_warps, "warps of a team that divide the rows");
  tile_add(tile, "value_warps", mma->value_warps, "warps with the same rows, which divide the dims of V");
  tile_add(tile, "row_blocks", mma->row_blocks, "16-row blocks of a warp");
  tile_add(tile, "key_pitch", mma->key_pitch, "bytes from row to row of a tile of K");
  tile_add(tile, "value_pitch", mma->value_pitch, "bytes from row to row of a tile of V");
  tile_add(tile, "wide_pitch", mma->wide_pitch, "bytes from row to row of a tile of the wide dims of K");
  tile_add(tile, "padded_stage", stage_bytes(purpose, mma), "bytes of a stage of the ring that has scales");
  tile_add(tile, "query_pitch", mma->query_pitch, "bytes from row to row of a tile of Q, or of K after rotation");
  tile_add(tile, "query_registers", mma->query_registers, "1: Q stays in registers");
  tile_add(tile, "loader_shared", mma->loader_shared, "1: a thread's loader is in shared memory");
  tile_add(tile, "ordered_loads", mma->ordered_loads, "1: matrix loads stay where they stand");
  tile_narrow_add(tile, purpose->is_narrow);
  tile_add(tile, "reads_once", reads_once(purpose, mma), "1: KV need not stay in L2");
  tile_add(tile, "frees_query", 0, FREES_QUERY);
  tile_add(tile, "one_page", one_page, "1: the rows that a warp copies in a step have one place of reference");
  tile->start_tokens = one_page && purpose->spec->page_size > 0 ? warp_tokens : 1;
  const uint32_t step = tile_step_tokens(tile);
  const uint32_t mask_start = step < MASK_TOKENS ? step : MASK_TOKENS; /* no step is whole before the first token */
  if (purpose->spec->mask_bits && tile->start_tokens < mask_start)
    tile->start_tokens = mask_start;
  tile_add(tile, "mixed_rows", tile_mixes_rows(tile, purpose->spec) && !dtype_of(purpose->spec->v_dtype)->whole,
           "1: some row of a tile may not see a KV token of its item, and V may be infinite or NaN");
  if (tile->group_shares > 1)
    tile_add(tile, "group", tile->heads, "query heads of a tile, those of a share of a KV head");
  struct region regions[REGIONS];
  lay_out(purpose, mma, regions);
  shared_layout_add(regions, REGIONS, tile);
}

/* Whether tiles of so many rows multiply e4m3 as it is: products take 32 dims of Q and K, and V by pairs of octets. */
static bool is_narrow(const struct purpose *purpose, uint32_t rows) {
  return purpose->target->narrow_mma && rows >= NARROW_ROWS && purpose->value_shares == 1 &&
         tile_narrow_serves(purpose->spec) && purpose->qk_dim % MMA_BYTES == 0 && purpose->v_dim % MMA_ROWS == 0 &&
         purpose->qk_dim <= SHARE_DIMS && purpose->v_dim <= SHARE_DIMS;
}

/*
 * The tiles of a share of the heads: as many rows as the spec asks for, then fewer, but never less than a token's; as
 * many teams as possible, then fewer; and of each with more and more savings, which is what helps when the compiler
 * spills.
 */
static bool plan_share(struct purpose *purpose, uint32_t *choice, struct tile *tile) {
  struct mma last = {0};
  for (uint32_t rows = tile_rows_asked(purpose->spec); rows >= MMA_ROWS && rows >= tile_heads(purpose); rows /= 2) {
    purpose->is_narrow = is_narrow(purpose, rows);
    for (uint32_t teams = most_teams(purpose, rows); teams >= 1; teams /= 2) {
      for (size_t i = 0; i < SAVINGS; i++) {
        struct mma mma;
        if (!make(purpose, &savings[i], rows, teams, &mma) || memcmp(&mma, &last, sizeof mma) == 0)
          continue;
        last = mma;
        if ((*choice)-- > 0)
          continue;
        describe(purpose, &mma, tile);
        return true;
      }
    }
  }
  return false;
}

/* The tiles that hold the whole group, then those of halves, quarters and so on of it: tiles of the same tokens, each
 * of which reads the KV. */
static bool plan_group(struct purpose *purpose, uint32_t *choice, struct tile *tile) {
  const uint32_t most_shares = purpose->spec->group / derived_least_heads(purpose->spec);
  for (purpose->group_shares = 1; purpose->group_shares <= most_shares; purpose->group_shares *= 2) {
    if (plan_share(purpose, choice, tile))
      return true;
  }
  return false;
}

/* The tiles that fit; at last those with twice as many warps for the same rows, whose threads have half of O each. */
bool tile_plan_mma(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile) {
  struct purpose purpose = {.spec = spec,
                            .target = target,
                            .qk_dim = derived_qk_dim(spec),
                            .v_dim = spec->v_dim,
                            .kv_bits = derived_kv_bits(spec),
                            .v_bits = derived_v_bits(spec),
                            .v_in_keys = spec->v_source == FI_V_KEYS,
                            .converts_keys = spec->wide_dims > 0,
                            .value_shares = 1};
  if (purpose.converts_keys)
    purpose.kv_bits = purpose.v_bits = WIDE_BITS;
  while (purpose.v_dim / purpose.value_shares > SHARE_DIMS)
    purpose.value_shares *= 2;
  const bool has_halves = purpose.v_dim / purpose.value_shares % (2 * SHARE_STEP) == 0;
  if (plan_group(&purpose, choice, tile))
    return true;
  purpose.value_shares *= 2;
  return has_halves && plan_group(&purpose, choice, tile);
}
