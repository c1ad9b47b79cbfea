/* The entry codec.
 *
 *   entry    = header toolchain target spec options symbol log [snippet] padding image checksum
 *   header   = 96 bytes and what the flags add, all integers little-endian:
 *                0  magic           8  "FIKERN\r\n": broken by any conversion of line ends
 *                8  format          2  1
 *               10  header size     2  96 and what the flags add
 *               12  flags           4  1: with a choice, 2: with a snippet
 *               16  key            16
 *               32  created         8  seconds since 1970
 *               40  text sizes   6x 4  of the six texts in their order, without the NUL
 *               64  image size      4
 *               68  facts        7x 4  in the order of struct cache_facts
 *              what flags add, in their order, only where it says something: a release that does not know a flag
 *              refuses the entry
 *              flag 1: choice          4
 *                      refused by      4  version of a driver
 *                      variant        16
 *              flag 2: snippet size    4  of the seventh text, without the NUL
 *                      zero            4
 *   text     = its bytes, none of them NUL, and one NUL
 *   padding  = zeros until the image begins at a multiple of 64 from the start of the entry
 *   checksum = 16 bytes, canonical XXH3-128 of all bytes before it
 *
 * An entry has exactly this size; nothing follows the checksum. Entries of this format stay readable for as
 * long as the store directory is called v1. */
#include "cache/entry.h"

#include "cache/bytes.h"
#include "cache/checksum.h"
#include "cache/paths.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
  FORMAT = 1,
  MAGIC_SIZE = 8,
  AT_FORMAT = 8,
  AT_HEADER_SIZE = 10,
  AT_FLAGS = 12,
  AT_KEY = 16,
  AT_CREATED = 32,
  AT_TEXT_SIZES = 40,
  AT_IMAGE_SIZE = 64,
  AT_FACTS = 68,
  HEADER_SIZE = 96,
  FLAG_CHOICE = 1,
  CHOICE_REFUSED_BY = 4,
  CHOICE_VARIANT = 8,
  CHOICE_SIZE = 24,
  FLAG_SNIPPET = 2,
  SNIPPET_ZERO = 4,
  SNIPPET_SIZE = 8,
  IMAGE_ALIGNMENT = 64
};

static const unsigned char magic[MAGIC_SIZE] = {'F', 'I', 'K', 'E', 'R', 'N', '\r', '\n'};

static const struct text_field {
  const char *name;
  size_t member;
  uint32_t least; /* bytes */
  uint32_t most;
} text_fields[] = {
    {"toolchain", offsetof(struct cache_entry, toolchain), 1, CACHE_TOOLCHAIN_MAX},
    {"target", offsetof(struct cache_entry, target), 1, 31},
    {"spec", offsetof(struct cache_entry, spec), 1, 1 << 16},
    {"options", offsetof(struct cache_entry, options), 0, 1 << 16},
    {"symbol", offsetof(struct cache_entry, symbol), 1, 1 << 10},
    {"log", offsetof(struct cache_entry, log), 0, 1 << 20},
    {"snippet", offsetof(struct cache_entry, snippet), 1, 1 << 20},
};

/* The bounds are hardware limits with room to grow, only there to refuse nonsense. */
static const struct fact_field {
  const char *name;
  size_t member;
  uint32_t least;
  uint32_t most;
} fact_fields[] = {
    {"registers", offsetof(struct cache_facts, registers), 0, 255},
    {"static shared bytes", offsetof(struct cache_facts, static_shared), 0, 1 << 20},
    {"dynamic shared bytes", offsetof(struct cache_facts, dynamic_shared), 0, 1 << 20},
    {"spill bytes", offsetof(struct cache_facts, spill_bytes), 0, 1 << 24},
    {"local bytes", offsetof(struct cache_facts, local_bytes), 0, 1 << 20},
    {"threads", offsetof(struct cache_facts, threads), 1, 1024},
    {"min blocks", offsetof(struct cache_facts, min_blocks), 0, 64},
};

/* The last text is there with FLAG_SNIPPET only. */
enum {
  TEXTS = sizeof text_fields / sizeof *text_fields,
  PLAIN_TEXTS = TEXTS - 1,
  FACTS = sizeof fact_fields / sizeof *fact_fields
};

