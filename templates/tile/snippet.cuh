//# A function of the caller's on scores. Its text is at the end of the source; flashjit.h explains both.

/* What it sees of one score. */
struct fi_score {
  float score;
  int query;
  int kv;
  int head;
  int request;
};

/* The caller's function. */
__forceinline__ float call_snippet(const fi_score &score, const void *params);

/* What the function is asked for a row, about KV token `token` and on. */
struct SnippetRow {
  fi_score score; /* of that token, but for its score */
  int first;      /* what the row sees: the function is asked about nothing else, as it may read what it likes of it */
  int end;
  const void *params;

  bool sees(int token) const {
    return token >= first && token < end;
  }
};

SnippetRow open_snippet(const fi_attention_args &args, const ItemTile &tile, u32 row, int token) {
  const tile_row &of = tile.rows[row];
  const int head = (int)query_head(tile.item.kv_head, row);
  const int request = args.plan.requests[index_of_row(tile.item, row)];
  return {{0, of.place, token, head, request}, first_seen(of), of.visible, args.snippet_params};
}

/* What it makes of the base-2 logit of the token `step` after the first. */
float ask_snippet(const SnippetRow &row, float logit, u32 step) {
  fi_score score = row.score;
  score.score = logit * 0.6931471805599453f;
  score.kv += (int)step;
  return call_snippet(score, row.params);
}
