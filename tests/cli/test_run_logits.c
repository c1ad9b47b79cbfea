/* flashjit run of layers that add learned logits to scores, on the simulator: all is held against the reference. */
#include "tests/cli/command.h"
#include "tests/cli/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct output output;

#define QUERY_LOGITS                                                                                                   \
  "\"model_type\": \"inkling_text\", \"num_hidden_layers\": 6, \"rel_extent\": 40, \"sliding_window_size\": 24, "      \
  "\"swa_num_attention_heads\": 4, \"swa_num_key_value_heads\": 2, \"swa_head_dim\": 32, \"head_dim\": 64, "           \
  "\"num_key_value_heads\": 2"

/*
 * Logits of each query token for the last distances, of a window or of fewer than the KV, and T5's of each distance; on
 * devices, too. Keys that are not rotated are appended without any error.
 */
Test(run_logits, of_distances, .init = use_simulator) {
  static const struct {
    const char *fields, *options, *line, *bias;
  } rows[] = {
      {QUERY_LOGITS, "hybrid_sliding", "window 24, scale 0.03125, logits of each query for 24 distances",
       "bias=token_distance"},
      {QUERY_LOGITS, "hybrid", "scale 0.015625, logits of each query for 40 distances", "bias=token_distance"},
      {QUERY_LOGITS, "hybrid_sliding --devices 4", "1 query heads on 1 KV heads of 32", "bias=token_distance"},
      {QUERY_LOGITS, "hybrid --devices 4", "2 query heads on 1 KV heads of 64", "bias=token_distance"},
      {"\"model_type\": \"t5\", \"d_kv\": 32", "full_attention", "logits of each distance", "bias=distance"},
      {"\"model_type\": \"t5\", \"d_kv\": 32", "full_attention --devices 2", "4 query heads on 4 KV heads of 32",
       "bias=distance"},
  };
  setenv("FLASHJIT_SIM_DEVICES", "4", 1);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[512];
    char arguments[512];
    snprintf(text, sizeof text, "{\"num_attention_heads\": 8, %s}", rows[i].fields);
    snprintf(arguments, sizeof arguments, "run --verify --model %s --lengths 90:5,3:2 --max-tokens 64 --layers %s",
             scratch_file("logits.json", text), rows[i].options);
    command(&output, arguments);
    expect_code(&output, 0);
    expect_text(output.err, rows[i].line);
    expect_text(output.out, rows[i].bias);
    expect_text(output.out, "all ");
    cr_expect_null(strstr(output.out, "WRONG"), "%s", output.out);
  }
}
