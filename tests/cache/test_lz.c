/* Packing and unpacking: what was packed comes out, and no input makes the unpacker go beyond its buffers. */
#include "cache/lz.h"

#include "cache/bytes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 200000 };

static uint32_t next_random(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33);
}

/* Runs of random length, each new bytes or a copy of earlier ones, from near or far. */
static void fill(unsigned char *bytes, size_t size, uint64_t seed) {
  const uint32_t alphabet = 1 + (uint32_t)(seed * 37 % 256);
  size_t at = 0;
  while (at < size) {
    const uint32_t most = next_random(&seed) % 8 ? 40 : 5000;
    size_t run = 1 + next_random(&seed) % most;
    const size_t back = at ? 1 + next_random(&seed) % at : 0;
    const bool is_copy = back && next_random(&seed) % 2;
    for (run = run < size - at ? run : size - at; run > 0; run--, at++) {
      if (is_copy)
        bytes[at] = bytes[at - back];
      else
        bytes[at] = (unsigned char)(next_random(&seed) % alphabet);
    }
  }
}

/* In buffers of exactly these sizes, so that ASan sees any access beyond them. */
static bool unpacks(const unsigned char *packed, size_t packed_size, unsigned char *bytes, size_t size) {
  unsigned char *in = malloc(packed_size ? packed_size : 1);
  unsigned char *out = malloc(size ? size : 1);
  cr_assert(in && out);
  memcpy(in, packed, packed_size);
  const bool is_right = cache_lz_unpack(in, packed_size, out, size);
  memcpy(bytes, out, is_right ? size : 0);
  free(in);
  free(out);
  return is_right;
}

typedef size_t lz_pack(const void *bytes, size_t size, void *packed);

static size_t expect_unpacks(const unsigned char *bytes, size_t size, lz_pack *pack) {
  unsigned char *packed = malloc(cache_lz_bound(size));
  unsigned char *again = malloc(size + 1);
  const size_t packed_size = pack(bytes, size, packed);
  cr_expect(packed_size > 0 && packed_size <= cache_lz_bound(size), "%zu bytes became %zu", size, packed_size);
  cr_expect(unpacks(packed, packed_size, again, size) && memcmp(bytes, again, size) == 0, "%zu bytes", size);
  cr_expect(!unpacks(packed, packed_size, again, size + 1), "%zu bytes are not one more", size);
  cr_expect(size == 0 || !unpacks(packed, packed_size, again, size - 1), "%zu bytes are not one less", size);
  free(packed);
  free(again);
  return packed_size;
}

/* The small way takes long matches as they are, which may cost it a few bytes. */
static void expect_round_trip(const unsigned char *bytes, size_t size) {
  const size_t packed_size = expect_unpacks(bytes, size, cache_lz_pack);
  cr_expect_leq(expect_unpacks(bytes, size, cache_lz_pack_small), packed_size + packed_size / 1000, "%zu bytes", size);
}

Test(cache_lz, round_trips) {
  unsigned char *bytes = malloc(MOST);
  for (size_t size = 0; size < 300; size++) {
    fill(bytes, size, size);
    expect_round_trip(bytes, size);
  }
  for (uint64_t seed = 0; seed < 60; seed++) {
    const size_t size = MOST - 1000 * (size_t)seed;
    fill(bytes, size, seed);
    expect_round_trip(bytes, size);
  }
  memset(bytes, 'a', MOST);
  expect_round_trip(bytes, MOST);
  free(bytes);
}

/* The most that so few bytes stand for: one byte, again and again. */
Test(cache_lz, most_that_packed_bytes_stand_for) {
  unsigned char *bytes = calloc(1, 1 << 20);
  unsigned char *packed = malloc(cache_lz_bound(1 << 20));
  for (size_t size = 1; size <= 1 << 20; size += size / 3 + 1) {
    const size_t packed_size = cache_lz_pack(bytes, size, packed);
    cr_expect_leq(size, cache_lz_most(packed_size), "%zu bytes became %zu", size, packed_size);
  }
  cr_expect_gt(1 << 20, 250 * cache_lz_pack(bytes, 1 << 20, packed));
  cr_expect_eq(cache_lz_most(SIZE_MAX), SIZE_MAX);
  free(packed);
  free(bytes);
}

/* As the format's description has it, and as other programs read it. */
Test(cache_lz, known_block) {
  static const char text[] = "abcdabcdabcdabcdabcdabcdEnd.....";
  static const unsigned char expected[] = {0x4f, 'a', 'b', 'c', 'd', 4,   0,   1,  0x80,
                                           'E',  'n', 'd', '.', '.', '.', '.', '.'};
  unsigned char packed[64];
  const size_t size = cache_lz_pack(text, sizeof text - 1, packed);
  cr_assert_eq(size, sizeof expected, "%zu", size);
  cr_expect_eq(memcmp(packed, expected, size), 0);
}

Test(cache_lz, same_bytes_every_time) {
  unsigned char *bytes = malloc(MOST);
  unsigned char *first = malloc(cache_lz_bound(MOST));
  unsigned char *second = malloc(cache_lz_bound(MOST));
  fill(bytes, MOST, 5);
  const size_t size = cache_lz_pack(bytes, MOST, first);
  cr_assert_eq(cache_lz_pack(bytes, MOST, second), size);
  cr_expect_eq(memcmp(first, second, size), 0);
  free(bytes);
  free(first);
  free(second);
}

/* Truncated, flipped and random blocks: refused, or other bytes of the right count, but nothing beyond the buffers. */
Test(cache_lz, damaged_blocks) {
  enum { SIZE = 3000 };
  unsigned char bytes[SIZE], packed[SIZE * 2], out[SIZE];
  fill(bytes, SIZE, 7);
  const size_t size = cache_lz_pack(bytes, SIZE, packed);
  for (size_t cut = 0; cut < size; cut++)
    cr_expect(!unpacks(packed, cut, out, SIZE), "%zu of %zu bytes", cut, size);
  for (size_t at = 0; at < size; at++) {
    for (unsigned bit = 1; bit < 256; bit <<= 1) {
      packed[at] ^= (unsigned char)bit;
      unpacks(packed, size, out, SIZE);
      packed[at] ^= (unsigned char)bit;
    }
  }
  uint64_t seed = 1;
  for (int round = 0; round < 200000; round++) {
    unsigned char noise[40];
    const size_t noise_size = next_random(&seed) % sizeof noise;
    for (size_t i = 0; i < noise_size; i++)
      noise[i] = (unsigned char)next_random(&seed);
    unpacks(noise, noise_size, out, next_random(&seed) % 100);
  }
}
