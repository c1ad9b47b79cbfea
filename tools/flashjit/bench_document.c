/* Reads it as a baseline is read. */
#include "tools/flashjit/bench_document.h"

#include "tools/bench/baseline.h"
#include "tools/flashjit/redact.h"

#include <stddef.h>

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
  json_object_foreach(value, key, member) redact_strings(member);
  json_array_foreach(value, i, member) redact_strings(member);
}

json_t *bench_document_read(const char *path) {
  struct baseline baseline;
  json_t *document = NULL;
  if (baseline_read(&baseline, path)) {
    document = json_incref(baseline.head);
    json_object_set(document, "rows", baseline.rows);
    redact_strings(document);
  }
  baseline_free(&baseline);
  return document;
}
