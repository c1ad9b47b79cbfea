/* Mark and sweep over definitions. */
#include "prune.h"

#include "definitions.h"
#include "scan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256 };

static const uint32_t NONE = UINT32_MAX;

struct marker {
  const char *text;
  const struct definitions *definitions;
  bool *kept;
  size_t *pending; /* kept definitions whose text has not been read yet */
  size_t pending_count;
  uint32_t *next; /* chains the names of a bucket */
  uint32_t buckets[BUCKETS];
};

/* FNV-1a. */
static uint32_t bucket_of(const char *name, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ (unsigned char)name[i]) * 16777619u;
  return (hash ^ hash >> 16) % BUCKETS;
}

static bool open_marker(struct marker *marker) {
  const struct definitions *definitions = marker->definitions;
  marker->kept = calloc(definitions->count + 1, sizeof *marker->kept);
  marker->pending = calloc(definitions->count + 1, sizeof *marker->pending);
  marker->next = calloc(definitions->name_count + 1, sizeof *marker->next);
  if (!marker->kept || !marker->pending || !marker->next)
    return false;
  for (size_t i = 0; i < BUCKETS; i++)
    marker->buckets[i] = NONE;
  for (size_t i = 0; i < definitions->name_count; i++) {
    const struct defined_name *name = &definitions->names[i];
    const uint32_t bucket = bucket_of(name->text, name->size);
    marker->next[i] = marker->buckets[bucket];
    marker->buckets[bucket] = (uint32_t)i;
  }
  return true;
}

static void close_marker(struct marker *marker) {
  free(marker->kept);
  free(marker->pending);
  free(marker->next);
}

static void keep(struct marker *marker, size_t definition) {
  if (marker->kept[definition])
    return;
  marker->kept[definition] = true;
  marker->pending[marker->pending_count++] = definition;
}

/* Overloads share a name, so all of its definitions are kept. */
static void keep_name(struct marker *marker, const char *name, size_t size) {
  const struct defined_name *names = marker->definitions->names;
  for (uint32_t i = marker->buckets[bucket_of(name, size)]; i != NONE; i = marker->next[i]) {
    if (names[i].size == size && memcmp(names[i].text, name, size) == 0)
      keep(marker, names[i].definition);
  }
}

static void mark(struct marker *marker) {
  const struct definitions *definitions = marker->definitions;
  for (size_t i = 0; i < definitions->count; i++) {
    if (definitions->items[i].root)
      keep(marker, i);
  }
  while (marker->pending_count > 0) {
    const struct definition *item = &definitions->items[marker->pending[--marker->pending_count]];
    for (size_t at = item->begin; at < item->end;) {
      const struct token token = scan_token(marker->text, at, item->end);
      if (token.kind == TOKEN_NAME)
        keep_name(marker, marker->text + token.begin, token.end - token.begin);
      at = token.end;
    }
  }
  for (size_t i = definitions->count; i-- > 0;)
    marker->kept[i] |= definitions->items[i].comment && marker->kept[i + 1];
}

/* Definitions between which there was a blank line, kept or not, are separated by one. */
static void sweep(const struct marker *marker, struct text *out) {
  bool blank = false;
  for (size_t i = 0; i < marker->definitions->count; i++) {
    const struct definition *item = &marker->definitions->items[i];
    blank |= item->blank_before;
    if (!marker->kept[i])
      continue;
    if (blank)
      text_add(out, "\n", 1);
    text_add(out, marker->text + item->begin, item->end - item->begin);
    blank = false;
  }
}

bool prune_definitions(const char *text, size_t size, struct text *out) {
  struct definitions definitions;
  if (!definitions_split(text, size, &definitions))
    return false;
  struct marker marker = {.text = text, .definitions = &definitions};
  const bool good = open_marker(&marker);
  if (good) {
    mark(&marker);
    sweep(&marker, out);
  }
  close_marker(&marker);
  definitions_free(&definitions);
  return good;
}
