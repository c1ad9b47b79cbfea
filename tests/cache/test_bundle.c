/* Bundles: the same entries give the same bytes, all of them come out again, and anything altered is refused. */
#include "fault.h"
#include "support.h"

#include "cache/bundle_make.h"
#include "cache/bytes.h"
#include "cache/ed25519.h"
#include "cache/ed25519_sign.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(cache_bundle, .init = scratch_begin, .fini = scratch_end);

enum { SAMPLES = 5 };

/* Made by `openssl genpkey -algorithm ed25519`, for this test alone. */
static const char private_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
/* RFC 8032, 7.1, test 1: the public key of that private key. */
static const char public_key[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

struct bytes {
  unsigned char *at;
  size_t size;
};

/* Of samples `first` on, in an order that the number says. */
static struct bytes make_samples(unsigned first, unsigned count, unsigned turn, const struct cache_signing *signing) {
  struct sample samples[SAMPLES];
  struct cache_entry entries[SAMPLES];
  struct cache_reason reason;
  struct bytes bundle;
  cache_reason_clear(&reason);
  for (unsigned i = 0; i < count; i++) {
    sample_make(&samples[i], first + (i + turn) % count, 1000);
    entries[i] = samples[i].entry;
  }
  cr_assert(cache_bundle_make(entries, count, signing, &bundle.at, &bundle.size, &reason), "%s", reason.text);
  for (unsigned i = 0; i < count; i++)
    sample_free(&samples[i]);
  return bundle;
}

static struct bytes make(void) {
  return make_samples(0, SAMPLES, 0, NULL);
}

static struct bytes make_signed(void) {
  struct cache_signing signing;
  struct cache_reason reason;
  cache_reason_clear(&reason);
  cr_assert(cache_signing_open(&signing, private_key, &reason), "%s", reason.text);
  const struct bytes bundle = make_samples(0, SAMPLES, 0, &signing);
  cache_signing_close(&signing);
  return bundle;
}

/* A copy of exactly these bytes, so that ASan sees any read beyond them. */
static bool opens(const unsigned char *bytes, size_t size, const struct cache_signer *signer,
                  struct cache_reason *reason) {
  struct cache_bundle bundle;
  unsigned char *copy = malloc(size ? size : 1);
  memcpy(copy, bytes, size);
  cache_reason_clear(reason);
  const bool is_open = cache_bundle_open(copy, size, signer, &bundle, reason);
  cr_expect_eq(is_open, reason->text[0] == '\0', "a refusal has a reason, success has none: %s", reason->text);
  free(copy);
  return is_open;
}

static struct cache_signer signer_of(const char *text) {
  struct cache_signer signer = {.check = cache_ed25519_check};
  cr_assert(cache_signer_parse(text, signer.key));
  return signer;
}

/* -------------------------------------------------------------------------------- bytes */

Test(cache_bundle, same_entries_give_the_same_bytes) {
  const struct bytes first = make();
  for (unsigned turn = 0; turn < SAMPLES; turn++) {
    const struct bytes other = make_samples(0, SAMPLES, turn, NULL);
    cr_expect(first.size == other.size && memcmp(first.at, other.at, first.size) == 0, "in order %u", turn);
    free(other.at);
  }
  free(first.at);
}

/* The time of a compile, its log and what a driver thought of it are not those of the next compile. */
Test(cache_bundle, what_differs_between_compiles_is_not_in_it) {
  struct sample sample;
  struct cache_reason reason = {""};
  struct bytes bundles[2];
  sample_make(&sample, 1, 1000);
  for (unsigned i = 0; i < 2; i++) {
    sample.entry.created = i;
    sample.entry.refused_by = i;
    sample.entry.log = i ? "0.5 s" : "0.6 s, or so";
    cr_assert(cache_bundle_make(&sample.entry, 1, NULL, &bundles[i].at, &bundles[i].size, &reason));
  }
  cr_expect(bundles[0].size == bundles[1].size && memcmp(bundles[0].at, bundles[1].at, bundles[0].size) == 0);
  free(bundles[0].at);
  free(bundles[1].at);
  sample_free(&sample);
}

/* Bundles of this format stay readable, and are made as they were. */
Test(cache_bundle, golden) {
  const struct bytes bundle = make_signed();
  size_t size = 0;
  unsigned char *golden = file_bytes(TEST_DATA "/bundle-v1.fib", &size);
  cr_assert_not_null(golden);
  cr_expect(size == bundle.size && memcmp(golden, bundle.at, size) == 0, "the format has changed");
  free(golden);
  free(bundle.at);
}

Test(cache_bundle, no_entry_twice) {
  struct sample sample;
  struct cache_reason reason = {""};
  struct bytes bundle;
  sample_make(&sample, 1, 1000);
  const struct cache_entry twice[] = {sample.entry, sample.entry};
  cr_expect(!cache_bundle_make(twice, 2, NULL, &bundle.at, &bundle.size, &reason));
  cr_expect(strstr(reason.text, "twice"), "%s", reason.text);
  sample_free(&sample);
}

Test(cache_bundle, none_at_all) {
  const struct bytes bundle = make_samples(0, 0, 0, NULL);
  struct cache_reason reason;
  cr_expect(opens(bundle.at, bundle.size, NULL, &reason), "%s", reason.text);
  free(bundle.at);
}

static void expect_all_refused(struct bytes bundle, const struct cache_signer *signer) {
  struct cache_reason reason;
  cr_assert(opens(bundle.at, bundle.size, signer, &reason), "%s", reason.text);
  for (size_t size = 0; size < bundle.size; size++)
    cr_expect(!opens(bundle.at, size, signer, &reason), "%zu of %zu bytes", size, bundle.size);
  for (size_t at = 0; at < bundle.size; at++) {
    const unsigned char flip = (unsigned char)(1u << at % 8);
    bundle.at[at] ^= flip;
    cr_expect(!opens(bundle.at, bundle.size, signer, &reason), "byte %zu of %zu", at, bundle.size);
    bundle.at[at] ^= flip;
  }
  unsigned char *longer = malloc(bundle.size + 1);
  memcpy(longer, bundle.at, bundle.size);
  longer[bundle.size] = 0;
  cr_expect(!opens(longer, bundle.size + 1, signer, &reason), "a byte more");
  free(longer);
}

Test(cache_bundle, every_byte_and_every_truncation_is_refused) {
  const struct bytes bundle = make();
  expect_all_refused(bundle, NULL);
  free(bundle.at);
}

Test(cache_bundle, every_byte_and_every_truncation_of_a_signed_one_is_refused) {
  const struct bytes bundle = make_signed();
  expect_all_refused(bundle, NULL);
  free(bundle.at);
}

/* Makes the checksum right again, as an attacker would. */
static void seal(struct bytes bundle) {
  XXH128_canonical_t checksum;
  XXH128_canonicalFromHash(&checksum, XXH3_128bits(bundle.at, bundle.size - sizeof checksum));
  memcpy(bundle.at + bundle.size - sizeof checksum, checksum.digest, sizeof checksum);
}

/* No byte of rows or header leads out of the bundle, or to an entry that is not verified. */
Test(cache_bundle, rows_that_lie_are_refused_or_harmless) {
  const struct bytes bundle = make();
  for (size_t at = 0; at < 32 + SAMPLES * 64; at++) {
    for (unsigned bit = 1; bit < 256; bit <<= 1) {
      struct cache_bundle opened;
      struct cache_reason reason = {""};
      bundle.at[at] ^= (unsigned char)bit;
      seal(bundle);
      if (cache_bundle_open(bundle.at, bundle.size, NULL, &opened, &reason)) {
        for (uint32_t i = 0; i < opened.rows; i++) {
          const struct cache_bundle_row row = cache_bundle_row(&opened, i);
          free(cache_bundle_unpack(&row, &reason));
        }
      }
      bundle.at[at] ^= (unsigned char)bit;
    }
  }
  free(bundle.at);
}

/* Nor does a row claim memory that its packed bytes cannot fill: an entry is unpacked into as many bytes as it says. */
Test(cache_bundle, sizes_that_nothing_packs_to_are_refused) {
  const struct bytes bundle = make();
  struct cache_reason reason;
  unsigned char *row = bundle.at + 32;
  for (unsigned i = 0; i < SAMPLES; i++, row += 64) {
    const uint32_t packed_size = bytes_get_u32(row + 56);
    const uint32_t size = bytes_get_u32(row + 60);
    bytes_put(row + 60, 4, 255 * packed_size);
    seal(bundle);
    cr_expect(opens(bundle.at, bundle.size, NULL, &reason), "row %u: %s", i, reason.text);
    bytes_put(row + 60, 4, 255 * packed_size + 1);
    seal(bundle);
    cr_expect(!opens(bundle.at, bundle.size, NULL, &reason) && strstr(reason.text, "outside of its place"), "row %u",
              i);
    bytes_put(row + 60, 4, size);
  }
  free(bundle.at);
}

/* A search would miss what is out of order. */
Test(cache_bundle, rows_out_of_order_are_refused) {
  const struct bytes bundle = make();
  struct cache_reason reason;
  unsigned char *row = bundle.at + 32;
  for (unsigned i = 0; i + 1 < SAMPLES; i++, row += 64) {
    unsigned char name[48];
    memcpy(name, row, sizeof name);
    memcpy(row, row + 64, sizeof name); /* of two rows with one name */
    seal(bundle);
    cr_expect(!opens(bundle.at, bundle.size, NULL, &reason) && strstr(reason.text, "out of order"), "row %u twice", i);
    memcpy(row + 64, name, sizeof name);
    seal(bundle);
    cr_expect(!opens(bundle.at, bundle.size, NULL, &reason) && strstr(reason.text, "out of order"), "row %u later", i);
    memcpy(row + 64, row, sizeof name);
    memcpy(row, name, sizeof name);
  }
  free(bundle.at);
}

Test(cache_bundle, bytes_of_no_row_are_refused) {
  const struct bytes bundle = make();
  struct bytes longer = {.at = calloc(1, bundle.size + 1), .size = bundle.size + 1};
  struct cache_reason reason;
  memcpy(longer.at, bundle.at, bundle.size - 16);
  bytes_put(longer.at + 16, 8, longer.size);
  seal(longer);
  cr_expect(!opens(longer.at, longer.size, NULL, &reason));
  cr_expect(strstr(reason.text, "belong to no row"), "%s", reason.text);
  free(longer.at);
  free(bundle.at);
}

/* -------------------------------------------------------------------------------- signatures */

Test(cache_bundle, signature_is_that_of_the_owner) {
  const struct bytes bundle = make_signed();
  const struct cache_signer owner = signer_of(public_key);
  const struct cache_signer other = signer_of("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  struct cache_reason reason;
  cr_expect(opens(bundle.at, bundle.size, &owner, &reason), "%s", reason.text);
  cr_expect(opens(bundle.at, bundle.size, NULL, &reason), "%s", reason.text);
  cr_expect(!opens(bundle.at, bundle.size, &other, &reason));
  cr_expect(strstr(reason.text, "another key, d75a98"), "%s", reason.text);
  free(bundle.at);
}

Test(cache_bundle, unsigned_ones_are_refused_by_a_key) {
  const struct bytes bundle = make();
  const struct cache_signer owner = signer_of(public_key);
  struct cache_reason reason;
  cr_expect(!opens(bundle.at, bundle.size, &owner, &reason));
  cr_expect(strstr(reason.text, "not signed"), "%s", reason.text);
  free(bundle.at);
}

/* An attacker mends what only guards against accidents. */
Test(cache_bundle, altered_ones_are_refused_by_the_signature) {
  const struct bytes bundle = make_signed();
  const struct cache_signer owner = signer_of(public_key);
  struct cache_reason reason;
  for (size_t at = 0; at < bundle.size - 16; at += at < bundle.size - 200 ? 7 : 1) {
    bundle.at[at] ^= 1;
    seal(bundle);
    cr_expect(!opens(bundle.at, bundle.size, &owner, &reason), "byte %zu of %zu", at, bundle.size);
    bundle.at[at] ^= 1;
  }
  free(bundle.at);
}

static bool cannot_check(const unsigned char signer[CACHE_SIGNER_SIZE], const void *bytes, size_t size,
                         const unsigned char signature[CACHE_SIGNATURE_SIZE], struct cache_reason *reason) {
  (void)signer, (void)bytes, (void)size, (void)signature;
  return cache_refuse(reason, "there is no libcrypto");
}

Test(cache_bundle, what_cannot_be_checked_is_refused) {
  const struct bytes bundle = make_signed();
  struct cache_signer owner = signer_of(public_key);
  struct cache_reason reason;
  owner.check = cannot_check;
  cr_expect(!opens(bundle.at, bundle.size, &owner, &reason));
  cr_expect_str_eq(reason.text, "there is no libcrypto");
  free(bundle.at);
}

Test(cache_bundle, keys_are_64_hex_digits) {
  static const char *const texts[] = {"", "d7", "x75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                                      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a0"};
  unsigned char key[CACHE_SIGNER_SIZE];
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    cr_expect(!cache_signer_parse(texts[i], key), "%s", texts[i]);
}

Test(cache_bundle, other_texts_are_no_private_key) {
  static const char *const texts[] = {"", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct cache_signing signing;
    struct cache_reason reason = {""};
    cr_expect(!cache_signing_open(&signing, texts[i], &reason));
    cr_expect(strstr(reason.text, "no private Ed25519 key"), "%s", reason.text);
  }
}

/* -------------------------------------------------------------------------------- as a layer */

static struct cache_store *store_with(const struct cache_config *config, struct cache_reason *reason) {
  struct cache_store *store = cache_store_open(config, &cache_io_posix, reason);
  cr_assert_not_null(store);
  return store;
}

static char *put_bundle(const char *name, struct bytes bundle) {
  char *path = scratch_path(name);
  cr_assert(file_put(path, bundle.at, bundle.size));
  return path;
}

/* The time and the log are left out, everything else is as it was. */
static void expect_found(struct cache_store *store, unsigned number, enum cache_origin origin) {
  struct sample made;
  struct cache_found found;
  struct cache_reason reason;
  const struct cache_key key = sample_key(number);
  cr_assert(cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason), "sample %u: %s", number, reason.text);
  sample_make(&made, number, 1000);
  made.entry.created = origin == CACHE_FROM_BUNDLE ? 0 : made.entry.created;
  cr_expect(sample_equals(&made, &found.entry), "sample %u", number);
  cr_expect_eq(found.origin, origin, "sample %u is from %d", number, found.origin);
  sample_free(&made);
  cache_found_free(&found);
  cr_assert(cache_store_find(store, &key, NULL, &found, &reason), "of any toolchain: %s", reason.text);
  cache_found_free(&found);
}

Test(cache_bundle, serves_from_memory_and_file_before_directories) {
  const struct bytes in_memory = make_samples(0, 2, 0, NULL);
  const struct bytes in_file = make_samples(1, 2, 0, NULL);
  char *path = put_bundle("some.bundle", in_file);
  char *user = scratch_path("user");
  struct cache_reason reason;
  struct cache_store *store = store_with(
      &(struct cache_config){.bundle = in_memory.at, .bundle_size = in_memory.size, .bundles = path, .user = user},
      &reason);
  cr_expect_str_empty(reason.text);
  cr_expect(publish_sample(store, 2) && publish_sample(store, 3));
  for (unsigned i = 0; i < 4; i++)
    expect_found(store, i, i < 3 ? CACHE_FROM_BUNDLE : CACHE_FROM_USER);
  struct cache_key key = sample_key(4);
  struct cache_found found;
  cr_expect(!cache_store_find(store, &key, NULL, &found, &reason) && !reason.text[0], "%s", reason.text);
  key = sample_key(2);
  cr_assert(cache_store_find(store, &key, NULL, &found, &reason));
  cr_expect(strstr(found.path, "some.bundle:"), "%s", found.path);
  cr_assert(cache_store_find_next(store, NULL, &found, &reason));
  cr_expect_eq(found.origin, CACHE_FROM_USER);
  cr_expect(!cache_store_find_next(store, NULL, &found, &reason));
  cache_store_close(store);
  free(in_memory.at);
  free(in_file.at);
  free(path);
  free(user);
}

/* A damaged bundle is refused as a whole, is told, and nothing else suffers. */
Test(cache_bundle, refused_ones_are_told) {
  const struct bytes bundle = make();
  bundle.at[bundle.size / 2] ^= 1;
  char *damaged = put_bundle("damaged.bundle", bundle);
  bundle.at[bundle.size / 2] ^= 1;
  char *good = put_bundle("good.bundle", bundle);
  char *foreign = put_bundle("foreign.bundle", bundle);
  chmod(foreign, 0666);
  char *paths;
  struct cache_reason reason;
  cr_assert(asprintf(&paths, "%s:/no/such.bundle:%s:%s:%s", damaged, foreign, scratch, good) > 0);
  struct cache_store *store = store_with(&(struct cache_config){.bundles = paths}, &reason);
  static const char *const parts[] = {"damaged.bundle: refused: checksum", "/no/such.bundle: does not exist",
                                      "may be written by anybody", "is no regular file"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    cr_expect(strstr(reason.text, parts[i]), "\"%s\" is not in: %s", parts[i], reason.text);
  expect_found(store, 0, CACHE_FROM_BUNDLE);
  cache_store_close(store);
  free(bundle.at);
  free(damaged);
  free(good);
  free(foreign);
  free(paths);
}

/* An entry whose bytes are not what its row says, in a bundle with a right checksum. */
Test(cache_bundle, entries_are_verified) {
  const struct bytes bundle = make_samples(0, 1, 0, NULL);
  struct cache_reason reason;
  struct cache_found found;
  const struct cache_key key = sample_key(0);
  bundle.at[bundle.size - 40] ^= 1;
  seal(bundle);
  struct cache_store *store =
      store_with(&(struct cache_config){.bundle = bundle.at, .bundle_size = bundle.size}, &reason);
  cr_expect_str_empty(reason.text);
  cr_expect(!cache_store_find(store, &key, NULL, &found, &reason));
  cr_expect_str_not_empty(reason.text);
  cache_store_close(store);
  free(bundle.at);
}

/* Reads a bundle's file on a file system that fails as `state` says; how many calls there were. */
static unsigned read_failing(const char *path, unsigned fail_at, struct cache_reason *reason) {
  struct fault state = {.operations = FAULT_ALL, .fail_at = fail_at, .error = EIO};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = cache_store_open(&(struct cache_config){.bundles = path}, &io, reason);
  cr_assert_not_null(store);
  cr_expect_eq(state.open_files, 0);
  cache_store_close(store);
  return state.calls;
}

/* Whichever call fails while a bundle is read, it is not used, and that is told. A file that does not close was read.
 */
Test(cache_bundle, each_call_fails) {
  const struct bytes bundle = make();
  char *path = put_bundle("some.bundle", bundle);
  struct cache_reason reason;
  const unsigned calls = read_failing(path, 0, &reason);
  cr_assert_eq(calls, 4, "open, status, read, close; not %u", calls);
  for (unsigned fail_at = 1; fail_at < calls; fail_at++) {
    read_failing(path, fail_at, &reason);
    cr_expect(strstr(reason.text, "Input/output error"), "call %u: %s", fail_at, reason.text);
  }
  free(bundle.at);
  free(path);
}
