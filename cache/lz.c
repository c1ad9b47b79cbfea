/* Unpacks the LZ4 block format:
 *
 *   block    = sequence...
 *   sequence = token [more...] literal... [offset [more...]]     the last one ends after its literals
 *   token    = 4 bits of literals' count (high), 4 bits of the match's size less 4 (low)
 *   more     = after a count of 15: bytes that are added to it, up to and with the first that is not 255
 *   offset   = 2 bytes, little-endian: how far back the match begins; it may overlap what it writes */
#include "cache/lz.h"

#include "cache/bytes.h"

#include <stdint.h>
#include <string.h>

enum { MORE = 15, LEAST_MATCH = 4 };

struct lz {
  const unsigned char *in;
  const unsigned char *in_end;
  unsigned char *begin;
  unsigned char *out;
  unsigned char *out_end;
};

static bool read_count(struct lz *lz, size_t *count) {
  if (*count < MORE)
    return true;
  unsigned char more = 255;
  while (more == 255) {
    if (lz->in == lz->in_end)
      return false;
    more = *lz->in++;
    *count += more;
  }
  return true;
}

static bool copy_literals(struct lz *lz, size_t count) {
  if (!read_count(lz, &count) || count > (size_t)(lz->in_end - lz->in) || count > (size_t)(lz->out_end - lz->out))
    return false;
  if (count)
    memcpy(lz->out, lz->in, count);
  lz->in += count;
  lz->out += count;
  return true;
}

static bool copy_match(struct lz *lz, size_t size) {
  if (lz->in_end - lz->in < 2)
    return false;
  const size_t offset = bytes_get_u16(lz->in);
  lz->in += 2;
  if (!read_count(lz, &size))
    return false;
  size += LEAST_MATCH;
  if (offset == 0 || offset > (size_t)(lz->out - lz->begin) || size > (size_t)(lz->out_end - lz->out))
    return false;
  for (const unsigned char *end = lz->out + size; lz->out < end; lz->out++)
    *lz->out = *(lz->out - offset);
  return true;
}

/* A byte adds 255 at most, to a count; all others stand for less. */
size_t cache_lz_most(size_t packed_size) {
  return packed_size > SIZE_MAX / 255 ? SIZE_MAX : 255 * packed_size;
}

bool cache_lz_unpack(const void *packed, size_t packed_size, void *bytes, size_t size) {
  const unsigned char *in = packed;
  unsigned char *out = bytes;
  struct lz lz = {.in = in, .in_end = in + packed_size, .begin = out, .out = out, .out_end = out + size};
  while (lz.in < lz.in_end) {
    const unsigned token = *lz.in++;
    if (!copy_literals(&lz, token >> 4))
      return false;
    if (lz.in == lz.in_end)
      return lz.out == lz.out_end;
    if (!copy_match(&lz, token & 15))
      return false;
  }
  return false;
}
