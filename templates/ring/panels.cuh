//@use ptx/types
//@use ptx/memory

//# Tiles in shared memory as wgmma and tensor maps have them: panels of dims, in which a row is 128 bytes, whose chunks
//# change places by row. Panels begin at multiples of 1024 bytes, where the pattern begins.

constexpr u32 kPanelRow = 128;  /* bytes */
constexpr u32 kPanelUnits = 64; /* in which tensor maps count: an element of 16 bits, or two of 8 */
//@if q_dtype == e4m3
constexpr u32 kPanelDims = 128;
//@else
constexpr u32 kPanelDims = 64;
//@end

template <u32 kDim> constexpr u32 kPanels = (kDim + kPanelDims - 1) / kPanelDims;

/* Bytes of a tile. Dims that its last panel has beyond kDim are 0. */
template <u32 kDim, u32 kTileRows> constexpr u32 kTileBytes = kPanels<kDim> * kTileRows * kPanelRow;

/* The same of K and V as they are stored. */
template <u32 kDim> constexpr u32 kStoredPanels = (kDim * kKvBits / 8 + kPanelRow - 1) / kPanelRow;
template <u32 kDim> constexpr u32 kStoredBytes = kStoredPanels<kDim> * kTeamTokens * kPanelRow;

/* Where 16-byte chunk `chunk` of row `row` is in a tile of kTileRows. */
template <u32 kTileRows> u32 panel_chunk(u32 row, u32 chunk) {
  return chunk / 8 * (kTileRows * kPanelRow) + row * kPanelRow + (chunk % 8 ^ row % 8) * 16;
}

/* The tiles of Q, and the stages of K and V. */
u8 *query_tile_of(u8 *shared, u32 number) {
  return shared + kSharedQuery + number * kTileBytes<kQkDim, kRows>;
}

//@if v_source == keys
constexpr u32 kRest = 2; /* the part of a stage of K behind the halves of V: the rest of K, then weights */

/* Where a part begins in a stage, and in a row. */
u8 *part_of_stage(u8 *shared, u32 stage, u32 part) {
  return shared + kSharedKeys + stage * kTileBytes<kVDim + kPanelDims, kTeamTokens> +
         part * kTileBytes<kVDim / 2, kTeamTokens>;
}

u8 *keys_of_stage(u8 *shared, u32 stage) {
  return part_of_stage(shared, stage, 0);
}
//@else
u8 *keys_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedKeys + stage * kTileBytes<kQkDim, kTeamTokens>;
}
//@end

u8 *values_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedValues + stage * kTileBytes<kVDim, kTeamTokens>;
}