_Static_assert(AT_TEXT_SIZES + 4 * PLAIN_TEXTS == AT_IMAGE_SIZE, "the header has one size per text");
_Static_assert(AT_FACTS + 4 * FACTS == HEADER_SIZE, "the header has one number per fact");

static const char **entry_text(struct cache_entry *entry, const struct text_field *field) {
  return (const char **)(void *)((char *)entry + field->member);
}

static const char *entry_text_get(const struct cache_entry *entry, const struct text_field *field) {
  return *(const char *const *)(const void *)((const char *)entry + field->member);
}

static uint32_t *entry_fact(struct cache_facts *facts, const struct fact_field *field) {
  return (uint32_t *)(void *)((char *)facts + field->member);
}

static uint32_t entry_fact_get(const struct cache_facts *facts, const struct fact_field *field) {
  return *(const uint32_t *)(const void *)((const char *)facts + field->member);
}

/* Where the parts of an entry are. Computed from the sizes alone, by encoder and decoder alike; 64-bit sums
 * of a few 32-bit sizes cannot overflow. */
struct layout {
  uint32_t flags;
  uint32_t header_size;
  uint32_t choice_at;  /* of what the flag adds to the header */
  uint32_t snippet_at; /* likewise */
  size_t texts;
  uint32_t text_size[TEXTS];
  uint32_t image_size;
  uint64_t text_at[TEXTS];
  uint64_t image_at;
  uint64_t checksum_at;
  uint64_t size;
};

/* What the header holds. */
static void layout_begin(struct layout *layout, uint32_t flags) {
  layout->flags = flags;
  layout->choice_at = HEADER_SIZE;
  layout->snippet_at = layout->choice_at + (flags & FLAG_CHOICE ? CHOICE_SIZE : 0);
  layout->header_size = layout->snippet_at + (flags & FLAG_SNIPPET ? SNIPPET_SIZE : 0);
  layout->texts = flags & FLAG_SNIPPET ? TEXTS : PLAIN_TEXTS;
}

static void layout_place(struct layout *layout) {
  uint64_t at = layout->header_size;
  for (size_t i = 0; i < layout->texts; i++) {
    layout->text_at[i] = at;
    at += (uint64_t)layout->text_size[i] + 1;
  }
  layout->image_at = (at + IMAGE_ALIGNMENT - 1) / IMAGE_ALIGNMENT * IMAGE_ALIGNMENT;
  layout->checksum_at = layout->image_at + layout->image_size;
  layout->size = layout->checksum_at + CACHE_CHECKSUM_SIZE;
}

static bool layout_allowed(const struct layout *layout, struct cache_reason *reason) {
  for (size_t i = 0; i < layout->texts; i++) {
    const struct text_field *field = &text_fields[i];
    uint32_t size = layout->text_size[i];
    if (size < field->least || size > field->most)
      return cache_refuse(reason, "%s has %" PRIu32 " bytes, allowed are %" PRIu32 " to %" PRIu32, field->name, size,
                          field->least, field->most);
  }
  if (layout->image_size == 0)
    return cache_refuse(reason, "the image is empty");
  if (layout->size > CACHE_ENTRY_SIZE_MAX)
    return cache_refuse(reason, "entry has %" PRIu64 " bytes, allowed are %zu", layout->size, CACHE_ENTRY_SIZE_MAX);
  return true;
}

/* Checks of the decoded values, shared by encoder and decoder. */
static bool entry_plausible(const struct cache_entry *entry, struct cache_reason *reason) {
  if (!cache_toolchain_valid(entry->toolchain))
    return cache_refuse(reason, "toolchain \"%s\" cannot be part of a file name", entry->toolchain);
  for (size_t i = 0; i < FACTS; i++) {
    const struct fact_field *field = &fact_fields[i];
    uint32_t value = entry_fact_get(&entry->facts, field);
    if (value < field->least || value > field->most)
      return cache_refuse(reason, "%s is %" PRIu32 ", allowed are %" PRIu32 " to %" PRIu32, field->name, value,
                          field->least, field->most);
  }
  return true;
}

static uint32_t flags_of(const struct cache_entry *entry) {
  const bool has_choice = entry->choice != 0 || entry->refused_by != 0;
  return (has_choice ? FLAG_CHOICE : 0) | (entry->snippet ? FLAG_SNIPPET : 0);
}

