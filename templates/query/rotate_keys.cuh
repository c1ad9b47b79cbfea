//@use tile/teams
//@use ring/stages
//@use operand/{kv_dtype}
//@use query/rope_{rope}

//# K of a step, as the matrix instructions take it.

//@if rotates_keys
constexpr u32 kScorePitch = kQueryPitch;

//@if rope_positions == array
//@use query/key_positions
//@else
/* What K of a token of an item is rotated by. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return rotation_to(args.rope, token);
}
//@end

//@if rotates_pairs
//@use query/rotate_key_pairs
//@else
/* Rotates unit `unit` of row `row` of a K tile into a tile of 16-bit rows. */
void rotate_key_unit(u8 *rotated, const u8 *keys, u32 row, u32 unit, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) { read_key_chunk(values, keys, row, chunk); };
  const auto store = [&](const float(&values)[8], u32 chunk) {
    *(uint4 *)(rotated + chunk_at<kScorePitch>(row, chunk)) = pack_chunk(values, pack_compute);
  };
  rotate_unit(unit, by, load, store);
}
//@end

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
    rotate_key_unit(rotated, keys, row, i % kRowUnits<kQkDim>, key_rotation(args, item, token + (int)row));
  }
  threads.sync();
  return rotated;
}

/* Rotates pair `pair` of a stored row of K. */
void rotate_stored(float &x, float &y, u32 pair, const Rotation &by) {
  if (pair < kRopeDim / 2)
    turn_pair(x, y, pair, by);
}
//@else
//@if wide_dims > 0
//@use query/convert_keys
//@else
constexpr u32 kScorePitch = kKeyPitch;

/* K as it is in its stage. */
const u8 *ready_keys(Team threads, u8 *shared, const u8 *keys, const fi_attention_args &args, const fi_item &item,
                     int token) {
  return keys;
}
//@end

/* K is stored as it is scored. */
Rotation key_rotation(const fi_attention_args &args, const fi_item &item, int token) {
  return {};
}

void rotate_stored(float &x, float &y, u32 pair, const Rotation &by) {}
//@end
