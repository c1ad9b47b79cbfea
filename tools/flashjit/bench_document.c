/* Reads it as a baseline is read. */
#include "tools/flashjit/bench_document.h"

#include "tools/bench/baseline.h"
#include "tools/bench/bench_row.h"
#include "tools/flashjit/redact.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TEXT = 4096 };

static void redact_strings(json_t *value) {
  char text[MOST_TEXT];
  const char *key;
  json_t *member;
  size_t i;
  if (json_is_string(value)) {
    redact(json_string_value(value), text, sizeof text);
    json_string_set(value, text);
  }
  json_object_foreach(value, key, member)
    redact_strings(member);
  json_array_foreach(value, i, member)
    redact_strings(member);
}

/* The batch of a trace, "64 of FILE", ends some texts of its row: the file's name is the user's own. */
static void hide_trace(json_t *row) {
  char batch[MOST_TEXT];
  const char *key;
  json_t *member;
  snprintf(batch, sizeof batch, "%s", bench_row_text(row, "batch"));
  const char *of = strstr(batch, " of ");
  if (!of)
    return;
  json_object_foreach(row, key, member) {
    const char *text = json_string_value(member);
    const size_t length = text ? strlen(text) : 0;
    if (length < strlen(batch) || strcmp(text + length - strlen(batch), batch) != 0)
      continue;
    json_t *hidden = json_sprintf("%.*s%.*s of a trace", (int)(length - strlen(batch)), text, (int)(of - batch), batch);
    json_string_set(member, json_string_value(hidden));
    json_decref(hidden);
  }
}

/* So are all files in the command of a row, where they are the last options. */
static void hide_files(json_t *row) {
  static const char *const options[] = {" --trace ", " --source ", " --peers-from ", " --python "};
  const char *repro = bench_row_text(row, "repro");
  size_t length = strlen(repro);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    const char *found = strstr(repro, options[i]);
    if (found && (size_t)(found - repro) < length)
      length = (size_t)(found - repro);
  }
  if (repro[length])
    json_object_set_new(row, "repro", json_sprintf("%.*s, with files", (int)length, repro));
}

json_t *bench_document_read(const char *path) {
  struct baseline baseline;
  json_t *document = NULL;
  if (baseline_read(&baseline, path)) {
    json_t *row;
    size_t i;
    json_array_foreach(baseline.rows, i, row) {
      hide_trace(row);
      hide_files(row);
    }
    document = json_incref(baseline.head);
    json_object_set(document, "rows", baseline.rows);
    redact_strings(document);
  }
  baseline_free(&baseline);
  return document;
}
