/* Heads lie side by side in a row, so that a share of a row is one run of bytes. */
#include "tools/flashjit/batch_share.h"

#include <string.h>

static bool is_of_query_heads(enum buffer buffer) {
  return buffer == BUFFER_Q || buffer == BUFFER_O || buffer == BUFFER_SINKS || buffer == BUFFER_SLOPES;
}

static uint32_t first_kv_head(const struct batch_memory *whole, struct share share) {
  return (uint32_t)((uint64_t)share.number * whole->kv_heads / share.count);
}

/* All heads have the one scale that comes first. */
static bool is_of_all_heads(const struct batch_memory *part, enum buffer buffer) {
  return part->spec.kv_scale == FI_SCALE_TENSOR && (buffer == BUFFER_K_SCALE || buffer == BUFFER_V_SCALE);
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
  static const enum buffer inputs[] = {BUFFER_Q,       BUFFER_K_NEW, BUFFER_V_NEW, BUFFER_K_SCALE,
                                       BUFFER_V_SCALE, BUFFER_SINKS, BUFFER_SLOPES};
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
  bool is_replica; /* the device before has its KV head too */
};

/* False when a replica has other bytes than what is there. */
static bool give_rows(const struct giver *giver, enum buffer buffer, size_t first, size_t rows) {
  const size_t bytes = batch_row_bytes(giver->part, buffer);
  const size_t whole_bytes = batch_row_bytes(giver->whole, buffer);
  const char *from = giver->part->buffers[buffer].host;
  char *to = (char *)giver->whole->buffers[buffer].host + offset_of(giver->part, giver->whole, giver->share, buffer);
  bool is_equal = true;
  for (size_t row = first; row < first + rows; row++) {
    if (giver->is_replica && !is_of_query_heads(buffer))
      is_equal &= memcmp(to + row * whole_bytes, from + row * bytes, bytes) == 0;
    memcpy(to + row * whole_bytes, from + row * bytes, bytes);
  }
  return is_equal;
}

static bool give_piece(const struct giver *giver, const struct piece *piece) {
  const enum buffer last = batch_has_token_scales(giver->part) ? BUFFER_V_SCALE : BUFFER_V_CACHE;
  bool is_equal = true;
  uint32_t tokens;
  for (uint32_t token = piece->begin; token < piece->end; token += tokens) {
    tokens = piece->end - token;
    const size_t place = batch_cache_place(giver->part, piece->slot, token, &tokens);
    for (enum buffer buffer = BUFFER_K_CACHE; buffer <= last; buffer++)
      is_equal &= give_rows(giver, buffer, place, tokens);
  }
  return is_equal;
}

bool batch_give_share(const struct batch_memory *part, struct batch_memory *whole, struct share share,
                      const struct step *step, uint32_t *kv_head) {
  const uint32_t first = first_kv_head(whole, share);
  const struct share before = {share.number - 1, share.count};
  const struct giver giver = {.part = part,
                              .whole = whole,
                              .share = share,
                              .is_replica = share.number > 0 && first_kv_head(whole, before) == first};
  bool is_equal = true;
  give_rows(&giver, BUFFER_O, 0, step->tokens);
  for (uint32_t p = 0; p < step->pieces; p++)
    is_equal &= give_piece(&giver, &part->schedule->pieces[step->first + p]);
  *kv_head = first;
  return is_equal;
}