static bool layout_from_entry(const struct cache_entry *entry, struct layout *layout, struct cache_reason *reason) {
  layout_begin(layout, flags_of(entry));
  for (size_t i = 0; i < layout->texts; i++) {
    size_t size = strlen(entry_text_get(entry, &text_fields[i]));
    layout->text_size[i] = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
  }
  layout->image_size = entry->image_size < UINT32_MAX ? (uint32_t)entry->image_size : UINT32_MAX;
  layout_place(layout);
  return layout_allowed(layout, reason);
}

static void put_choice(unsigned char *bytes, const struct cache_entry *entry) {
  bytes_put(bytes, 4, entry->choice);
  bytes_put(bytes + CHOICE_REFUSED_BY, 4, entry->refused_by);
  memcpy(bytes + CHOICE_VARIANT, (entry->choice ? &entry->variant : &entry->key)->bytes, CACHE_KEY_SIZE);
}

static void put_header(unsigned char *bytes, const struct cache_entry *entry, const struct layout *layout) {
  memcpy(bytes, magic, MAGIC_SIZE);
  bytes_put(bytes + AT_FORMAT, 2, FORMAT);
  bytes_put(bytes + AT_HEADER_SIZE, 2, layout->header_size);
  bytes_put(bytes + AT_FLAGS, 4, layout->flags);
  memcpy(bytes + AT_KEY, entry->key.bytes, CACHE_KEY_SIZE);
  bytes_put(bytes + AT_CREATED, 8, entry->created);
  for (size_t i = 0; i < PLAIN_TEXTS; i++)
    bytes_put(bytes + AT_TEXT_SIZES + 4 * i, 4, layout->text_size[i]);
  bytes_put(bytes + AT_IMAGE_SIZE, 4, layout->image_size);
  for (size_t i = 0; i < FACTS; i++)
    bytes_put(bytes + AT_FACTS + 4 * i, 4, entry_fact_get(&entry->facts, &fact_fields[i]));
  if (layout->flags & FLAG_CHOICE)
    put_choice(bytes + layout->choice_at, entry);
  if (layout->flags & FLAG_SNIPPET)
    bytes_put(bytes + layout->snippet_at, 4, layout->text_size[PLAIN_TEXTS]);
}

bool cache_entry_encode(const struct cache_entry *entry, unsigned char **bytes, size_t *size,
                        struct cache_reason *reason) {
  struct layout layout;
  if (!layout_from_entry(entry, &layout, reason) || !entry_plausible(entry, reason))
    return false;
  unsigned char *block = calloc(1, (size_t)layout.size);
  if (!block)
    return cache_refuse(reason, "no memory for an entry of %" PRIu64 " bytes", layout.size);
  put_header(block, entry, &layout);
  for (size_t i = 0; i < layout.texts; i++)
    memcpy(block + layout.text_at[i], entry_text_get(entry, &text_fields[i]), layout.text_size[i]);
  memcpy(block + layout.image_at, entry->image, layout.image_size);
  cache_checksum(block, (size_t)layout.checksum_at, block + layout.checksum_at);
  *bytes = block;
  *size = (size_t)layout.size;
  return true;
}

static bool header_known(const unsigned char *bytes, size_t size, struct layout *layout, struct cache_reason *reason) {
  if (size < HEADER_SIZE)
    return cache_refuse(reason, "%zu bytes are less than a header", size);
  if (memcmp(bytes, magic, MAGIC_SIZE) != 0)
    return cache_refuse(reason, "not a kernel entry: wrong magic");
  if (bytes_get_u16(bytes + AT_FORMAT) != FORMAT)
    return cache_refuse(reason, "format %u is not %d", bytes_get_u16(bytes + AT_FORMAT), FORMAT);
  const uint32_t flags = bytes_get_u32(bytes + AT_FLAGS);
  if (flags & ~(uint32_t)(FLAG_CHOICE | FLAG_SNIPPET))
    return cache_refuse(reason, "unknown flags %#" PRIx32, flags);
  layout_begin(layout, flags);
  if (bytes_get_u16(bytes + AT_HEADER_SIZE) != layout->header_size || size < layout->header_size)
    return cache_refuse(reason, "header size %u is not %u", bytes_get_u16(bytes + AT_HEADER_SIZE), layout->header_size);
  return true;
}

