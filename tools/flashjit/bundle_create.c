/* flashjit bundle create: compiles kernels, and puts what the cache then has of them into one file. */
#include "cache/bytes.h"
#include "cache/ed25519_sign.h"
#include "tools/flashjit/build_jobs.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/whole_file.h"

#include <stdlib.h>
#include <string.h>

enum { OPTION_SPECS = OPTIONS_OF_MODEL, OPTION_TARGET, OPTION_JOBS, OPTION_SIGN, OPTION_JSON };

static const struct cli_option options[] = {
    {"specs", 0, "FILE", "one spec a line; - for standard input", OPTION_SPECS},
    {"target", 0, "T[,T...]", "such as sm_90a,sm_80; default: that of the GPU", OPTION_TARGET},
    {"jobs", 'j', "N", "worker processes; default: one per core", OPTION_JOBS},
    {"sign", 0, "KEY.pem", "signs it with the private key that 'openssl genpkey -algorithm ed25519' makes",
     OPTION_SIGN},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

struct choice {
  struct build_choice build;
  const char *sign;
  bool json;
};

/* ------------------------------------------------------------------------------------------------ entries */

/* Entries to be put into the bundle, in the order in which their kernels were built. */
struct collection {
  struct cache_store *store;
  struct cache_found *found;
  size_t count;
  size_t room;
  bool is_broken;
};

static bool key_of_hex(const char *hex, struct cache_key *key) {
  for (size_t i = 0; i < CACHE_KEY_SIZE; i++) {
    unsigned byte;
    if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
      return false;
    key->bytes[i] = (unsigned char)byte;
  }
  return true;
}

static bool is_there(const struct collection *collection, const struct cache_key *key, const char *toolchain) {
  for (size_t i = 0; i < collection->count; i++) {
    const struct cache_entry *entry = &collection->found[i].entry;
    if (cache_key_equal(&entry->key, key) && strcmp(entry->toolchain, toolchain) == 0)
      return true;
  }
  return false;
}

static bool grow(struct collection *collection) {
  if (collection->count < collection->room)
    return true;
  const size_t room = collection->room * 2 + 16;
  struct cache_found *found = realloc(collection->found, room * sizeof *found);
  if (!found)
    return false;
  collection->found = found;
  collection->room = room;
  return true;
}

static void collect(void *user, const struct job *job, const struct job_result *result) {
  (void)job;
  struct collection *collection = user;
  struct cache_key key;
  struct cache_reason reason;
  if (result->status || !key_of_hex(result->facts.key, &key) || is_there(collection, &key, result->facts.toolchain))
    return;
  if (grow(collection) && cache_store_find_own(collection->store, &key, result->facts.toolchain,
                                               &collection->found[collection->count], &reason)) {
    collection->count++;
    return;
  }
  complain("%s was built and is not in the cache: %s", result->facts.key, reason.text);
  collection->is_broken = true;
}

static void free_collection(struct collection *collection) {
  for (size_t i = 0; i < collection->count; i++)
    cache_found_free(&collection->found[i]);
  free(collection->found);
  cache_store_close(collection->store);
}

/* ------------------------------------------------------------------------------------------------ file */

static bool open_key(const char *path, struct cache_signing *signing) {
  size_t size;
  struct cache_reason reason = {""};
  unsigned char *pem = whole_file_read(path, &size);
  if (!pem)
    return false;
  const bool is_open = cache_signing_open(signing, (const char *)pem, &reason);
  memset(pem, 0, size);
  free(pem);
  if (!is_open)
    complain("%s: %s", path, reason.text);
  return is_open;
}

static bool make(const struct collection *collection, const struct cache_signing *signing, unsigned char **bytes,
                 size_t *size) {
  struct cache_reason reason = {""};
  struct cache_entry *entries = calloc(collection->count + 1, sizeof *entries);
  for (size_t i = 0; entries && i < collection->count; i++)
    entries[i] = collection->found[i].entry;
  const bool is_made = entries && cache_bundle_make(entries, collection->count, signing, bytes, size, &reason);
  free(entries);
  if (!is_made)
    complain("%s", reason.text[0] ? reason.text : "out of memory");
  return is_made;
}

static void print_written(const char *path, size_t kernels, size_t size, const struct cache_signing *signing,
                          bool is_json) {
  char signer[2 * CACHE_SIGNER_SIZE + 1] = "";
  if (signing)
    bytes_print_hex(signing->signer, CACHE_SIGNER_SIZE, signer);
  if (is_json) {
    document_print("flashjit.bundle.create",
                   json_pack("{s:s, s:I, s:I, s:s?}", "file", path, "kernels", (json_int_t)kernels, "bytes",
                             (json_int_t)size, "signer", signing ? signer : NULL));
    return;
  }
  printf("%s: %zu kernels, %zu bytes\n", path, kernels, size);
  if (signing)
    printf("signed; the public key is %s\n", signer);
}

static int write_bundle(const char *path, const struct collection *collection, const struct cache_signing *signing,
                        bool is_json) {
  unsigned char *bytes;
  size_t size;
  if (!make(collection, signing, &bytes, &size))
    return CLI_FAILED;
  const bool is_written = whole_file_write(path, bytes, size);
  free(bytes);
  if (!is_written)
    return CLI_FAILED;
  print_written(path, collection->count, size, signing, is_json);
  return CLI_OK;
}

static int create(struct choice *choice, const char *path) {
  struct cache_signing signing = {.context = NULL};
  struct collection collection = {.store = NULL};
  int code = CLI_FAILED;
  if (!whole_file_check(path) || (choice->sign && !open_key(choice->sign, &signing)))
    return CLI_FAILED;
  collection.store = environment_open_store();
  if (collection.store)
    code = build_kernels(&choice->build, stderr, collect, &collection);
  if (code == CLI_OK)
    code = collection.is_broken ? CLI_FAILED
                                : write_bundle(path, &collection, choice->sign ? &signing : NULL, choice->json);
  free_collection(&collection);
  cache_signing_close(&signing);
  return code;
}

/* ------------------------------------------------------------------------------------------------ options */

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  switch (code) {
  case OPTION_SPECS:
    choice->build.specs = text;
    return true;
  case OPTION_TARGET:
    choice->build.targets = text;
    return true;
  case OPTION_JOBS:
    return option_number(choice->build.command, "--jobs", text, 1, MOST_WORKERS, &choice->build.workers);
  case OPTION_SIGN:
    choice->sign = text;
    return true;
  case OPTION_JSON:
    choice->json = true;
    return true;
  default:
    return model_option(choice->build.command, code, text, &choice->build.model);
  }
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.sign = NULL};
  int first;
  build_choice_init(&choice.build, command->name);
  choice.build.with_plan = true;
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  if (argc - first != 1)
    return usage_error(command->name, "name one file");
  code = build_choice_check(&choice.build);
  return code == CLI_OK ? create(&choice, argv[first]) : code;
}

const struct cli_command bundle_create = {
    .name = "bundle create",
    .summary = "compile kernels into one file",
    .arguments = "FILE (--specs FILE | --model CONFIG.json) [options]",
    .about = "Compiles kernels into the cache (FLASHJIT_CACHE_DIR) as 'build' does, and writes them into one\n"
             "file, which FLASHJIT_BUNDLES names to the library. The same kernels give the same bytes. Needs no\n"
             "GPU when a target is given.",
    .options = options,
    .more_options = model_option_rows,
    .more_title = model_option_title,
    .run = run,
};
