//@use operand/{kv_dtype}
//@use work/kv_address
//@use tile/logits
//@use tile/softmax
//@use tile/finish
//@use work/item
//@use tile/mask_bits
//@use query/tile
//@use query/rotate_keys

//# V of tokens that some rows see and others do not may be infinite or NaN. A weight of 0 does not take that out of a
//# product of matrices: O becomes NaN and stays so. Then the rows that do not see all tokens are done again, one by
//# one.

//@if mixed_rows
/* Whether O is infinite or NaN somewhere: then so is its product with 0. */
bool has_odd_values(const Output &o) {
  float product = 0;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
#pragma unroll
    for (u32 i = 0; i < kShareDims / 4; i++)
      product = fmaf(at(o, r, i), 0, product);
  return product != product;
}

/* Pairs of dims of a head that a lane has when a warp shares it. */
template <u32 kDim> constexpr u32 kLanePairs = (kDim / 2 + 31) / 32;

//@if frees_query
/* Where a row is in Q. It is read from there: its tile may have been filled anew. */
long long query_offset_of(const fi_attention_args &args, const ItemTile &tile, u32 row) {
  const u32 head = tile.item.kv_head * kGroup + row % kGroup;
  return tile.rows[row].token * args.q_token_stride + head * args.q_head_stride;
}

//@if q_dtype == e4m3
typedef const u8 *QueryRow;

QueryRow query_row(const fi_attention_args &args, const ItemTile &tile, const u8 *query, u32 row) {
  return (const u8 *)args.q + query_offset_of(args, tile, row);
}

float query_element(const QueryRow &row, u32 dim) {
  return stored_element(row, dim);
}
//@else
typedef const u16 *QueryRow;

QueryRow query_row(const fi_attention_args &args, const ItemTile &tile, const u8 *query, u32 row) {
  return (const u16 *)args.q + query_offset_of(args, tile, row);
}

float query_element(const QueryRow &row, u32 dim) {
  return unpack_compute(row[dim]).x;
}
//@end
//@else
/* A row of Q in its tile. */
struct QueryRow {
  const u8 *query;
  u32 row;
};

QueryRow query_row(const fi_attention_args &args, const ItemTile &tile, const u8 *query, u32 row) {
  return {query, row};
}

//@if weight_exponent > 0
float query_element(const QueryRow &row, u32 dim) {
  return stored_element(row.query + query_offset(row.row, dim / 16), dim % 16);
}
//@else
float query_element(const QueryRow &row, u32 dim) {
  return unpack_compute(*(const u16 *)(row.query + query_offset(row.row, dim / 8) + dim % 8 * 2)).x;
}
//@end
//@end

//@if wide_dims == 0
/* A row of K or V in the cache. */
typedef const u8 *StoredRow;

StoredRow stored_key(const fi_attention_args &args, int place, int token, KvHead head) {
  return kv_row(args.k, place, token, head);
}

StoredRow stored_value(const fi_attention_args &args, int place, int token, KvHead head) {
  return kv_row(args.v, place, token, head);
}
//@end

/* The lane's part of the score of a row of Q by a stored row of K. */
float score_part(const QueryRow &query, const StoredRow &key, const Rotation &by) {
  float part = 0;
#pragma unroll 1
  for (u32 pair = fresh_lane(); pair < kQkDim / 2; pair += 32) {
    const u32 first = first_of_pair(pair);
    const u32 second = second_of_pair(pair);
    float x = stored_element(key, first);
    float y = stored_element(key, second);
    rotate_stored(x, y, pair, by);
    part = fmaf(query_element(query, first), x, part);
    part = fmaf(query_element(query, second), y, part);
  }
  return part;
}

/* A row's part of an item, worked out by a warp from what is in global memory, token after token. */
void redo_row(const fi_attention_args &args, const ItemTile &tile, const QueryRow &query, u32 row) {
  const fi_item &item = tile.item;
  const tile_row &of = tile.rows[row];
  const u32 lane = fresh_lane();
  const float scale = row_scale(score_scale(args, item.kv_head), of);
  const float unit = row_logit_scale(scale);
  float most = kNothing;
  float sum = 0;
  float2 o[kLanePairs<kVDim>] = {};
#pragma unroll 1
  for (int token = max(item.kv_begin, first_seen(of)); token < of.visible; token++) {
    if (!has_bit(args, tile, row, token))
      continue;
    const int place = kv_place(*args.plan.header, item.kv_base, token);
    const StoredRow key = stored_key(args, place, token, item.kv_head);
    float score = score_part(query, key, key_rotation(args, item, token));
#pragma unroll
    for (u32 step = 16; step > 0; step /= 2)
      score += __shfl_xor_sync(kAllLanes, score, step);
    score = to_logit(score, args, tile, row, scale, token);
    if (is_hidden(score))
      continue;
    const TokenWeight by = weigh_token(most, sum, score, unit);
    const StoredRow value = stored_value(args, place, token, item.kv_head);
#pragma unroll
    for (u32 i = 0; i < kLanePairs<kVDim>; i++) {
      const u32 dim = min(2 * (lane + 32 * i), kVDim - 2u);
      o[i].x = fmaf(o[i].x, by.shrink, by.weight * stored_element(value, dim));
      o[i].y = fmaf(o[i].y, by.shrink, by.weight * stored_element(value, dim + 1));
    }
  }
  most = sum == 0 ? minus_infinity() : joined_score(most, of);
  const bool whole = item.part < 0;
  FinishedRow finished = {};
  float *kept = nullptr;
  if (whole)
    finished = finish_row(args, row_end(args, of.token, item.kv_head, row), most, sum, lane == 0);
  else
    kept = keep_row(args, item.part + of.part, most, sum, lane == 0);
#pragma unroll
  for (u32 i = 0; i < kLanePairs<kVDim>; i++) {
    const u32 dim = 2 * (lane + 32 * i);
    if (dim < kVDim && whole)
      write_output(finished.o + dim, o[i].x * finished.factor, o[i].y * finished.factor);
    if (dim < kVDim && !whole)
      *(float2 *)(kept + dim) = o[i];
  }
}

/* Whether a row may not see a token of its item. */
bool sees_less(const ItemTile &tile, u32 row) {
  return kHides || tile.rows[row].visible < tile.item.kv_end || first_seen(tile.rows[row]) > tile.item.kv_begin;
}

//@end
