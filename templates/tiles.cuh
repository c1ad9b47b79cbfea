//# Tiles in shared memory: the ring of KV stages of each team, and 16-bit rows (Q, rotated K).

constexpr u32 kRowBytes = kHeadDim * kKvBytes;

constexpr u32 kTileBytes = kTeamTokens * kKvPitch;

/* A stage holds the K tile of a team's tokens, then their V tile. */
constexpr u32 kStageBytes = 2 * kTileBytes;

constexpr u32 kRingBytes = kStages * kStageBytes;

/* 16-byte chunk `chunk` of row `row` of a KV tile. The pitch puts eight rows' same chunk in eight different bank groups. */
__device__ __forceinline__ u32 kv_chunk(u32 row, u32 chunk) {
  return row * kKvPitch + chunk * 16;
}

/* The same in a tile of 16-bit rows. */
__device__ __forceinline__ u32 wide_chunk(u32 row, u32 chunk) {
  return row * kWidePitch + chunk * 16;
}

__device__ __forceinline__ u32 team() {
  return kTeams == 1 ? 0 : warp() / kRowWarps;
}

/* The warp's place in its team: which rows of the tile are its own, and which KV tokens it copies. */
__device__ __forceinline__ u32 team_warp() {
  return warp() % kRowWarps;
}

/* Barrier of the warps of a team. */
__device__ __forceinline__ void sync_team() {
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
