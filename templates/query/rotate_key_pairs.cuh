//# K of a step is rotated pair by pair.

/* Element `dim` of a row of a K tile. */
float key_element(const u8 *keys, u32 row, u32 dim) {
  const u32 at = dim * kKvBits / 8;
  return stored_element(keys + chunk_at<kKeyPitch>(row, at / 16) + at % 16, 0);
}

/*
 * Rotates the team's K tile, whose first token is `token`, into a tile of 16-bit rows. Ends with a barrier of the
 * team.
 */
const u8 *ready_keys(Team threads, u8 *shared, const u8 *keys, const fi_attention_args &args, const fi_item &item,
                     int token) {
  u8 *rotated = shared + kSharedRotated + team() * (kTeamTokens * kScorePitch);
#pragma unroll 1
  for (u32 i = threads.number(); i < kTeamTokens * kRowUnits<kQkDim>; i += 32 * kTeamWarps) {
    const u32 row = i / kRowUnits<kQkDim>;
    const auto load = [&](u32 dim) { return key_element(keys, row, dim); };
    const auto store = [&](float value, u32 dim) {
      *(u16 *)(rotated + chunk_at<kScorePitch>(row, dim / 8) + dim % 8 * 2) = (u16)pack_compute(value, 0);
    };
    rotate_unit(i % kRowUnits<kQkDim>, key_rotation(args, item, token + (int)row), load, store);
  }
  threads.sync();
  return rotated;
}
