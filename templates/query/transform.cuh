//@use query/tile
//@use work/item
//@use query/{q_dtype}
//@use operand/{kv_dtype}
//@use query/rope_{rope}

//# Q in its tile becomes what the fragments need.

//@if family == wgmma && value_warps == 1
/* Who transforms rows of the tile together: a consumer its own. */
constexpr u32 kSharers = 128;
constexpr u32 kSharerRows = 64;
//@else
/* Who transforms rows of the tile together: those that compute all of them. */
constexpr u32 kSharers = kWorkers;
constexpr u32 kSharerRows = kRows;
//@end

typedef Threads<kSharers> RowSharers;

//@if family == wgmma
/* The products read the rows from shared memory. */
void end_transform(RowSharers threads) {
  shared_written();
  threads.sync();
}
//@else
void end_transform(RowSharers threads) {
  threads.sync();
}
//@end

//@if scales_rows
/* Most of a row of Q is scaled to: half of what f16 holds twice over, since rotation makes it larger. */
constexpr u32 kScaledExponent = 127 + 12;

/*
 * Finds what each row of the tile is divided by, a power of two. Eight threads share a row; magnitudes of bf16 compare
 * as integers.
 */
void find_query_scales(RowSharers threads, const u8 *query, tile_row *rows) {
#pragma unroll 1
  for (u32 i = threads.number(); i < kSharerRows * 8; i += kSharers) {
    const u32 row = i / 8;
    u32 most = 0;
#pragma unroll 1
    for (u32 chunk = i % 8; chunk < kQueryChunks; chunk += 8) {
      const uint4 words = *(const uint4 *)(query + query_offset(row, chunk));
      const u32 pairs[4] = {words.x, words.y, words.z, words.w};
#pragma unroll
      for (u32 pair : pairs)
        most = max(most, max(pair & 0x7fffffff, pair << 16 & 0x7fffffff));
    }
#pragma unroll
    for (u32 step = 1; step < 8; step *= 2)
      most = max(most, __shfl_xor_sync(kAllLanes, most, step));
    const u32 exponent = max(most >> 23, kScaledExponent - 126); /* of a normal number, as is its inverse */
    if (i % 8 == 0)
      rows[row].query_scale = __uint_as_float(exponent - (kScaledExponent - 127) << 23);
  }
  threads.sync();
}

/* What a row's elements are multiplied with: the inverse of a power of two. */
float query_factor(const tile_row &row) {
  return __uint_as_float((254u << 23) - __float_as_uint(row.query_scale));
}
//@else
/* Rows of Q are in the range of the type to compute in. */
void find_query_scales(RowSharers threads, const u8 *query, tile_row *rows) {}

float query_factor(const tile_row &row) {
  return 1;
}
//@end

//@if rope != none || converts_query
//@if rotates_pairs
//@use query/transform_pairs
//@else
/* Turns unit `unit` of a row of the tile, whose elements are multiplied with a factor. */
void transform_unit(u8 *query, u32 row, u32 unit, float factor, const Rotation &by) {
  const auto load = [&](float(&values)[8], u32 chunk) {
    unpack_chunk(values, *(const uint4 *)(query + query_offset(row, chunk)), unpack_query);
#pragma unroll
    for (float &value : values)
      value *= factor;
  };
  const auto store = [&](const float(&values)[8], u32 chunk) {
    *(uint4 *)(query + query_offset(row, chunk)) = pack_chunk(values, pack_compute);
  };
  rotate_unit(unit, by, load, store);
}
//@end

/* Turns the rows from what was fetched into what the fragments need: rotated, and of the type to compute in. */
void transform_query(RowSharers threads, u8 *query, const fi_attention_args &args, tile_row *rows) {
  find_query_scales(threads, query, rows);
#pragma unroll 1
  for (u32 i = threads.number(); i < kSharerRows * kRowUnits<kQkDim>; i += kSharers) {
    const u32 row = i / kRowUnits<kQkDim>;
    const float factor = query_factor(rows[row]);
    const Rotation by = rotation_to(args.rope, query_position(args, rows[row]));
    transform_unit(query, row, i % kRowUnits<kQkDim>, factor, by);
  }
  end_transform(threads);
}
//@else
/* The tile is what the fragments need. */
void transform_query(RowSharers threads, u8 *query, const fi_attention_args &args, tile_row *rows) {}
//@end
