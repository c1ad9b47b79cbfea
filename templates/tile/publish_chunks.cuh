//@use tile/softmax
//@use tile/pairs
//@use tile/finish
//@use work/item

//# One team: each warp has its rows in its registers and writes them itself. Of a row of O the four lanes that share it
//# first exchange what they have, so that each writes eight elements at a time; for partials this takes longer.

/* What the lane that is so far away gives, where this one gives one of two values. */
float exchange(bool first, float one, float other, int distance) {
  return __shfl_xor_sync(kAllLanes, first ? one : other, distance);
}

/* Four columns of pairs p and p + 1 of a row group: of the first in even lanes. */
float4 four_of(const Output &o, u32 r, u32 p, u32 lane) {
  const bool odd = lane % 2;
  const float2 low = pair_of(o, r, p);
  const float2 high = pair_of(o, r, p + 1);
  const float x = exchange(odd, low.x, high.x, 1);
  const float y = exchange(odd, low.y, high.y, 1);
  return {odd ? x : low.x, odd ? y : low.y, odd ? high.x : x, odd ? high.y : y};
}

//@if o_dtype == f32
/* Writes eight elements of a row of O. */
void write_chunk(OutputElement *to, const float4 &begin, const float4 &end) {
  write_output(to, begin);
  write_output(to + 4, end);
}
//@else
//@if o_dtype == bf16
u32 pack_output(float low, float high) {
  return pack_bf16(low, high);
}
//@else
u32 pack_output(float low, float high) {
  return pack_f16(low, high);
}
//@end

/* Writes eight elements of a row of O. */
void write_chunk(OutputElement *to, const float4 &begin, const float4 &end) {
  *(uint4 *)to = {pack_output(begin.x, begin.y), pack_output(begin.z, begin.w), pack_output(end.x, end.y),
                  pack_output(end.z, end.w)};
}
//@end

/* Writes the columns of pairs p to p + 3 of a row group to a row of O, eight a lane. */
void write_eight(const Output &o, u32 r, u32 p, u32 lane, const FinishedRow &finished, u32 first, bool is_there) {
  const bool upper = lane % 4 / 2;
  const float factor = finished.factor;
  const float4 low = four_of(o, r, p, lane);
  const float4 high = four_of(o, r, p + 2, lane);
  const float4 taken = {exchange(upper, low.x, high.x, 2), exchange(upper, low.y, high.y, 2),
                        exchange(upper, low.z, high.z, 2), exchange(upper, low.w, high.w, 2)};
  const float4 begin = {(upper ? taken.x : low.x) * factor, (upper ? taken.y : low.y) * factor,
                        (upper ? taken.z : low.z) * factor, (upper ? taken.w : low.w) * factor};
  const float4 end = {(upper ? high.x : taken.x) * factor, (upper ? high.y : taken.y) * factor,
                      (upper ? high.z : taken.z) * factor, (upper ? high.w : taken.w) * factor};
  if (is_there)
    write_chunk(finished.o + first + 8 * (p + lane % 2 + 2 * upper), begin, end);
}

/* Writes the item's rows to O, or as a partial. */
void publish(const fi_attention_args &args, const ItemTile &tile, const RowState &state) {
  const fi_item &item = tile.item;
  const u32 lane = fresh_lane();
  const u32 first = first_dim();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const bool is_there = row < item.row_count * kGroup;
    const tile_row &at = tile.rows[is_there ? row : 0];
    const bool has_end = is_there && has_row_end(lane);
    if (item.part < 0) {
      const RowEnd end = row_end(args, at.token, item.kv_head, row);
      const FinishedRow finished = finish_row(args, end, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p += 4)
        write_eight(state.o, r, p, lane, finished, first, is_there);
    } else {
      if (!is_there)
        continue;
      float *to = keep_row(args, item.part + at.part, state.most[r], state.sum[r], has_end);
#pragma unroll
      for (u32 p = 0; p < kShareDims / 8; p++)
        *(float2 *)(to + first + pair_column(lane, p)) = pair_of(state.o, r, p);
    }
  }
}
