/* Names schemas, and prints. */
#include "tools/flashjit/document.h"

#include <stdio.h>

json_t *document_new(const char *schema) {
  return json_pack("{s:s, s:i}", DOCUMENT_SCHEMA, schema, DOCUMENT_VERSION, DOCUMENT_SCHEMA_VERSION);
}

void document_print(const char *schema, json_t *document) {
  json_t *whole = document_new(schema);
  json_object_update(whole, document);
  json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
  putchar('\n');
  json_decref(whole);
  json_decref(document);
}
