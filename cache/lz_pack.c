/* Packs into the LZ4 block format: of all earlier places with the same four bytes, within the reach of an offset, the
 * nearest of those with the longest match, unless the next byte begins a longer one. Slow and small, as bundles are
 * made once and read often. */
#include "cache/lz.h"

#include "cache/bytes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
  MORE = 15,
  LEAST_MATCH = 4,
  REACH = 65535,
  LAST_LITERALS = 5, /* the format's rules for the end of a block: these are no part of a match, */
  LAST_BEGIN = 12,   /* and no match begins this near to the end */
  HASH_BITS = 15,
  MOST_TRIES = 512,
  LONG_MATCH = 128 /* is taken as it is */
};

/* The cheapest way to a place: its last step is a literal or a match. */
struct step {
  uint32_t cost;     /* bytes */
  uint32_t literals; /* after the last match */
  uint32_t size;     /* of the match; 0: a literal */
  uint32_t offset;
};

struct packer {
  const unsigned char *bytes;
  size_t size;
  unsigned char *out;
  uint32_t *newest;   /* of each hash, the latest place plus one; 0: none */
  uint32_t *older;    /* of each place, the one before it with the same hash, likewise */
  struct step *steps; /* to each place, for the fewest bytes */
};

struct match {
  size_t size; /* 0: none */
  size_t offset;
};

static uint32_t hash_at(const unsigned char *at) {
  return bytes_get_u32(at) * 2654435761u >> (32 - HASH_BITS);
}

static void note_place(struct packer *packer, size_t place) {
  uint32_t *newest = &packer->newest[hash_at(packer->bytes + place)];
  packer->older[place] = *newest;
  *newest = (uint32_t)place + 1;
}

static size_t match_size(const struct packer *packer, size_t earlier, size_t place) {
  const size_t most = packer->size - LAST_LITERALS - place;
  size_t size = 0;
  while (size < most && packer->bytes[earlier + size] == packer->bytes[place + size])
    size++;
  return size;
}

static bool may_begin(const struct packer *packer, size_t place) {
  return place + LAST_BEGIN <= packer->size;
}

/* Places up to this one must have been noted, but not this one. */
static struct match longest_match(const struct packer *packer, size_t place) {
  struct match best = {0};
  uint32_t next = packer->newest[hash_at(packer->bytes + place)];
  for (int tries = 0; next && place - (next - 1) <= REACH && tries < MOST_TRIES; tries++) {
    const size_t size = match_size(packer, next - 1, place);
    if (size >= LEAST_MATCH && size > best.size)
      best = (struct match){.size = size, .offset = place - (next - 1)};
    next = packer->older[next - 1];
  }
  return best;
}

static void put_more(struct packer *packer, size_t count) {
  if (count < MORE)
    return;
  for (count -= MORE; count >= 255; count -= 255)
    *packer->out++ = 255;
  *packer->out++ = (unsigned char)count;
}

static unsigned low_bits(size_t count) {
  return count < MORE ? (unsigned)count : MORE;
}

static void put_sequence(struct packer *packer, size_t first, size_t literals, struct match match) {
  const size_t matched = match.size ? match.size - LEAST_MATCH : 0;
  *packer->out++ = (unsigned char)(low_bits(literals) << 4 | low_bits(matched));
  put_more(packer, literals);
  memcpy(packer->out, packer->bytes + first, literals);
  packer->out += literals;
  if (!match.size)
    return;
  bytes_put(packer->out, 2, match.offset);
  packer->out += 2;
  put_more(packer, matched);
}

static struct match take_match(struct packer *packer, size_t place) {
  const struct match match = longest_match(packer, place);
  note_place(packer, place);
  if (match.size && may_begin(packer, place + 1) && longest_match(packer, place + 1).size > match.size)
    return (struct match){0};
  return match;
}

