//@use work/scales
//@use tile/rows

//# What a score becomes: the base-2 logit of which the weight is the exponential.

constexpr float kLargest = 0x1.fffffep127f;

/*
 * What a score is multiplied with: of any size, so that masked scores must be infinite, but neither 0 nor infinite,
 * which would make products with those of them, or with 0, undefined: the least and the largest number instead are as
 * good. Negative scales, which only a device array can have, count as 0.
 */
float positive_scale(float scale) {
  return scale <= 0 ? 0x1p-149f : scale > kLargest ? kLargest : scale;
}

/* The item's part of it. */
float score_scale(const fi_attention_args &args, int kv_head) {
  return args.scale_log2 * scale_of(args.k, kv_head);
}

/* What differences of maxima are multiplied with where states of a row are joined. */
float joined_scale(const fi_attention_args &args, int kv_head) {
  return positive_scale(score_scale(args, kv_head));
}

//@if scales_rows
/* A row's score as its Q gives it, before that was divided: what states of the row are joined by. */
float given_score(float score, const tile_row &row) {
  return score * row.query_scale;
}

/* What the scores of each row group are multiplied with. */
struct LogitScale {
  float rows[kRowGroups];

  float of(u32 group) const {
    return rows[group];
  }
};

/* That of one row, by the item's and what its Q was divided by. */
float row_scale(float scale, const tile_row &row) {
  return positive_scale(scale * row.query_scale);
}

/* Those of the thread's rows. */
LogitScale spread_scale(float scale, const tile_row *rows) {
  LogitScale spread;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    spread.rows[r] = row_scale(scale, rows[first_row() + 8 * r]);
  return spread;
}
//@else
/* A row's score as its Q gives it: what states of the row are joined by. */
float given_score(float score, const tile_row &row) {
  return score;
}

/* What all scores are multiplied with. */
struct LogitScale {
  float all;

  float of(u32 group) const {
    return all;
  }
};

/* The item's. */
LogitScale spread_scale(float scale, const tile_row *rows) {
  return {positive_scale(scale)};
}

/* That of one row. */
float row_scale(float scale, const tile_row &row) {
  return positive_scale(scale);
}
//@end
