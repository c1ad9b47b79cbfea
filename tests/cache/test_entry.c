/* The entry codec: nothing but an undamaged entry decodes. */
#include "support.h"

#include "cache/bytes.h"
#include "cache/image.h"
#include "cache/verify.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Where things are in format v1, written down independently of the codec. */
enum {
  AT_FORMAT = 8,
  AT_HEADER_SIZE = 10,
  AT_FLAGS = 12,
  AT_KEY = 16,
  AT_SIZES = 40,
  AT_IMAGE_SIZE = 64,
  AT_FACTS = 68,
  AT_TEXTS = 96,
  CHECKSUM_SIZE = 16
};

struct block {
  unsigned char *bytes;
  size_t size;
};

static struct block encode(const struct cache_entry *entry) {
  struct block block;
  struct cache_reason reason = {""};
  cr_assert(cache_entry_encode(entry, &block.bytes, &block.size, &reason), "%s", reason.text);
  return block;
}

static struct block encode_sample(size_t image_size) {
  struct sample made;
  sample_make(&made, 7, image_size);
  struct block block = encode(&made.entry);
  sample_free(&made);
  return block;
}

/* A heap copy of exactly these bytes, so that ASan sees any read beyond them. */
static bool decodes(const unsigned char *bytes, size_t size, struct cache_reason *reason) {
  unsigned char *copy = malloc(size > 0 ? size : 1);
  cr_assert_not_null(copy);
  memcpy(copy, bytes, size);
  struct cache_entry entry;
  cache_reason_clear(reason);
  bool decoded = cache_entry_decode(copy, size, NULL, &entry, reason);
  cr_expect(decoded == (reason->text[0] == '\0'), "a refusal has a reason, success has none: %s", reason->text);
  free(copy);
  return decoded;
}

/* Makes the checksum right again, as an attacker or a faulty writer would. */
static void seal(struct block block) {
  XXH128_canonical_t checksum;
  XXH128_canonicalFromHash(&checksum, XXH3_128bits(block.bytes, block.size - CHECKSUM_SIZE));
  memcpy(block.bytes + block.size - CHECKSUM_SIZE, checksum.digest, CHECKSUM_SIZE);
}

static struct cache_entry golden_entry(const unsigned char *cubin, size_t cubin_size) {
  return (struct cache_entry){
      .key = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}},
      .toolchain = "nv13.0-1a2b3c4d",
      .target = "sm_90a",
      .spec = "decode.sm90a.hd128.g8.q_bf16.kv_e4m3.p16.rope_neox",
      .options = "--gpu-architecture=sm_90a --minimal",
      .symbol = "fi_kernel",
      .log = "ptxas info    : Used 12 registers\n",
      .image = cubin,
      .image_size = cubin_size,
      .facts = {.registers = 12,
                .static_shared = 256,
                .dynamic_shared = 65536,
                .spill_bytes = 8,
                .local_bytes = 16,
                .threads = 64,
                .min_blocks = 2},
      .created = 0x123456789a,
  };
}

Test(cache_entry, golden_v1) {
  struct block file, cubin;
  file.bytes = file_bytes(TEST_DATA "/entry-v1.fik", &file.size);
  cubin.bytes = file_bytes(TEST_DATA "/nvrtc13.0-sm_90a.cubin", &cubin.size);
  cr_assert(file.bytes && cubin.bytes);
  struct cache_entry expected = golden_entry(cubin.bytes, cubin.size), found;
  struct cache_reason reason = {""};

  cr_assert(cache_verify(file.bytes, file.size, &expected.key, &found, &reason), "%s", reason.text);
  cr_expect(cache_key_equal(&found.key, &expected.key));
  cr_expect_str_eq(found.toolchain, expected.toolchain);
  cr_expect_str_eq(found.target, expected.target);
  cr_expect_str_eq(found.spec, expected.spec);
  cr_expect_str_eq(found.options, expected.options);
  cr_expect_str_eq(found.symbol, expected.symbol);
  cr_expect_str_eq(found.log, expected.log);
  cr_assert_eq(found.image_size, cubin.size);
  cr_expect_arr_eq(found.image, cubin.bytes, cubin.size);
  cr_expect_arr_eq(&found.facts, &expected.facts, sizeof found.facts);
  cr_expect_eq(found.created, expected.created);
  cr_expect_eq(((const unsigned char *)found.image - file.bytes) % 64, 0);

  struct block again = encode(&expected);
  cr_assert_eq(again.size, file.size);
  cr_expect_arr_eq(again.bytes, file.bytes, file.size);
  free(again.bytes);
  free(file.bytes);
  free(cubin.bytes);
}

