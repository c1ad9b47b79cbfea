/* Mutations: bits, bytes, numbers, cuts, repeats, and pieces of another input. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static size_t below(uint64_t *random, size_t bound) {
  return bound ? (size_t)(next_random(random) % bound) : 0;
}

static void flip_bit(struct input *input, const struct input *other, uint64_t *random) {
  (void)other;
  if (input->size)
    input->bytes[below(random, input->size)] ^= (unsigned char)(1u << below(random, 8));
}

static void set_byte(struct input *input, const struct input *other, uint64_t *random) {
  static const unsigned char bytes[] = {0, 1, 0x7f, 0x80, 0xff, '0', '9', '-', '"', '{', '[', ' ', '\n', '='};
  (void)other;
  if (input->size)
    input->bytes[below(random, input->size)] = bytes[below(random, sizeof bytes)];
}

/* Of 2, 4 or 8 bytes, near a power of two or near what is there. */
static void set_number(struct input *input, const struct input *other, uint64_t *random) {
  const size_t width = (size_t)2 << below(random, 3);
  uint64_t value = 0;
  (void)other;
  if (input->size < width)
    return;
  unsigned char *at = input->bytes + below(random, input->size - width + 1);
  memcpy(&value, at, width);
  if (below(random, 2))
    value = (uint64_t)1 << below(random, 8 * width);
  value += below(random, 9) - 4;
  memcpy(at, &value, width);
}

static void cut(struct input *input, const struct input *other, uint64_t *random) {
  (void)other;
  input->size = below(random, input->size + 1);
}

static void remove_piece(struct input *input, const struct input *other, uint64_t *random) {
  const size_t first = below(random, input->size);
  const size_t size = 1 + below(random, 16);
  (void)other;
  if (first + size > input->size)
    return;
  memmove(input->bytes + first, input->bytes + first + size, input->size - first - size);
  input->size -= size;
}

static void put_piece(struct input *input, const unsigned char *piece, size_t size, size_t at) {
  if (input->size + size > MOST_BYTES)
    return;
  memmove(input->bytes + at + size, input->bytes + at, input->size - at);
  memmove(input->bytes + at, piece, size);
  input->size += size;
}

static void insert_piece(struct input *input, const struct input *other, uint64_t *random) {
  const size_t first = below(random, other->size);
  const size_t most = other->size - first < 64 ? other->size - first : 64;
  put_piece(input, other->bytes + first, below(random, most + 1), below(random, input->size + 1));
}

static void repeat_piece(struct input *input, const struct input *other, uint64_t *random) {
  unsigned char piece[64];
  const size_t first = below(random, input->size);
  const size_t most = input->size - first < sizeof piece ? input->size - first : sizeof piece;
  const size_t size = below(random, most + 1);
  (void)other;
  memcpy(piece, input->bytes + first, size);
  put_piece(input, piece, size, below(random, input->size + 1));
}

void mutate(struct input *input, const struct input *other, uint64_t *random) {
  static void (*const ways[])(struct input * input, const struct input *other, uint64_t *random) = {
      flip_bit, set_byte, set_number, cut, remove_piece, insert_piece, repeat_piece, set_byte, set_number, flip_bit};
  const size_t count = 1 + below(random, 4);
  for (size_t i = 0; i < count; i++)
    ways[below(random, sizeof ways / sizeof *ways)](input, other, random);
}
