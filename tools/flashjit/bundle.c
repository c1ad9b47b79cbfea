/* flashjit bundle: ls, verify and install. */
#include "cache/bytes.h"
#include "cache/ed25519.h"
#include "cache/verify.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/entry_report.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/whole_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_JSON = 1, OPTION_KEY };

struct choice {
  bool json;
  bool has_key;
  struct cache_signer signer;
};

/* A bundle's file, open. */
struct opened {
  unsigned char *bytes;
  size_t size;
  struct cache_bundle bundle;
};

static bool open_file(const char *path, const struct choice *choice, struct opened *opened) {
  struct cache_reason reason = {""};
  opened->bytes = whole_file_read(path, &opened->size);
  if (!opened->bytes)
    return false;
  if (cache_bundle_open(opened->bytes, opened->size, choice->has_key ? &choice->signer : NULL, &opened->bundle,
                        &reason))
    return true;
  complain("%s: %s", path, reason.text);
  free(opened->bytes);
  return false;
}

/* Unpacks and verifies each entry. Returns how many were not what they should be; each is told. */
static uint32_t each_entry(const struct opened *opened,
                           bool (*visit)(void *visitor, const struct cache_bundle_row *row,
                                         const struct cache_entry *entry),
                           void *visitor) {
  uint32_t failed = 0;
  for (uint32_t i = 0; i < opened->bundle.rows; i++) {
    const struct cache_bundle_row row = cache_bundle_row(&opened->bundle, i);
    struct cache_reason reason = {""};
    struct cache_entry entry;
    unsigned char *bytes = cache_bundle_unpack(&row, &reason);
    bool is_good = bytes && cache_verify(bytes, row.size, &row.key, &entry, &reason);
    if (is_good && strcmp(entry.toolchain, row.toolchain) != 0)
      is_good = cache_refuse(&reason, "entry belongs to another toolchain");
    if (!is_good)
      complain("entry %" PRIu32 ": %s", i, reason.text);
    failed += !is_good || !visit(visitor, &row, &entry);
    free(bytes);
  }
  return failed;
}

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  if (code == OPTION_JSON) {
    choice->json = true;
    return true;
  }
  choice->has_key = cache_signer_parse(text, choice->signer.key);
  choice->signer.check = cache_ed25519_check;
  if (!choice->has_key)
    usage_error("bundle", "--key is \"%s\"; it must be an Ed25519 public key of %d hex digits", text,
                2 * CACHE_SIGNER_SIZE);
  return choice->has_key;
}

/* Parses, and opens the one file that is named; -1, or an exit code. */
static int begin(const struct cli_command *command, int argc, char **argv, struct choice *choice,
                 struct opened *opened) {
  int first;
  const int code = cli_parse(command, argc, argv, take_option, choice, &first);
  if (code >= 0)
    return code;
  if (argc - first != 1)
    return usage_error(command->name, "name one file");
  return open_file(argv[first], choice, opened) ? -1 : CLI_FAILED;
}

/* ------------------------------------------------------------------------------------------------ ls */

static bool add_entry(void *entries, const struct cache_bundle_row *row, const struct cache_entry *entry) {
  json_array_append_new(entries, entry_json(entry, row->packed_size));
  return true;
}

static json_t *signer_json(const struct cache_bundle *bundle) {
  char hex[2 * CACHE_SIGNER_SIZE + 1];
  if (!bundle->signer)
    return json_null();
  bytes_print_hex(bundle->signer, CACHE_SIGNER_SIZE, hex);
  return json_string(hex);
}

static int run_ls(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct opened opened;
  const int code = begin(command, argc, argv, &choice, &opened);
  if (code >= 0)
    return code;
  json_t *entries = json_array();
  const uint32_t failed = each_entry(&opened, add_entry, entries);
  if (choice.json)
    document_print("flashjit.bundle.ls", json_pack("{s:o, s:I, s:o}", "signer", signer_json(&opened.bundle), "bytes",
                                                   (json_int_t)opened.size, "entries", json_incref(entries)));
  else
    entry_print_table(entries);
  json_decref(entries);
  free(opened.bytes);
  return failed ? CLI_FAILED : CLI_OK;
}

static const struct cli_option list_options[] = {
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command bundle_ls = {
    .name = "bundle ls",
    .summary = "list the kernels in a bundle",
    .arguments = "FILE [--json]",
    .options = list_options,
    .run = run_ls,
};

/* ------------------------------------------------------------------------------------------------ verify */

static bool take_any(void *unused, const struct cache_bundle_row *row, const struct cache_entry *entry) {
  (void)unused, (void)row, (void)entry;
  return true;
}

static int run_verify(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct opened opened;
  const int code = begin(command, argc, argv, &choice, &opened);
  if (code >= 0)
    return code;
  const uint32_t failed = each_entry(&opened, take_any, NULL);
  if (choice.json)
    document_print("flashjit.bundle.verify",
                   json_pack("{s:o, s:b, s:I, s:I}", "signer", signer_json(&opened.bundle), "signature_checked",
                             choice.has_key, "entries", (json_int_t)opened.bundle.rows, "damaged", (json_int_t)failed));
  else
    printf("%" PRIu32 " kernels, %" PRIu32 " damaged; %s\n", opened.bundle.rows, failed,
           choice.has_key         ? "the signature is right"
           : opened.bundle.signer ? "signed, the signature was not checked (--key)"
                                  : "not signed");
  free(opened.bytes);
  return failed ? CLI_FAILED : CLI_OK;
}

static const struct cli_option verify_options[] = {
    {"key", 0, "HEX", "the public key that it must be signed with", OPTION_KEY},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command bundle_verify = {
    .name = "bundle verify",
    .summary = "check every byte of a bundle, and its signature",
    .arguments = "FILE [--key HEX] [--json]",
    .options = verify_options,
    .run = run_verify,
};

/* ------------------------------------------------------------------------------------------------ install */

static bool publish(void *store, const struct cache_bundle_row *row, const struct cache_entry *entry) {
  struct cache_reason reason;
  (void)row;
  const bool is_published = cache_store_publish(store, entry, &reason);
  if (!is_published)
    complain("%s: %s", entry->spec, reason.text[0] ? reason.text : "there is no cache directory");
  return is_published;
}

static int run_install(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct opened opened;
  const int code = begin(command, argc, argv, &choice, &opened);
  if (code >= 0)
    return code;
  struct cache_store *store = environment_open_store();
  uint32_t failed = opened.bundle.rows;
  if (store)
    failed = each_entry(&opened, publish, store);
  cache_store_close(store);
  if (choice.json)
    document_print("flashjit.bundle.install", json_pack("{s:I, s:I}", "entries", (json_int_t)opened.bundle.rows,
                                                        "installed", (json_int_t)(opened.bundle.rows - failed)));
  else
    printf("%" PRIu32 " of %" PRIu32 " kernels installed\n", opened.bundle.rows - failed, opened.bundle.rows);
  free(opened.bytes);
  return failed || !store ? CLI_FAILED : CLI_OK;
}

static const struct cli_option install_options[] = {
    {"key", 0, "HEX", "the public key that it must be signed with", OPTION_KEY},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command bundle_install = {
    .name = "bundle install",
    .summary = "put the kernels of a bundle into the cache",
    .arguments = "FILE [--key HEX] [--json]",
    .about = "Puts the kernels of a bundle into the cache directory (FLASHJIT_CACHE_DIR), for programs that know\n"
             "no bundle.",
    .options = install_options,
    .run = run_install,
};
