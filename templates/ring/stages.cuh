//@use ptx/types

//# Tiles in shared memory: the stages of each team's ring, K and V of some tokens, and rows of 16-bit elements.

//@if wide_dims > 0
constexpr u32 kKeyRowBytes = kCodeDims;
constexpr u32 kWideRowBytes = kWideDims * 2;
constexpr u32 kKeysAt = 0; /* where the tile of K begins in a stage, that of its wide dims, and their scales */
constexpr u32 kWideAt = kTeamTokens * kKeyPitch;
constexpr u32 kKeyScalesAt = kWideAt + kTeamTokens * kWidePitch;
constexpr u32 kStageBytes = kPaddedStage;
//@else
constexpr u32 kKeyRowBytes = kQkDim * kKvBits / 8;
//@if v_bits == kv_bits
constexpr u32 kValueRowBytes = kVDim * kKvBits / 8;
//@else
constexpr u32 kValueRowBytes = kVDim * kVBits / 8;
//@end
constexpr u32 kKeysAt = 0; /* where the tile of K begins in a stage, and that of V */
//@if v_source == keys
constexpr u32 kValuesAt = kKeysAt;
//@else
constexpr u32 kValuesAt = kTeamTokens * kKeyPitch;
//@end
//@if copies_scales
constexpr u32 kKeyScalesAt = kValuesAt + kTeamTokens * kValuePitch; /* where scales begin that K of tokens has */
constexpr u32 kValueScalesAt = kKeyScalesAt + kTeamTokens * kKeyScaleBytes;
constexpr u32 kStageBytes = kPaddedStage;
//@else
constexpr u32 kStageBytes = kValuesAt + kTeamTokens * kValuePitch;
//@end
//@end
constexpr u32 kRingBytes = kStages * kStageBytes;

/*
 * 16-byte chunk `chunk` of row `row` of a tile, such that eight rows' same chunk is in eight banks: chunks change
 * places by row where a row is a multiple of 128 bytes, and the pitch is an odd number of chunks elsewhere.
 */
template <u32 kPitch> u32 chunk_at(u32 row, u32 chunk) {
  if constexpr (kPitch % 128 == 0)
    return row * kPitch + (chunk ^ row % 8) * 16;
  else
    return row * kPitch + chunk * 16;
}

/* From the address of chunk 0 or 1 of a row to that of the chunk `chunks` on, which is even in the latter case. */
template <u32 kPitch> u32 chunks_along(u32 address, u32 chunks) {
  if constexpr (kPitch % 128 == 0)
    return (address ^ chunks % 8 * 16) + chunks / 8 * 128;
  else
    return address + chunks * 16;
}

/* Stage `stage` of a team's ring. */
u8 *stage_of(u8 *shared, u32 team, u32 stage) {
  return shared + kSharedRings + team * kRingBytes + stage * kStageBytes;
}

u32 stage_before(u32 stage) {
  return stage == 0 ? kStages - 1 : stage - 1;
}

u32 stage_after(u32 stage) {
  return stage == kStages - 1 ? 0 : stage + 1;
}

//@if token_scales
/* The tile of K in a stage, where what its tokens are worth is to be worked out too. */
struct ScaledKeys {
  const u8 *rows;
};

ScaledKeys keys_of(const u8 *stage) {
  return {stage + kKeysAt};
}

/* The stage's scales of K. */
const float *key_scales_of(const ScaledKeys &keys) {
  return (const float *)(keys.rows - kKeysAt + kKeyScalesAt);
}

//@if v_bits == 8
/* And those of V. */
const float *value_scales_of(const ScaledKeys &keys) {
  return (const float *)(keys.rows - kKeysAt + kValueScalesAt);
}
//@end

/* The tile of V in a stage. */
//@else
/* The tiles of K and V in a stage. */
const u8 *keys_of(const u8 *stage) {
  return stage + kKeysAt;
}

//@end
//@if wide_dims > 0
/* V of a step: it is in K as products take it. */
const u8 *values_of(const u8 *stage, const u8 *keys) {
  return keys;
}
//@else
const u8 *values_of(const u8 *stage, const u8 *keys) {
  return stage + kValuesAt;
}
//@end
