//@use operand/{kv_dtype}
//@use ring/stages
//@use tile/teams

//# K of a step becomes rows of the type to compute in, from its elements, their scales and its wide dims.

constexpr u32 kScorePitch = kQueryPitch;

constexpr u32 kCodeUnits = kCodeDims / 8; /* of a row: pieces of 8 elements */
constexpr u32 kKeyUnits = kQkDim / 8;

/* Piece `unit` of row `row` of a stage, converted. */
uint4 converted_unit(const u8 *stage, u32 row, u32 unit) {
  if (unit >= kCodeUnits)
    return *(const uint4 *)(stage + kWideAt + chunk_at<kWidePitch>(row, unit - kCodeUnits));
  const float scale = group_scale(stage + kKeyScalesAt + row * kKeyScaleBytes, unit * 8 / kScaleGroup);
  const uint2 codes = *(const uint2 *)(stage + kKeysAt + chunk_at<kKeyPitch>(row, unit / 2) + unit % 2 * 8);
  const uint2 first = scaled_four(codes.x, scale);
  const uint2 second = scaled_four(codes.y, scale);
  return make_uint4(first.x, first.y, second.x, second.y);
}

/* Converts the team's K of a step. Ends with a barrier of the team. */
const u8 *ready_keys(Team threads, u8 *shared, const u8 *stage, const fi_attention_args &args, const fi_item &item,
                     int token) {
  u8 *keys = shared + kSharedRotated + team() * (kTeamTokens * kScorePitch);
#pragma unroll 4
  for (u32 i = threads.number(); i < kTeamTokens * kKeyUnits; i += 32 * kTeamWarps) {
    const u32 row = i / kKeyUnits;
    const u32 unit = i % kKeyUnits;
    *(uint4 *)(keys + chunk_at<kScorePitch>(row, unit)) = converted_unit(stage, row, unit);
  }
  threads.sync();
  return keys;
}
