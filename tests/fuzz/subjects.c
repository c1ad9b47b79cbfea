/* What reads what others wrote, and what must hold of all that it takes. */
#include "tests/fuzz/fuzz.h"

#include "cache/bundle.h"
#include "cache/bytes.h"
#include "cache/lz.h"
#include "cache/verify.h"
#include "flashjit.h"
#include "tools/flashjit/model/model.h"
#include "tools/flashjit/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHECKSUM_SIZE = 16 };

/* Makes the checksum right for every second input, so that what lies beyond it is reached. */
static void seal(struct input *input, uint64_t random) {
  XXH128_canonical_t checksum;
  if (input->size < CHECKSUM_SIZE || random % 2)
    return;
  XXH128_canonicalFromHash(&checksum, XXH3_128bits(input->bytes, input->size - CHECKSUM_SIZE));
  memcpy(input->bytes + input->size - CHECKSUM_SIZE, checksum.digest, CHECKSUM_SIZE);
}

/* Of exactly this size, so that ASan sees what is read beyond it. */
static unsigned char *copy_of(const struct input *input) {
  unsigned char *copy = malloc(input->size ? input->size : 1);
  if (!copy)
    abort();
  memcpy(copy, input->bytes, input->size);
  return copy;
}

/* -------------------------------------------------------------------------------- cache */

/* What is decoded can be encoded, to as many bytes: nothing is lost. */
static bool same_again(const struct cache_entry *entry, size_t size) {
  struct cache_reason reason = {""};
  unsigned char *again;
  size_t again_size;
  if (!cache_entry_encode(entry, &again, &again_size, &reason))
    return false;
  const bool is_same = again_size == size;
  free(again);
  return is_same;
}

static bool read_entry(struct input *input, uint64_t random, bool *taken) {
  struct cache_reason reason = {""};
  struct cache_entry entry;
  seal(input, random);
  unsigned char *bytes = copy_of(input);
  *taken = cache_entry_decode(bytes, input->size, NULL, &entry, &reason);
  const bool is_right = *taken ? same_again(&entry, input->size) : reason.text[0];
  if (*taken)
    cache_verify(bytes, input->size, NULL, &entry, &reason);
  free(bytes);
  return is_right;
}

/* The size of the header, too: it is right in every second input. */
static void seal_bundle(struct input *input, uint64_t random) {
  if (input->size > 24 && random % 4 < 2)
    bytes_put(input->bytes + 16, 8, input->size);
  seal(input, random);
}

static bool read_bundle(struct input *input, uint64_t random, bool *taken) {
  struct cache_reason reason = {""};
  struct cache_bundle bundle;
  struct cache_entry entry;
  seal_bundle(input, random);
  unsigned char *bytes = copy_of(input);
  *taken = cache_bundle_open(bytes, input->size, NULL, &bundle, &reason);
  for (uint32_t i = 0; *taken && i < bundle.rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(&bundle, i);
    unsigned char *unpacked = cache_bundle_unpack(&row, &reason);
    if (unpacked)
      cache_verify(unpacked, row.size, &row.key, &entry, &reason);
    free(unpacked);
  }
  free(bytes);
  return *taken || reason.text[0];
}

static bool read_packed(struct input *input, uint64_t random, bool *taken) {
  const size_t size = random % 3000;
  unsigned char *packed = copy_of(input);
  unsigned char *bytes = malloc(size + 1);
  *taken = bytes && cache_lz_unpack(packed, input->size, bytes, size);
  free(bytes);
  free(packed);
  return true;
}

/* -------------------------------------------------------------------------------- texts */

/* What is parsed prints as a text that means the same. */
static bool read_spec(struct input *input, uint64_t random, bool *taken) {
  char text[FI_SPEC_TEXT_SIZE];
  char again[FI_SPEC_TEXT_SIZE];
  fi_spec spec;
  (void)random;
  input->size = strnlen((const char *)input->bytes, input->size < MOST_BYTES ? input->size : MOST_BYTES - 1);
  input->bytes[input->size] = '\0';
  char *given = strdup((const char *)input->bytes);
  *taken = given && fi_spec_parse(given, &spec) == FI_OK;
  free(given);
  if (!*taken)
    return fi_last_error()[0];
  if (fi_spec_print(&spec, text, sizeof text))
    return fi_last_error()[0]; /* no kernel */
  return fi_spec_parse(text, &spec) == FI_OK && fi_spec_print(&spec, again, sizeof again) == FI_OK &&
         strcmp(text, again) == 0;
}

/* A file with the input: readers take paths. */
static const char *file_of(const struct input *input) {
  static char path[64];
  static int file = -1;
  if (file < 0)
    file = memfd_create("fuzz", 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, input->bytes, input->size, 0) != (ssize_t)input->size)
    abort();
  return path;
}

static bool read_config(struct input *input, uint64_t random, bool *taken) {
  static struct model model;
  const struct model_choice choice = {.path = file_of(input), .devices = random % 2 ? 0 : 2};
  *taken = model_read(&choice, &model);
  return true;
}

static bool read_trace(struct input *input, uint64_t random, bool *taken) {
  struct trace trace = {0};
  const size_t limit = 1 + random % 20;
  *taken = trace_read(&trace, file_of(input), limit);
  const bool is_right = trace.count <= limit;
  trace_free(&trace);
  return is_right;
}

/* -------------------------------------------------------------------------------- subjects */

static const char *const entries[] = {"cache/data/entry-v1.fik", NULL};
static const char *const bundles[] = {"cache/data/bundle-v1.fib", NULL};
static const char *const configs[] = {"data/models/Meta-Llama-3.1-8B.json", "data/models/gpt-oss-20b.json",
                                      "data/models/gemma-4-26B-A4B.json", "data/models/Qwen3-0.6B.json", NULL};
static const char *const packed[] = {"\x4f"
                                     "abcd\x04\x01\x80"
                                     "End.....",
                                     "\xf0\x10"
                                     "0123456789",
                                     NULL};
static const char *const specs[] = {"attention group=4 kv=e4m3 page=16 scale=head rope=half keys=unrotated rope_dim=64",
                                    "append page=16 slots=int64 ids=int64 index=csr",
                                    "merge hd=64 lse=2 o=f32",
                                    "plan",
                                    "attention hd=192 v_dim=128 mask=none left=128 right=64 softcap=1 bias=dense",
                                    NULL};
static const char *const traces[] = {"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"
                                     "2023-11-16 18:15:50.9951690,396,109\n",
                                     "{\"timestamp\": 0, \"input_length\": 6755, \"output_length\": 500, \"hash_ids\": "
                                     "[0, 1]}\n{\"timestamp\": 0, \"input_length\": 7322, \"output_length\": 490}\n",
                                     NULL};

static const struct subject subjects[] = {
    {"entry", entries, true, read_entry},   {"bundle", bundles, true, read_bundle},
    {"packed", packed, false, read_packed}, {"spec", specs, false, read_spec},
    {"config", configs, true, read_config}, {"trace", traces, false, read_trace},
};

const struct subject *subject_find(const char *name) {
  for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {
    if (strcmp(subjects[i].name, name) == 0)
      return &subjects[i];
  }
  return NULL;
}
