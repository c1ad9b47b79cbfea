/* The plan functions of the families (family.h), one file each. */
#ifndef GENERATOR_TILE_PLANS_H
#define GENERATOR_TILE_PLANS_H

#include "tile.h"

/* What all of them say of a number of theirs. */
#define QUERY_ALONE "1: a warp of the producer brings Q and nothing else"
#define CONVERTS "1: K and V become 16-bit elements on their way"
#define FREES_QUERY "1: the tile of Q is free after the last scores of an item"

/* Attention by mma.sync and cp.async: tile_mma.c. */
bool tile_plan_mma(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* The same by wgmma and tensor maps where V is in K, for sm_90a: tile_shared_rows.c. */
bool tile_plan_latent(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* The same where V is not in K and has 512 dims: tile_shared_rows.c. */
bool tile_plan_halves(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* Attention by wgmma and tensor maps, for sm_90a: tile_wgmma.c. */
bool tile_plan_wgmma(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* The same with tiles of 64 rows: tile_wgmma.c. */
bool tile_plan_few_rows(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* The same where Q, K and V are e4m3 in the products, too: tile_wgmma.c. */
bool tile_plan_e4m3(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* The indexer: tile_indexer.c. */
bool tile_plan_indexer(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

/* Kernels that step through rows, and the kernel that plans a batch: tile_simple.c. */
bool tile_plan_rows(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);
bool tile_plan_batch(const fi_spec *spec, const struct target *target, uint32_t *choice, struct tile *tile);

#endif