static void pack(struct packer *packer) {
  size_t first = 0; /* of the literals that no sequence has yet */
  size_t place = 0;
  while (may_begin(packer, place)) {
    const struct match match = take_match(packer, place);
    if (!match.size) {
      place++;
      continue;
    }
    put_sequence(packer, first, place - first, match);
    first = place + match.size;
    for (place++; place < first; place++) {
      if (may_begin(packer, place))
        note_place(packer, place);
    }
  }
  put_sequence(packer, first, packer->size - first, (struct match){0});
}

/* Bytes that a count takes beside the token's bits. */
static uint32_t cost_of_more(size_t count) {
  return count < MORE ? 0 : 1 + (uint32_t)((count - MORE) / 255);
}

static void offer(struct step *to, const struct step *way) {
  if (way->cost < to->cost)
    *to = *way;
}

static void offer_literal(struct packer *packer, size_t place) {
  const struct step *from = &packer->steps[place];
  const uint32_t literals = from->literals + 1;
  const uint32_t cost = from->cost + 1 + cost_of_more(literals) - cost_of_more(from->literals);
  offer(&packer->steps[place + 1], &(struct step){.cost = cost, .literals = literals});
}

/* Offers a match of every size up to its own, or a long one alone. */
static void offer_matches(struct packer *packer, size_t place, struct match match) {
  const uint32_t cost = packer->steps[place].cost + 3;
  for (size_t size = match.size < LONG_MATCH ? LEAST_MATCH : match.size; size <= match.size; size++)
    offer(&packer->steps[place + size], &(struct step){.cost = cost + cost_of_more(size - LEAST_MATCH),
                                                       .size = (uint32_t)size,
                                                       .offset = (uint32_t)match.offset});
}

/* Finds the cheapest ways to all places; those within a long match are not looked at. */
static void find_steps(struct packer *packer) {
  size_t looked = 0;
  for (size_t place = 1; place <= packer->size; place++)
    packer->steps[place].cost = UINT32_MAX;
  for (size_t place = 0; place < packer->size; place++) {
    struct match match = {0};
    if (may_begin(packer, place)) {
      if (place >= looked)
        match = longest_match(packer, place);
      note_place(packer, place);
    }
    offer_literal(packer, place);
    if (match.size)
      offer_matches(packer, place, match);
    if (match.size >= LONG_MATCH)
      looked = place + match.size;
  }
}

/* Makes each step say the size of the one that follows it, from the end back. */
static void turn_steps(struct packer *packer) {
  struct step after = {0};
  size_t place = packer->size;
  while (place > 0) {
    const struct step step = packer->steps[place];
    packer->steps[place] = after;
    after = step;
    place -= step.size ? step.size : 1;
  }
  packer->steps[0] = after;
}

static void pack_small(struct packer *packer) {
  size_t first = 0; /* of the literals that no sequence has yet */
  size_t place = 0;
  find_steps(packer);
  turn_steps(packer);
  while (place < packer->size) {
    const struct match match = {.size = packer->steps[place].size, .offset = packer->steps[place].offset};
    if (match.size) {
      put_sequence(packer, first, place - first, match);
      first = place + match.size;
    }
    place += match.size ? match.size : 1;
  }
  put_sequence(packer, first, packer->size - first, (struct match){0});
}

size_t cache_lz_bound(size_t size) {
  return size + size / 255 + 16;
}

static size_t pack_by(void (*way)(struct packer *packer), size_t steps, const void *bytes, size_t size, void *packed) {
  struct packer packer = {.bytes = bytes, .size = size, .out = packed};
  packer.newest = calloc((size_t)1 << HASH_BITS, sizeof *packer.newest);
  packer.older = calloc(size + 1, sizeof *packer.older);
  packer.steps = calloc(steps, sizeof *packer.steps);
  if (packer.newest && packer.older && packer.steps)
    way(&packer);
  free(packer.newest);
  free(packer.older);
  free(packer.steps);
  return (size_t)(packer.out - (unsigned char *)packed);
}

size_t cache_lz_pack(const void *bytes, size_t size, void *packed) {
  return pack_by(pack, 1, bytes, size, packed);
}

size_t cache_lz_pack_small(const void *bytes, size_t size, void *packed) {
  return pack_by(pack_small, size + 1, bytes, size, packed);
}
