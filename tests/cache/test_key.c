/* Keys must stay the same for ever: a change here makes every cache in the world miss. */
#include "cache/key.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct item {
  const char *name;
  const void *bytes;
  size_t size;
};

static struct cache_key key_of(const struct item *items, size_t count) {
  struct cache_key_builder builder;
  cache_key_begin(&builder);
  for (size_t i = 0; i < count; i++)
    cache_key_add(&builder, items[i].name, items[i].bytes, items[i].size);
  return cache_key_end(&builder);
}

static void expect_hex(const struct item *items, size_t count, const char *expected) {
  char hex[CACHE_KEY_DIGITS + 1];
  struct cache_key key = key_of(items, count);
  cache_key_hex(&key, hex);
  cr_expect_str_eq(hex, expected);
}

/* The expected keys were computed by another implementation of the encoding, on Python's xxhash. */
Test(cache_key, golden) {
  static const char source[] = "__global__ void fi_kernel() {}\n";
  const struct item kernel[] = {
      {"source", source, sizeof source - 1},
      {"option", "--minimal", 9},
      {"option", "-std=c++17", 10},
      {"target", "sm_90a", 6},
      {"symbol", "fi_kernel", 9},
      {"abi", "\1\0\0\0", 4},
  };
  static unsigned char large[100000];
  for (size_t i = 0; i < sizeof large; i++)
    large[i] = (unsigned char)(i * 31 + 7);
  const struct item big = {"source", large, sizeof large};

  expect_hex(NULL, 0, "24e809b21a0641e32533277f72c7240a");
  expect_hex(kernel, sizeof kernel / sizeof *kernel, "a704a2924c28372ea38bffcc32b33a92");
  expect_hex(&big, 1, "57eb2fc66235262fab860ff7db72c3bb");
}

/* All the ways in which neighbouring items could run together. */
Test(cache_key, items_do_not_run_together) {
  const struct item lists[][2] = {
      {{"a", "bc", 2}, {"d", "e", 1}}, {{"ab", "c", 1}, {"d", "e", 1}},   {{"a", "b", 1}, {"cd", "e", 1}},
      {{"a", "bcd", 3}, {"", "e", 1}}, {{"a", "b", 1}, {"c", "de", 2}},   {{"a", "bc", 2}, {"de", NULL, 0}},
      {{"d", "e", 1}, {"a", "bc", 2}}, {{"abcde", NULL, 0}, {"", "", 0}}, {{"", "abcde", 5}, {"", "", 0}},
  };
  enum { LISTS = sizeof lists / sizeof *lists };
  for (size_t i = 0; i < LISTS; i++) {
    for (size_t j = 0; j < i; j++) {
      struct cache_key a = key_of(lists[i], 2), b = key_of(lists[j], 2);
      cr_expect(!cache_key_equal(&a, &b), "lists %zu and %zu have one key", i, j);
    }
  }
}

Test(cache_key, every_bit_counts) {
  unsigned char bytes[300];
  memset(bytes, 'x', sizeof bytes);
  const struct item item = {"source", bytes, sizeof bytes};
  struct cache_key original = key_of(&item, 1);
  for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    struct cache_key changed = key_of(&item, 1);
    cr_expect(!cache_key_equal(&original, &changed), "bit %zu does not count", bit);
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
}

Test(cache_key, hex_is_canonical) {
  struct cache_key key = {
      {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff, 0, 0x10, 0x0f, 0xa0, 0x0a, 0x99, 0x80}};
  char hex[CACHE_KEY_DIGITS + 1];
  cache_key_hex(&key, hex);
  cr_assert_str_eq(hex, "0123456789abcdefff00100fa00a9980");
}
