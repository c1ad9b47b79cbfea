//@use work/scales
//@use tile/rows
//@use ptx/math
//@use work/item

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

//@if scales_rows
/* What the scores of each row group are multiplied with. */
struct ScoreScale {
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
ScoreScale spread_scale(float scale, const tile_row *rows) {
  ScoreScale spread;
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++)
    spread.rows[r] = row_scale(scale, rows[first_row() + 8 * r]);
  return spread;
}
//@else
/* What all scores are multiplied with. */
struct ScoreScale {
  float all;

  float of(u32 group) const {
    return all;
  }
};

/* The item's. */
ScoreScale spread_scale(float scale, const tile_row *rows) {
  return {positive_scale(scale)};
}

/* That of one row. */
float row_scale(float scale, const tile_row &row) {
  return positive_scale(scale);
}
//@end

//@if hides_tokens
/* Whether a bias or a snippet, and so the logit that it makes, takes a token out of sight. */
bool is_hidden(float logit) {
  return logit == minus_infinity();
}
//@else
/* Logits take no token out of sight. */
bool is_hidden(float logit) {
  return false;
}
//@end

//@if changes_scores
constexpr float kLog2E = 1.4426950408889634f;

//@use tile/softcap
//@use tile/bias_{bias}
//@use tile/snippet_{snippet}

/* The base-2 logit of a score, of the token `step` after the one that the row's bias was opened for. */
template <typename Cap> float logit_of(const Cap &cap, float score, const RowBias &bias, u32 step) {
  const float added = bias.at(step);
  return is_hidden(added) ? minus_infinity() : cap.logit(score, added);
}

//@if token_scales
//@use tile/worths
/* Scores become base-2 logits of weights of the stored elements of V; `token` is the first of the tile. */
void to_logits(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
               int token) {
  const u32 lane = fresh_lane();
  const token_worth *worths = token_worths() + first_column(lane);
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const RowBias bias = open_bias(args, tile, row, token + (int)first_column(lane));
    const SnippetRow asked = open_snippet(args, tile, row, token + (int)first_column(lane));
    const RowCap cap = {scale.of(r), args.cap_log2};
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      const token_worth &worth = worths[column_step(i)];
      float &score = at(scores, r, i);
      const float logit = logit_of(cap, score * worth.key_scale, bias, column_step(i));
      const float asked_logit = with_snippet(asked, logit, column_step(i));
      score = is_hidden(asked_logit) ? asked_logit : asked_logit + worth.value_log; /* of a NaN scale, too */
    }
  }
}
//@else
/* Scores become base-2 logits by a cap for each row; `token` is the first of the tile. */
template <typename Cap>
void to_logits_by(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
                  int token) {
  const u32 lane = fresh_lane();
#pragma unroll
  for (u32 r = 0; r < kRowGroups; r++) {
    const u32 row = first_row() + 8 * r;
    const RowBias bias = open_bias(args, tile, row, token + (int)first_column(lane));
    const SnippetRow asked = open_snippet(args, tile, row, token + (int)first_column(lane));
    const Cap cap{scale.of(r), args.cap_log2};
#pragma unroll
    for (u32 i = 0; i < kTeamTokens / 4; i++) {
      float &score = at(scores, r, i);
      score = with_snippet(asked, logit_of(cap, score, bias, column_step(i)), column_step(i));
    }
  }
}

//@if softcap && family == wgmma && q_dtype != e4m3 && prefixes == 0 && threads > 384
/* Most scores are small. */
void to_logits(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
               int token) {
  if (are_small(scores, scale))
    to_logits_by<SmallCap>(scores, args, tile, scale, token);
  else
    to_logits_by<RowCap>(scores, args, tile, scale, token);
}
//@else
void to_logits(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
               int token) {
  to_logits_by<RowCap>(scores, args, tile, scale, token);
}
//@end
//@end

/* The same for one score, of row `row` and KV token `token`. */
float to_logit(float score, const fi_attention_args &args, const ItemTile &tile, u32 row, float scale, int token) {
  const RowCap cap = {scale, args.cap_log2};
  const float logit = logit_of(cap, score, open_bias(args, tile, row, token), 0);
  return with_snippet(open_snippet(args, tile, row, token), logit, 0);
}

/* Scores are logits before the softmax. */
struct LogitScale {
  float of(u32 group) const {
    return 1;
  }
};

LogitScale logit_scale(const ScoreScale &scale) {
  return {};
}

/* That of a row alone. */
float row_logit_scale(float scale) {
  return 1;
}

/* What differences of maxima are multiplied with where states of a row are joined. */
float joined_scale(const fi_attention_args &args, int kv_head) {
  return 1;
}

/* What states of a row are joined by: a logit of any row means the same. */
float joined_score(float score, const tile_row &row) {
  return score;
}

/* Whether a base-2 logit is worked out as a difference: it is none that was rounded. */
bool is_large(float logit) {
  return false;
}
//@else
/* Scores become logits in the softmax, by a factor. */
void to_logits(Scores &scores, const fi_attention_args &args, const ItemTile &tile, const ScoreScale &scale,
               int token) {}

float to_logit(float score, const fi_attention_args &args, const ItemTile &tile, u32 row, float scale, int token) {
  return score;
}

typedef ScoreScale LogitScale;

const LogitScale &logit_scale(const ScoreScale &scale) {
  return scale;
}

/* That of a row alone. */
float row_logit_scale(float scale) {
  return scale;
}

/* What differences of maxima are multiplied with where states of a row are joined. */
float joined_scale(const fi_attention_args &args, int kv_head) {
  return positive_scale(score_scale(args, kv_head));
}

//@if scales_rows
/* What states of a row are joined by: its score as Q gives it, before that was divided. */
float joined_score(float score, const tile_row &row) {
  return score * row.query_scale;
}
//@else
/* What states of a row are joined by: its score. */
float joined_score(float score, const tile_row &row) {
  return score;
}
//@end

/*
 * The largest logits that are worked out as score * scale - offset, rounded once. The offset is the rounded logit of
 * the maximum; up to here its rounding, at most 2^-12, is nothing beside that of the probabilities. Beyond, scores
 * become differences to the maximum first, as they are where states are joined.
 */
constexpr float kPrecise = 0x1p13f;

bool is_large(float logit) {
  return fabsf(logit) > kPrecise;
}
//@end