Test(cache_entry, round_trip_at_every_alignment) {
  for (unsigned size = 1; size < 200; size++) {
    struct sample made;
    struct cache_entry found;
    struct cache_reason reason = {""};
    sample_make(&made, size, size);
    struct block block = encode(&made.entry);
    cr_assert(cache_entry_decode(block.bytes, block.size, &made.entry.key, &found, &reason), "%s", reason.text);
    cr_expect(sample_equals(&made, &found), "image of %u bytes", size);
    free(block.bytes);
    sample_free(&made);
  }
}

Test(cache_entry, every_damaged_bit_is_noticed) {
  struct block block = encode_sample(100);
  struct cache_reason reason;
  cr_assert(decodes(block.bytes, block.size, &reason));
  for (size_t bit = 0; bit < 8 * block.size; bit++) {
    block.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    cr_expect(!decodes(block.bytes, block.size, &reason), "bit %zu", bit);
    block.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  free(block.bytes);
}

Test(cache_entry, every_damaged_byte_is_noticed) {
  struct block block = encode_sample(100);
  struct cache_reason reason;
  for (size_t i = 0; i < block.size; i++) {
    unsigned char original = block.bytes[i];
    for (unsigned value = 0; value < 256; value += 15) {
      block.bytes[i] = (unsigned char)value;
      cr_expect(value == original || !decodes(block.bytes, block.size, &reason), "byte %zu = %u", i, value);
    }
    block.bytes[i] = original;
  }
  free(block.bytes);
}

Test(cache_entry, every_truncation_is_noticed) {
  struct block block = encode_sample(100);
  struct cache_reason reason;
  for (size_t size = 0; size < block.size; size++)
    cr_expect(!decodes(block.bytes, size, &reason), "%zu of %zu bytes", size, block.size);
  free(block.bytes);
}

Test(cache_entry, appended_bytes_are_noticed) {
  struct block block = encode_sample(100);
  struct cache_reason reason;
  for (size_t more = 1; more <= 130; more++) {
    unsigned char *longer = calloc(1, block.size + more);
    cr_assert_not_null(longer);
    memcpy(longer, block.bytes, block.size);
    cr_expect(!decodes(longer, block.size + more, &reason), "%zu zeros", more);
    memmove(longer + block.size, block.bytes + block.size - (more < 16 ? more : 16), more < 16 ? more : 16);
    cr_expect(!decodes(longer, block.size + more, &reason), "%zu bytes with a checksum", more);
    free(longer);
  }
  free(block.bytes);
}

static void expect_extension(const struct cache_entry *entry, size_t header_size) {
  struct block block = encode(entry);
  struct cache_entry found;
  struct cache_reason reason = {""};
  cr_expect_eq(bytes_get_u16(block.bytes + AT_HEADER_SIZE), header_size);
  cr_assert(cache_entry_decode(block.bytes, block.size, &entry->key, &found, &reason), "%s", reason.text);
  cr_expect_eq(found.choice, entry->choice);
  cr_expect_eq(found.refused_by, entry->refused_by);
  cr_expect(cache_key_equal(&found.variant, entry->choice ? &entry->variant : &entry->key));
  cr_expect_str_eq(found.toolchain, entry->toolchain);
  free(block.bytes);
}

/* A choice and a refusal are in a longer header; without them the entry is what every release of v1 reads. */
Test(cache_entry, the_extension_is_there_when_it_says_something) {
  struct sample made;
  sample_make(&made, 7, 100);
  made.entry.variant = sample_key(9);
  expect_extension(&made.entry, 96);
  made.entry.choice = 3;
  expect_extension(&made.entry, 120);
  made.entry.choice = 0;
  made.entry.refused_by = 12080;
  expect_extension(&made.entry, 120);
  sample_free(&made);
}

/* The same of the caller's text, which another release of v1 does not look for. */
Test(cache_entry, a_snippet_is_there_when_there_is_one) {
  static const size_t header_sizes[] = {104, 128};
  for (uint32_t choice = 0; choice < 2; choice++) {
    struct sample made;
    struct cache_entry found;
    struct cache_reason reason = {""};
    sample_make(&made, 7, 100);
    made.entry.snippet = "float logit(struct fi_score at, const void *params) {\n  return at.score;\n}\n";
    made.entry.choice = choice;
    made.entry.variant = sample_key(9);
    struct block block = encode(&made.entry);
    cr_expect_eq(bytes_get_u16(block.bytes + AT_HEADER_SIZE), header_sizes[choice]);
    cr_expect_eq(bytes_get_u32(block.bytes + AT_FLAGS), 2 + choice);
    cr_assert(cache_entry_decode(block.bytes, block.size, &made.entry.key, &found, &reason), "%s", reason.text);
    cr_expect(sample_equals(&made, &found));
    cr_expect_str_eq(found.snippet, made.entry.snippet);
    cr_expect_eq(found.choice, choice);
    cr_expect(cache_key_equal(&found.variant, choice ? &made.entry.variant : &made.entry.key));
    for (size_t bit = 0; bit < 8 * block.size; bit++) {
      block.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
      cr_expect(!decodes(block.bytes, block.size, &reason), "bit %zu", bit);
      block.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(block.bytes);
    sample_free(&made);
  }
}

Test(cache_entry, an_entry_without_a_snippet_has_none) {
  struct block block = encode_sample(100);
  struct cache_entry found = {.snippet = "what was there before"};
  struct cache_reason reason = {""};
  cr_assert(cache_entry_decode(block.bytes, block.size, NULL, &found, &reason), "%s", reason.text);
  cr_expect_null(found.snippet);
  free(block.bytes);
}

/* What the checksum cannot catch: blocks that were sealed with nonsense in them. */
Test(cache_entry, sealed_nonsense_is_refused_with_the_reason) {
  static const struct {
    size_t at, width;
    uint64_t value;
    const char *reason;
  } cases[] = {
      {0, 1, 'f', "magic"},
      {7, 1, '\r', "magic"},
      {AT_FORMAT, 2, 0, "format 0 is not 1"},
      {AT_FORMAT, 2, 2, "format 2 is not 1"},
      {AT_HEADER_SIZE, 2, 95, "header size 95"},
      {AT_FLAGS, 4, 4, "flags 0x4"},
      {AT_FLAGS, 4, 2, "header size 96 is not 104"},
      {AT_FLAGS, 4, 3, "header size 96 is not 128"},
      {AT_FLAGS, 4, 1, "header size 96 is not 120"},
      {AT_SIZES + 0, 4, 0, "toolchain has 0 bytes"},
      {AT_SIZES + 4, 4, 0xffffffff, "header tells of"},
      {AT_SIZES + 20, 4, 0xffffffff, "header tells of"},
      {AT_IMAGE_SIZE, 4, 0xffffffff, "header tells of"},
      {AT_IMAGE_SIZE, 4, 0, "header tells of"},
      {AT_FACTS + 0, 4, 256, "registers is 256, allowed are 0 to 255"},
      {AT_FACTS + 4, 4, 0x80000000, "static shared"},
      {AT_FACTS + 8, 4, 0x80000000, "dynamic shared"},
      {AT_FACTS + 12, 4, 0x80000000, "spill"},
      {AT_FACTS + 16, 4, 0x80000000, "local"},
      {AT_FACTS + 20, 4, 0, "threads is 0"},
      {AT_FACTS + 20, 4, 1025, "threads is 1025"},
      {AT_FACTS + 24, 4, 65, "min blocks"},
      {AT_TEXTS, 1, '/', "cannot be part of a file name"},
      {AT_TEXTS, 1, 0, "toolchain is not one NUL-terminated text"},
      {AT_TEXTS + 15, 1, '4', "toolchain is not one NUL-terminated text"},
      {AT_TEXTS + 16, 1, 0, "target is not one NUL-terminated text"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct block block = encode_sample(100);
    struct cache_reason reason;
    bytes_put(block.bytes + cases[i].at, cases[i].width, cases[i].value);
    seal(block);
    cr_expect(!decodes(block.bytes, block.size, &reason), "case %zu", i);
    cr_expect(strstr(reason.text, cases[i].reason), "case %zu: \"%s\" without \"%s\"", i, reason.text, cases[i].reason);
    free(block.bytes);
  }
}

/* Sizes that add up to the right sum, but are not allowed one by one. */
Test(cache_entry, sizes_are_bounded_one_by_one) {
  struct block block = encode_sample(64);
  struct cache_reason reason;
  uint32_t toolchain = bytes_get_u32(block.bytes + AT_SIZES), spec = bytes_get_u32(block.bytes + AT_SIZES + 8);
  bytes_put(block.bytes + AT_SIZES, 4, toolchain + spec);
  bytes_put(block.bytes + AT_SIZES + 8, 4, 0);
  seal(block);
  cr_expect(!decodes(block.bytes, block.size, &reason));
  cr_expect(strstr(reason.text, "toolchain has 36 bytes, allowed are 1 to 31"), "%s", reason.text);
  free(block.bytes);
}

static void expect_same_again(const struct cache_entry *entry, struct block block) {
  struct block again = encode(entry);
  cr_assert_eq(again.size, block.size);
  cr_assert_eq(memcmp(again.bytes, block.bytes, block.size), 0);
  free(again.bytes);
}

/* Random bytes in a sealed header and in the texts and zeros after it. */
static void check_noise(struct block block, uint64_t seed) {
  struct block noisy = {malloc(block.size), block.size};
  cr_assert_not_null(noisy.bytes);
  uint64_t state = seed;
  for (int round = 0; round < 40000; round++) {
    memcpy(noisy.bytes, block.bytes, block.size);
    for (int change = 0; change < 1 + round % 3; change++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      noisy.bytes[AT_FORMAT + (state >> 33) % (block.size - AT_FORMAT)] = (unsigned char)(state >> 56);
    }
    seal(noisy);
    struct cache_entry entry;
    struct cache_reason reason = {""};
    if (!cache_entry_decode(noisy.bytes, noisy.size, NULL, &entry, &reason))
      continue;
    const unsigned char *image = entry.image, *end = noisy.bytes + noisy.size - CHECKSUM_SIZE;
    cr_assert(image > noisy.bytes && image + entry.image_size == end);
    cr_assert_lt(strlen(entry.log), noisy.size);
    expect_same_again(&entry, noisy);
  }
  free(noisy.bytes);
}

/* Whatever decodes lies inside the block, and is what the encoder makes of it: no byte is without a meaning. */
Test(cache_entry, sealed_noise_decodes_to_what_encodes_as_it) {
  for (uint32_t flags = 0; flags < 4; flags++) {
    struct sample made;
    sample_make(&made, 7, 64);
    made.entry.choice = flags % 2;
    made.entry.variant = sample_key(9);
    made.entry.snippet = flags / 2 ? "float logit(struct fi_score at, const void *params) {\n}\n" : NULL;
    struct block block = encode(&made.entry);
    check_noise(block, 1 + flags);
    free(block.bytes);
    sample_free(&made);
  }
}

Test(cache_entry, another_key_is_refused) {
  struct block block = encode_sample(64);
  struct cache_key right = sample_key(7), wrong = sample_key(8);
  struct cache_entry entry;
  struct cache_reason reason = {""};
  cr_expect(cache_entry_decode(block.bytes, block.size, &right, &entry, &reason));
  cr_expect(!cache_entry_decode(block.bytes, block.size, &wrong, &entry, &reason));
  cr_expect_str_eq(reason.text, "entry belongs to another key");
  free(block.bytes);
}

static void expect_not_encoded(const struct cache_entry *entry, const char *expected) {
  struct block block;
  struct cache_reason reason = {""};
  cr_expect(!cache_entry_encode(entry, &block.bytes, &block.size, &reason));
  cr_expect(strstr(reason.text, expected), "\"%s\" without \"%s\"", reason.text, expected);
}

Test(cache_entry, what_would_not_decode_is_not_encoded) {
  struct sample made;
  sample_make(&made, 1, 64);
  struct cache_entry entry = made.entry;
  entry.toolchain = "../../etc";
  expect_not_encoded(&entry, "cannot be part of a file name");
  entry = made.entry;
  entry.symbol = "";
  expect_not_encoded(&entry, "symbol has 0 bytes, allowed are 1 to 1024");
  entry = made.entry;
  entry.snippet = "";
  expect_not_encoded(&entry, "snippet has 0 bytes, allowed are 1 to 1048576");
  entry = made.entry;
  entry.image_size = 0;
  expect_not_encoded(&entry, "image is empty");
  entry = made.entry;
  entry.image_size = CACHE_ENTRY_SIZE_MAX;
  expect_not_encoded(&entry, "allowed are 67108864");
  entry.image_size = (size_t)1 << 33;
  expect_not_encoded(&entry, "allowed are 67108864");
  entry = made.entry;
  entry.facts.threads = 2048;
  expect_not_encoded(&entry, "threads is 2048, allowed are 1 to 1024");
  sample_free(&made);
}

/* The verifier is the codec and the image check, for the same bytes. */
Test(cache_entry, an_entry_with_a_bad_image_is_not_verified) {
  struct sample made;
  struct cache_entry found;
  struct cache_reason reason = {""};
  sample_make(&made, 1, 64);
  made.entry.symbol = "another";
  struct block block = encode(&made.entry);
  cr_expect(cache_entry_decode(block.bytes, block.size, NULL, &found, &reason));
  cr_expect(!cache_verify(block.bytes, block.size, NULL, &found, &reason));
  cr_expect_str_eq(reason.text, "PTX has no entry \"another\"");
  free(block.bytes);
  sample_free(&made);
}
