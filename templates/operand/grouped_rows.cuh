//@use ptx/types
//@use operand/convert
//@use operand/quantize
//@use query/{q_dtype}
//@use query/rope_{rope}
//@use work/kv_address
//@use work/scales

//# A warp converts a row of K as a whole: e4m3 with scales of groups, and its last dims as they are.

constexpr u32 kLongestRow = kQkDim;

//@if q_dtype == bf16
/* An element of the type of Q. */
u16 wide_element(float value) {
  return (u16)pack_bf16(value, 0);
}
//@else
/* An element of the type of Q. */
u16 wide_element(float value) {
  return (u16)pack_f16(value, 0);
}
//@end

//@if rotates_pairs
/* Rotates unit `unit` of a row. */
void rotate_row_unit(float *row, u32 unit, const Rotation &by) {
  const auto load = [&](u32 dim) { return row[dim]; };
  const auto store = [&](float value, u32 dim) { row[dim] = value; };
  rotate_unit(unit, by, load, store);
}
//@else
/* Rotates unit `unit` of a row. */
void rotate_row_unit(float *row, u32 unit, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) {
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      values[i] = row[chunk * 8 + i];
  };
  const auto store = [&](const float(&values)[8], u32 chunk) {
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      row[chunk * 8 + i] = values[i];
  };
  rotate_unit(unit, by, load, store);
}
//@end

/* Takes a new row of K, rotated, into shared memory: its elements that get scales, and the wide ones. */
void take_row(float *row, const u16 *codes, const u16 *wide, const Rotation &by) {
#pragma unroll 1
  for (u32 dim = lane(); dim < kQkDim; dim += 32)
    row[dim] = unpack_query(dim < kCodeDims ? codes[dim] : wide[dim - kCodeDims]).x;
  __syncwarp();
#pragma unroll 1
  for (u32 unit = lane(); unit < kRowUnits<kQkDim>; unit += 32)
    rotate_row_unit(row, unit, by);
  __syncwarp();
}

/* The largest magnitude of a group: finite, and that of no NaN. */
float largest_of_group(const float *group) {
  float magnitude = 0;
#pragma unroll 1
  for (u32 i = lane(); i < kScaleGroup; i += 32)
    magnitude = fmaxf(magnitude, fabsf(group[i]));
#pragma unroll
  for (u32 step = 16; step > 0; step /= 2)
    magnitude = fmaxf(magnitude, __shfl_xor_sync(kAllLanes, magnitude, step));
  return fminf(magnitude, 3.40282347e38f);
}

//@if kv_scale == e8m0
/* Writes the scale of a group, the least power of two by which all elements are at most 448, 1.75 * 2^8. */
float make_group_scale(void *scales, u32 group, float most) {
  const u32 bits = __float_as_uint(most);
  const int exponent = max(1, (int)(bits >> 23) - 8 + ((bits & 0x7fffff) > 0x600000));
  if (lane() == 0)
    ((u8 *)scales)[group] = (u8)exponent;
  return __uint_as_float((u32)exponent << 23);
}
//@else
/* Writes the scale of a group, by which the largest magnitude becomes 448. */
float make_group_scale(void *scales, u32 group, float most) {
  const float scale = fmaxf(most / 448, 0x1p-126f);
  if (lane() == 0)
    ((float *)scales)[group] = scale;
  return scale;
}
//@end

/* Writes a row of K into the cache, with its scales, and its wide dims. */
void store_row(const fi_append_args &args, const NewToken &at, int head, const float *row) {
  u16 *codes = (u16 *)kv_row(args.k, at.place, at.at, head);
  u16 *wide = (u16 *)kv_row(args.v, at.place, at.at, head);
  u8 *scales = (u8 *)args.k.scales + scale_index(args.k, at.place, at.at, head) * kKeyScaleElement;
#pragma unroll 1
  for (u32 first = 0; first < kCodeDims; first += kScaleGroup) {
    const float scale = make_group_scale(scales, first / kScaleGroup, largest_of_group(row + first));
    for (u32 i = 2 * lane(); i < kScaleGroup; i += 64)
      codes[(first + i) / 2] = (u16)fp8_pair(row[first + i] / scale, row[first + i + 1] / scale);
  }
#pragma unroll 1
  for (u32 dim = lane(); dim < kWideDims; dim += 32)
    wide[dim] = wide_element(row[kCodeDims + dim]);
  __syncwarp();
}
