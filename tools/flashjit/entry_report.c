/* Prints entries. */
#include "tools/flashjit/entry_report.h"

#include "tools/flashjit/table.h"

#include <stdio.h>

static void set_number(json_t *object, const char *key, uint64_t number) {
  json_object_set_new(object, key, json_integer((json_int_t)number));
}

json_t *entry_json(const struct cache_entry *entry, size_t size) {
  json_t *object = json_object();
  char hex[CACHE_KEY_DIGITS + 1];
  cache_key_hex(&entry->key, hex);
  json_object_set_new(object, "key", json_string(hex));
  json_object_set_new(object, "spec", json_string(entry->spec));
  json_object_set_new(object, "target", json_string(entry->target));
  json_object_set_new(object, "toolchain", json_string(entry->toolchain));
  set_number(object, "bytes", size);
  set_number(object, "image_bytes", entry->image_size);
  set_number(object, "registers", entry->facts.registers);
  set_number(object, "shared", (uint64_t)entry->facts.static_shared + entry->facts.dynamic_shared);
  set_number(object, "threads", entry->facts.threads);
  set_number(object, "choice", entry->choice);
  set_number(object, "refused_by", entry->refused_by);
  set_number(object, "created", entry->created);
  return object;
}

static void write_key(const json_t *row, char *text, size_t size) {
  snprintf(text, size, "%.12s", json_string_value(json_object_get(row, "key")));
}

void entry_print_table(const json_t *entries) {
  static const struct table_column columns[] = {
      {"key", NULL, false, write_key}, {"target", "target", false, NULL}, {"toolchain", "toolchain", false, NULL},
      {"bytes", "bytes", true, NULL},  {"regs", "registers", true, NULL}, {"shared", "shared", true, NULL},
      {"spec", "spec", false, NULL},
  };
  table_print(stdout, entries, columns, sizeof columns / sizeof *columns);
}
