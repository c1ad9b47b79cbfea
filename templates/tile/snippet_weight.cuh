//@use tile/snippet

/* The weight of V in place of a base-2 logit: -infinity, as that of a hidden token, where it is 0. */
float with_snippet(const SnippetRow &row, float logit, u32 step) {
  if (is_hidden(logit) || !row.sees(row.score.kv + (int)step))
    return minus_infinity();
  const float weight = ask_snippet(row, logit, step);
  return weight == 0 ? minus_infinity() : weight;
}
