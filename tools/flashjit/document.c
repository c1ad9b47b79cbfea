/* Names schemas, and prints. */
#include "tools/flashjit/document.h"

json_t *document_new(const char *schema) {
  return json_pack("{s:s, s:i}", DOCUMENT_SCHEMA, schema, DOCUMENT_VERSION, DOCUMENT_SCHEMA_VERSION);
}

bool document_write(FILE *file, const char *schema, json_t *document) {
  json_t *whole = document_new(schema);
  json_object_update(whole, document);
  const bool is_written = json_dumpf(whole, file, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) == 0;
  fputc('\n', file);
  json_decref(whole);
  json_decref(document);
  return is_written;
}

void document_print(const char *schema, json_t *document) {
  document_write(stdout, schema, document);
}