static void read_choice(const unsigned char *bytes, const struct layout *layout, struct cache_entry *entry) {
  const unsigned char *choice = bytes + layout->choice_at;
  entry->choice = 0;
  entry->refused_by = 0;
  entry->variant = entry->key;
  if (!(layout->flags & FLAG_CHOICE))
    return;
  entry->choice = bytes_get_u32(choice);
  entry->refused_by = bytes_get_u32(choice + CHOICE_REFUSED_BY);
  memcpy(entry->variant.bytes, choice + CHOICE_VARIANT, CACHE_KEY_SIZE);
}

static bool layout_from_header(const unsigned char *bytes, size_t size, struct layout *layout,
                               struct cache_reason *reason) {
  for (size_t i = 0; i < PLAIN_TEXTS; i++)
    layout->text_size[i] = bytes_get_u32(bytes + AT_TEXT_SIZES + 4 * i);
  if (layout->flags & FLAG_SNIPPET)
    layout->text_size[PLAIN_TEXTS] = bytes_get_u32(bytes + layout->snippet_at);
  layout->image_size = bytes_get_u32(bytes + AT_IMAGE_SIZE);
  layout_place(layout);
  if (layout->size != size)
    return cache_refuse(reason, "header tells of %" PRIu64 " bytes, there are %zu", layout->size, size);
  return layout_allowed(layout, reason);
}

static bool texts_from_bytes(const unsigned char *bytes, const struct layout *layout, struct cache_entry *entry,
                             struct cache_reason *reason) {
  entry->snippet = NULL;
  for (size_t i = 0; i < layout->texts; i++) {
    const char *text = (const char *)bytes + layout->text_at[i];
    const char *end = memchr(text, '\0', (size_t)layout->text_size[i] + 1);
    if (end != text + layout->text_size[i])
      return cache_refuse(reason, "%s is not one NUL-terminated text", text_fields[i].name);
    *entry_text(entry, &text_fields[i]) = text;
  }
  return true;
}

/* Whether the encoder would write these bytes: what says nothing is not there, and what means nothing is zero. */
static bool is_exact(const unsigned char *bytes, const struct layout *layout, const struct cache_entry *entry) {
  const size_t last = layout->texts - 1;
  bool exact = layout->flags == flags_of(entry);
  if (layout->flags & FLAG_CHOICE)
    exact = exact && (entry->choice != 0 || cache_key_equal(&entry->variant, &entry->key));
  if (layout->flags & FLAG_SNIPPET)
    exact = exact && bytes_get_u32(bytes + layout->snippet_at + SNIPPET_ZERO) == 0;
  for (uint64_t at = layout->text_at[last] + layout->text_size[last]; exact && at < layout->image_at; at++)
    exact = bytes[at] == 0;
  return exact;
}

bool cache_entry_decode(const void *bytes, size_t size, const struct cache_key *key, struct cache_entry *entry,
                        struct cache_reason *reason) {
  const unsigned char *block = bytes;
  struct layout layout;
  if (!header_known(block, size, &layout, reason) || !layout_from_header(block, size, &layout, reason))
    return false;

  unsigned char checksum[CACHE_CHECKSUM_SIZE];
  cache_checksum(block, (size_t)layout.checksum_at, checksum);
  if (memcmp(checksum, block + layout.checksum_at, CACHE_CHECKSUM_SIZE) != 0)
    return cache_refuse(reason, "checksum does not match");

  if (!texts_from_bytes(block, &layout, entry, reason))
    return false;
  memcpy(entry->key.bytes, block + AT_KEY, CACHE_KEY_SIZE);
  entry->created = bytes_get_u64(block + AT_CREATED);
  read_choice(block, &layout, entry);
  entry->image = block + layout.image_at;
  entry->image_size = layout.image_size;
  for (size_t i = 0; i < FACTS; i++)
    *entry_fact(&entry->facts, &fact_fields[i]) = bytes_get_u32(block + AT_FACTS + 4 * i);
  if (key && !cache_key_equal(key, &entry->key))
    return cache_refuse(reason, "entry belongs to another key");
  if (!is_exact(block, &layout, entry))
    return cache_refuse(reason, "a byte is set that means nothing");
  return entry_plausible(entry, reason);
}
