//@use tile/snippet

/* The base-2 logit in place of another. What is hidden stays so. */
float with_snippet(const SnippetRow &row, float logit, u32 step) {
  if (is_hidden(logit) || !row.sees(row.score.kv + (int)step))
    return logit;
  return ask_snippet(row, logit, step) * kLog2E;
}
