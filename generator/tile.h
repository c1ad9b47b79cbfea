/*
 * The tile plan: how a kernel's work is laid out over warps, stages and shared memory. Decided once from spec and
 * target, printed as constants at the top of the generated source, and stored with the compiled kernel.
 */
#ifndef GENERATOR_TILE_H
#define GENERATOR_TILE_H

#include "flashjit.h"
#include "target.h"

#include <stddef.h>

struct family;

enum { TILE_NUMBERS = 40 };

/* A number that a family's templates read by name. */
struct tile_number {
  const char *name;
  uint32_t value;
  const char *meaning;
};

/*
 * What every kernel has, and what launches and plans go by. Teams of warps take KV tokens of their own in a step. All
 * else is numbers of the family's own, with names: how its warps divide the work, and where things lie in shared
 * memory.
 */
struct tile {
  const struct family *family; /* that the kernel belongs to */
  uint32_t threads;            /* of a CTA */
  uint32_t ctas_per_sm;        /* that registers and shared memory are budgeted for */
  uint32_t rows;               /* of the tile: query tokens x group */
  uint32_t group_shares;       /* tiles that divide the query heads of a KV head */
  uint32_t heads;              /* query heads of the tile: group / group_shares */
  uint32_t tokens;             /* query tokens of the tile: rows / heads */
  uint32_t teams;
  uint32_t team_tokens;  /* KV tokens of a team in one step */
  uint32_t start_tokens; /* steps begin at multiples of so many KV tokens */
  uint32_t stages;       /* steps of KV in the ring */
  uint32_t token_bytes;  /* of K and V of one token and head */
  uint32_t box_tokens;   /* KV tokens of a box of the tensor maps of K and V; 0: there are none */
  uint32_t shared_bytes; /* dynamic shared memory; for the plan op the most that a launch may ask for */
  uint32_t number_count;
  struct tile_number numbers[TILE_NUMBERS];
};

/* KV tokens that a CTA takes in one step. */
uint32_t tile_step_tokens(const struct tile *tile);

/* Whether some row of the tile may not see a KV token of its item. */
bool tile_mixes_rows(const struct tile *tile, const fi_spec *spec);

/* Consecutive tokens that lie in one page wherever a step of so many tokens begins: those of a box. */
uint32_t tile_box_tokens(const fi_spec *spec, uint32_t step_tokens);

/* The fewest rows of a tile that holds so many heads of a query token. */
uint32_t tile_fewest_rows(uint32_t heads);

/* From so many rows on a section's KV should stay in L2 while all CTAs go over it: plans have sections. */
enum { LARGE_TILE_ROWS = 64 };

/* The rows that a spec asks for: where it leaves them open the fewest. */
uint32_t tile_rows_asked(const fi_spec *spec);

/* Gives the tile a number of its family's. */
void tile_add(struct tile *tile, const char *name, uint32_t value, const char *meaning);

/* The number of a name; NULL when there is none. */
const struct tile_number *tile_find(const struct tile *tile, const char *name, size_t size);

#endif
