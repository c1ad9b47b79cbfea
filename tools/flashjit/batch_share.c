/* Heads lie side by side in a row, so that a share of a row is one run of bytes. */
#include "tools/flashjit/batch_share.h"

#include <string.h>

static bool is_of_query_heads(enum buffer buffer) {
  return buffer == BUFFER_Q || buffer == BUFFER_O || buffer == BUFFER_SINKS || buffer == BUFFER_BIAS;
}

static uint32_t first_kv_head(const struct batch_memory *whole, struct share share) {
  return (uint32_t)((uint64_t)share.number * whole->kv_heads / share.count);
}

/* What each device has whole: the one scale that comes first, keys of an indexer, and all of one that makes one list.
 */
static bool is_of_all_heads(const struct batch_memory *part, enum buffer buffer) {
  const bool has_lists_of_heads = part->listing.heads > 1 || part->listing.by_head;
  if (buffer == BUFFER_K_SCALE || buffer == BUFFER_V_SCALE)
    return part->spec.kv_scale == FI_SCALE_TENSOR;
  if (buffer == BUFFER_SELECTED || buffer == BUFFER_INDEX_Q)
    return !has_lists_of_heads;
  return buffer == BUFFER_INDEX_NEW || buffer == BUFFER_INDEX_CACHE || buffer == BUFFER_INDEX_WEIGHTS;
}

/* Bytes before the share in a row of the whole. */
static size_t offset_of(const struct batch_memory *part, const struct batch_memory *whole, struct share share,
                        enum buffer buffer) {
  const size_t bytes = batch_row_bytes(part, buffer);
  if (is_of_all_heads(part, buffer))
    return 0;
  return is_of_query_heads(buffer) ? share.number * bytes : first_kv_head(whole, share) * (bytes / part->kv_heads);
}

/* ------------------------------------------------------------------------------------------------ take */

static void take(struct batch_memory *part, const struct batch_memory *whole, struct share share, enum buffer buffer) {
  const struct mirror *to = &part->buffers[buffer];
  const size_t bytes = batch_row_bytes(part, buffer);
  const size_t whole_bytes = batch_row_bytes(whole, buffer);
  const char *from = (const char *)whole->buffers[buffer].host + offset_of(part, whole, share, buffer);
  for (size_t row = 0; row * bytes < to->bytes; row++)
    memcpy((char *)to->host + row * bytes, from + row * whole_bytes, bytes);
}

void batch_take_share(struct batch_memory *part, const struct batch_memory *whole, struct share share,
                      struct device *device) {
  static const enum buffer inputs[] = {
      BUFFER_Q,    BUFFER_K_NEW,   BUFFER_V_NEW,         BUFFER_K_SCALE,   BUFFER_V_SCALE,   BUFFER_SINKS,
      BUFFER_BIAS, BUFFER_INDEX_Q, BUFFER_INDEX_WEIGHTS, BUFFER_INDEX_NEW, BUFFER_ENTRY_NEW, BUFFER_ENTRY_WIDE_NEW,
  };
  part->listing.first_head = whole->listing.heads > 1 ? first_kv_head(whole, share) : 0;
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    const struct mirror *mirror = &part->buffers[inputs[i]];
    take(part, whole, share, inputs[i]);
    mirror_upload(mirror, device, mirror->bytes);
  }
}

/* ------------------------------------------------------------------------------------------------ give */

struct giver {
  const struct batch_memory *part;
  struct batch_memory *whole;
  struct share share;
  bool is_replica;   /* the device before has its KV head too */
  const char *wrong; /* what is no replica; NULL: nothing yet */
};

static const char *name_of(enum buffer buffer) {
  return buffer == BUFFER_SELECTED      ? "lists"
         : buffer == BUFFER_INDEX_CACHE ? "the indexer's keys"
         : buffer >= BUFFER_ENTRY_NEW   ? "the compressed entries"
                                        : "the cache";
}

/* Tells when a replica has other bytes than what is there. */
static void give_rows(struct giver *giver, enum buffer buffer, size_t first, size_t rows) {
  const size_t bytes = batch_row_bytes(giver->part, buffer);
  const size_t whole_bytes = batch_row_bytes(giver->whole, buffer);
  const char *from = giver->part->buffers[buffer].host;
  char *to = (char *)giver->whole->buffers[buffer].host + offset_of(giver->part, giver->whole, giver->share, buffer);
  const bool is_whole = is_of_all_heads(giver->part, buffer) && giver->share.number > 0;
  for (size_t row = first; row < first + rows; row++) {
    const bool is_replica = is_whole || (giver->is_replica && !is_of_query_heads(buffer));
    if (is_replica && memcmp(to + row * whole_bytes, from + row * bytes, bytes) != 0 && !giver->wrong)
      giver->wrong = name_of(buffer);
    memcpy(to + row * whole_bytes, from + row * bytes, bytes);
  }
}

static void give_piece(struct giver *giver, const struct piece *piece, bool of_entries) {
  enum buffer caches[BUFFERS];
  const uint32_t count = batch_caches(giver->part, of_entries, caches);
  uint32_t rows;
  for (uint32_t first = piece->begin; first < piece->end; first += rows) {
    rows = piece->end - first;
    const size_t place = of_entries ? batch_entry_place(giver->part, piece->slot, first, &rows)
                                    : batch_cache_place(giver->part, piece->slot, first, &rows);
    for (uint32_t i = 0; i < count; i++)
      give_rows(giver, caches[i], place, rows);
  }
}

bool batch_give_share(const struct batch_memory *part, struct batch_memory *whole, struct share share,
                      const struct step *step, uint32_t *kv_head, const char **what) {
  const uint32_t first = first_kv_head(whole, share);
  const struct share before = {share.number - 1, share.count};
  struct giver giver = {.part = part,
                        .whole = whole,
                        .share = share,
                        .is_replica = share.number > 0 && first_kv_head(whole, before) == first};
  give_rows(&giver, BUFFER_O, 0, step->tokens);
  if (part->listing.index_heads > 0 && step->attention != ROLE_APPEND)
    give_rows(&giver, BUFFER_SELECTED, 0, step->tokens);
  for (uint32_t p = 0; p < step->pieces; p++) {
    const struct piece *piece = &part->schedule->pieces[step->first + p];
    const struct piece entries = batch_entry_piece(part, piece);
    give_piece(&giver, piece, false);
    give_piece(&giver, &entries, true);
  }
  *kv_head = first;
  *what = giver.wrong;
  return !giver.wrong;
}
