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

//@if second_page > 0
/* The first scale of the lane's row of K or V, of the first KV or of the second. */
long long scale_place(const fi_kv_args &first, const fi_kv_args &second, const kv_loader &loader, int token) {
  if (!second_loader_of(loader).is_second)
    return scale_index(first, loader.page, token, loader.kv_head);
  const KvHead head = loader.kv_head;
  return loader.page * second.scale_page_stride + (u32)token % kSecondPage * second.scale_token_stride +
         head * second.scale_head_stride;
}

const u8 *key_scales_at(const fi_attention_args &args, const kv_loader &loader, int token) {
  const u8 *scales = (const u8 *)(second_loader_of(loader).is_second ? args.second_k.scales : args.k.scales);
  return scales + scale_place(args.k, args.second_k, loader, token) * kKeyScaleElement;
}

const u8 *value_scales_at(const fi_attention_args &args, const kv_loader &loader, int token) {
  const u8 *scales = (const u8 *)(second_loader_of(loader).is_second ? args.second_v.scales : args.v.scales);
  return scales + scale_place(args.v, args.second_v, loader, token) * kValueScaleElement;
}
//@else
/* The scales of a token of K, and of V. */
const u8 *key_scales_at(const fi_attention_args &args, const kv_loader &loader, int token) {
  return (const u8 *)args.k.scales + scale_index(args.k, loader.page, token, loader.kv_head) * kKeyScaleElement;
}

const u8 *value_scales_at(const fi_attention_args &args, const kv_loader &loader, int token) {
  return (const u8 *)args.v.scales + scale_index(args.v, loader.page, token, loader.kv_head) * kValueScaleElement;
}
//@end

//@if wide_dims > 0
/* Starts the copies of the scales of the warp's tokens. */
void copy_scales(const kv_loader &loader, const fi_attention_args &args, u32 stage, const ValidRows &valid) {
  const u32 row = fresh_lane();
  const u32 place = team_warp() * kWarpTokens + row;
  if (row >= kWarpTokens)
    return;
  const int token = warp_token(loader) + (int)row;
  const u8 *keys = key_scales_at(args, loader, token);
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
  const u8 *keys = key_scales_at(args, loader, token);
  const u8 *values = value_scales_at(args, loader, token);
  copy_scale_row<kKeyScaleBytes>(stage + kKeyScalesAt + place * kKeyScaleBytes, keys, valid.has(row));
  copy_scale_row<kValueScaleBytes>(stage + kValueScalesAt + place * kValueScaleBytes, values, valid.has(row));
}
//@end
