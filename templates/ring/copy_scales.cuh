//@use work/scales
//@use ring/stages
//@use ptx/memory

//# Copies of the scales of tokens, or of groups of their elements: a token a lane.

/* Starts the copy of kBytes, by the largest units that these are whole ones of. */
template <u32 kBytes> void copy_scale_row(u32 to, const u8 *from, bool valid) {
#pragma unroll
  for (u32 done = 0; done < kBytes; done += kBytes % 16 == 0 ? 16 : kBytes % 8 == 0 ? 8 : 4) {
    if constexpr (kBytes % 16 == 0)
      copy_async(to + done, from + done, valid);
    else if constexpr (kBytes % 8 == 0)
      copy_async_half(to + done, from + done, valid);
    else
      copy_async_word(to + done, from + done, valid);
  }
}

//@if wide_dims > 0
/* Starts the copies of the scales of the warp's tokens. */
void copy_scales(const kv_loader &loader, const fi_attention_args &args, u32 stage, const ValidRows &valid) {
  const u32 row = fresh_lane();
  const u32 place = team_warp() * kWarpTokens + row;
  if (row >= kWarpTokens)
    return;
  const int token = warp_token(loader) + (int)row;
  const u8 *keys = (const u8 *)args.k.scales;
  keys += scale_index(args.k, loader.page, token, loader.kv_head) * kKeyScaleElement;
  copy_scale_row<kKeyScaleBytes>(stage + kKeyScalesAt + place * kKeyScaleBytes, keys, valid.has(row));
}
//@else
/* Starts the copies of the scales of the warp's tokens. */
void copy_scales(const kv_loader &loader, const fi_attention_args &args, u32 stage, const ValidRows &valid) {
  const u32 row = fresh_lane();
  const u32 place = team_warp() * kWarpTokens + row;
  const int token = warp_token(loader) + (int)row;
  if (row >= kWarpTokens)
    return;
  const u8 *keys = (const u8 *)args.k.scales;
  const u8 *values = (const u8 *)args.v.scales;
  keys += scale_index(args.k, loader.page, token, loader.kv_head) * kKeyScaleElement;
  values += scale_index(args.v, loader.page, token, loader.kv_head) * kValueScaleElement;
  copy_scale_row<kKeyScaleBytes>(stage + kKeyScalesAt + place * kKeyScaleBytes, keys, valid.has(row));
  copy_scale_row<kValueScaleBytes>(stage + kValueScalesAt + place * kValueScaleBytes, values, valid.has(row));
}
//@end
