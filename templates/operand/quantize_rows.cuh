//@use ptx/types
//@use operand/convert
//@use query/{q_dtype}
//@use query/rope_{rope}
//@use work/kv_address
//@use work/scales

//# A warp converts a row of K or V as a whole: scales of tokens are found from all of it.

constexpr u32 kLongestRow = kQkDim > kVDim ? kQkDim : kVDim;

/* Reads the 8 elements of chunk `chunk` of a new row. */
void read_chunk(float (&values)[8], const u16 *row, u32 chunk) {
  unpack_chunk(values, *(const uint4 *)(row + chunk * 8), unpack_query);
}

//@if rotates_pairs
/* Takes unit `unit` of a new row of K, rotated. */
void take_key_unit(float *row, const u16 *from, u32 unit, const Rotation &by) {
  const auto load = [&](u32 dim) { return unpack_query(from[dim]).x; };
  const auto store = [&](float value, u32 dim) { row[dim] = value; };
  rotate_unit(unit, by, load, store);
}
//@else
/* Takes unit `unit` of a new row of K, rotated. */
void take_key_unit(float *row, const u16 *from, u32 unit, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) { read_chunk(values, from, chunk); };
  const auto store = [&](const float(&values)[8], u32 chunk) {
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      row[chunk * 8 + i] = values[i];
  };
  rotate_unit(unit, by, load, store);
}
//@end

/* Takes a new row of K, rotated, into shared memory. */
void take_key(float *row, const u16 *from, const Rotation &by) {
#pragma unroll 1
  for (u32 unit = lane(); unit < kRowUnits<kQkDim>; unit += 32)
    take_key_unit(row, from, unit, by);
  __syncwarp();
}

//@if v_source == own
/* Takes a new row of V. */
void take_value(float *row, const u16 *from) {
#pragma unroll 1
  for (u32 dim = lane(); dim < kVDim; dim += 32)
    row[dim] = unpack_query(from[dim]).x;
  __syncwarp();
}
//@end

/* The place of a row in the cache. */
struct RowPlace {
  int place;
  int token;
  int head;
};

//@use operand/rows_{kv_dtype}
//@use operand/rows_{v_dtype}

//@if kv_dtype == int8
/* Writes a row of K into the cache, with the scales that it has of its own. */
void store_key_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_int8_row<kQkDim>(kv, at, row);
}
//@end
//@if kv_dtype == int4
/* Writes a row of K into the cache, with the scales that it has of its own. */
void store_key_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_int4_row<kQkDim>(kv, at, row);
}
//@end
//@if kv_dtype == nvfp4
/* Writes a row of K into the cache, with the scales that it has of its own. */
void store_key_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_nvfp4_row<kQkDim>(kv, at, row);
}
//@end
//@if kv_dtype == e4m3 || kv_dtype == e5m2
/* Writes a row of K into the cache. */
void store_key_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_fp8_row<kQkDim>(kv, at, row);
}
//@end

//@if v_dtype == int8 && v_source == own
/* Writes a row of V into the cache, with the scales that it has of its own. */
void store_value_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_int8_row<kVDim>(kv, at, row);
}
//@end
//@if v_dtype == int4
/* Writes a row of V into the cache, with the scales that it has of its own. */
void store_value_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_int4_row<kVDim>(kv, at, row);
}
//@end
//@if v_dtype == nvfp4
/* Writes a row of V into the cache, with the scales that it has of its own. */
void store_value_row(const fi_kv_args &kv, const RowPlace &at, const float *row) {
  store_nvfp4_row<kVDim>(kv, at, row);
}
//@end
