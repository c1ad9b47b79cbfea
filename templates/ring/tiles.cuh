//# Tiles in shared memory: the ring of KV stages of each team, and 16-bit rows (Q, rotated K).

constexpr u32 kRowBytes = kHeadDim * kKvBytes;
constexpr u32 kTileBytes = kTeamTokens * kKvPitch;
constexpr u32 kStageBytes = 2 * kTileBytes; /* the K tile of a team's tokens, then their V tile */
constexpr u32 kRingBytes = kStages * kStageBytes;

//@if kv_pitch / 128 * 128 == kv_pitch
/*
 * 16-byte chunk `chunk` of row `row` of a KV tile. Chunks change places by row: eight rows' same chunk is in
 * eight banks.
 */
u32 kv_chunk(u32 row, u32 chunk) {
  return row * kKvPitch + (chunk ^ row % 8) * 16;
}

/* From the address of chunk 0 or 1 of a row to that of the chunk `chunks` on, which is even in the latter case. */
u32 kv_along(u32 address, u32 chunks) {
  return (address ^ chunks % 8 * 16) + chunks / 8 * 128;
}
//@else
/* 16-byte chunk `chunk` of row `row` of a KV tile. The odd pitch puts eight rows' same chunk in eight banks. */
u32 kv_chunk(u32 row, u32 chunk) {
  return row * kKvPitch + chunk * 16;
}

/* From the address of a chunk to that of the chunk `chunks` on in its row. */
u32 kv_along(u32 address, u32 chunks) {
  return address + chunks * 16;
}
//@end

/* Chunk `chunk` of row `row` of a tile of 16-bit rows, whose pitch is always odd. */
u32 wide_chunk(u32 row, u32 chunk) {
  return row * kWidePitch + chunk * 16;
}

u32 team() {
  return kTeams == 1 ? 0 : warp() / kRowWarps;
}

/* The warp's place in its team: which rows of the tile are its own, and which KV tokens it copies. */
u32 team_warp() {
  return warp() % kRowWarps;
}

/* Barrier of the warps of a team. */
void sync_team() {
//@if row_warps == 1
  __syncwarp();
//@else
//@if teams == 1
  __syncthreads();
//@else
  asm volatile("barrier.sync %0, %1;" ::"r"(1 + team()), "n"(32 * kRowWarps) : "memory");
//@end
//@end
}
