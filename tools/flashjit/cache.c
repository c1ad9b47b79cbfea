/* flashjit cache: path, ls, stats, verify, rm. */
#include "tools/flashjit/cache.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/entry_report.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/http_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_JSON = 1, OPTION_REPAIR, OPTION_ALL };

struct choice {
  bool json;
  bool repair;
  bool all;
};

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  (void)text;
  choice->json |= code == OPTION_JSON;
  choice->repair |= code == OPTION_REPAIR;
  choice->all |= code == OPTION_ALL;
  return true;
}

bool cache_go_through(cache_walk_visit *visit, void *visitor, struct cache_walk_result *result) {
  struct cache_reason reason;
  char *directory = environment_cache_directory();
  *result = (struct cache_walk_result){0};
  if (!directory)
    return false;
  const bool is_whole = cache_walk(directory, &cache_io_posix, visit, visitor, result, &reason);
  if (reason.text[0])
    complain("%s", reason.text);
  free(directory);
  return is_whole;
}

/* Of a subcommand that takes no arguments. */
static int parse(const struct cli_command *command, int argc, char **argv, struct choice *choice) {
  int first;
  const int code = cli_parse(command, argc, argv, take_option, choice, &first);
  if (code < 0 && first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  return code;
}

static const struct cli_option json_options[] = {
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

/* ------------------------------------------------------------------------------------------------ path */

static int run_path(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  const int code = parse(command, argc, argv, &choice);
  char *directory = code < 0 ? environment_cache_directory() : NULL;
  if (!directory)
    return code < 0 ? CLI_FAILED : code;
  if (choice.json)
    document_print("flashjit.cache.path", json_pack("{s:s}", "path", directory));
  else
    puts(directory);
  free(directory);
  return CLI_OK;
}

const struct cli_command cache_path = {
    .name = "cache path",
    .summary = "print where the cache is",
    .arguments = "[--json]",
    .options = json_options,
    .run = run_path,
};

/* ------------------------------------------------------------------------------------------------ ls */

static bool add_entry(void *entries, const struct cache_walk_file *file) {
  if (file->state != CACHE_WALK_ENTRY)
    return false;
  json_t *entry = entry_json(&file->entry, (size_t)file->size);
  json_object_set_new(entry, "used", json_integer((json_int_t)file->used));
  json_object_set_new(entry, "path", json_string(file->path));
  json_array_append_new(entries, entry);
  return false;
}

static int compare_specs(const void *left, const void *right) {
  static const char *const keys[] = {"spec", "target", "key"};
  int order = 0;
  for (size_t i = 0; !order && i < sizeof keys / sizeof *keys; i++)
    order = strcmp(json_string_value(json_object_get(*(json_t *const *)left, keys[i])),
                   json_string_value(json_object_get(*(json_t *const *)right, keys[i])));
  return order;
}

/* In the order of specs. */
static json_t *sorted(json_t *entries) {
  const size_t count = json_array_size(entries);
  json_t **rows = calloc(count + 1, sizeof *rows);
  json_t *result = json_array();
  for (size_t i = 0; rows && i < count; i++)
    rows[i] = json_array_get(entries, i);
  if (rows)
    qsort(rows, count, sizeof *rows, compare_specs);
  for (size_t i = 0; rows && i < count; i++)
    json_array_append(result, rows[i]);
  free(rows);
  return result;
}

static int run_ls(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct cache_walk_result result;
  const int code = parse(command, argc, argv, &choice);
  if (code >= 0)
    return code;
  json_t *found = json_array();
  const bool is_whole = cache_go_through(add_entry, found, &result);
  json_t *entries = sorted(found);
  json_decref(found);
  if (choice.json)
    document_print("flashjit.cache.ls", json_pack("{s:o}", "entries", json_incref(entries)));
  else if (result.is_open)
    entry_print_table(entries);
  json_decref(entries);
  return is_whole ? CLI_OK : CLI_FAILED;
}

const struct cli_command cache_ls = {
    .name = "cache ls",
    .summary = "list the kernels in the cache",
    .arguments = "[--json]",
    .options = json_options,
    .run = run_ls,
};

/* ------------------------------------------------------------------------------------------------ stats */

struct count {
  uint64_t files;
  uint64_t bytes;
};

static const char *const state_names[] = {
    [CACHE_WALK_ENTRY] = "entries",       [CACHE_WALK_DAMAGED] = "damaged", [CACHE_WALK_UNREADABLE] = "unreadable",
    [CACHE_WALK_TEMPORARY] = "temporary", [CACHE_WALK_FOREIGN] = "foreign",
};

enum { STATES = sizeof state_names / sizeof *state_names };

static bool count_file(void *user, const struct cache_walk_file *file) {
  struct count *counts = user;
  counts[file->state].files++;
  counts[file->state].bytes += file->size;
  return false;
}

/* Members are added to `document`. */
static void print_counts(const struct count counts[STATES], const char *schema, bool is_json, uint64_t deleted,
                         json_t *document) {
  for (size_t i = 0; i < STATES; i++) {
    if (!is_json && (counts[i].files || i == CACHE_WALK_ENTRY))
      printf("%-12s%8" PRIu64 " files%14" PRIu64 " bytes\n", state_names[i], counts[i].files, counts[i].bytes);
    json_object_set_new(
        document, state_names[i],
        json_pack("{s:I, s:I}", "files", (json_int_t)counts[i].files, "bytes", (json_int_t)counts[i].bytes));
  }
  json_object_set_new(document, "deleted", json_integer((json_int_t)deleted));
  if (!is_json && deleted)
    printf("%" PRIu64 " files deleted\n", deleted);
  if (is_json)
    document_print(schema, document);
  else
    json_decref(document);
}

static json_t *server_json(void) {
  struct options options;
  if (!environment_read(&options))
    return json_null();
  json_t *server = http_state_json(&options);
  options_free(&options);
  return server;
}

static void print_server(const json_t *server) {
  char text[HTTP_STATE_TEXT_SIZE];
  http_state_print(server, text);
  printf("%-12s%s\n", "http", text);
}

static int run_stats(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct cache_walk_result result;
  struct count counts[STATES] = {{0}};
  const int code = parse(command, argc, argv, &choice);
  if (code >= 0)
    return code;
  const bool is_whole = cache_go_through(count_file, counts, &result);
  if (!result.is_open)
    return CLI_FAILED;
  json_t *server = server_json();
  json_t *document = json_pack("{s:O}", "http", server);
  print_counts(counts, "flashjit.cache.stats", choice.json, 0, document);
  if (!choice.json && json_is_object(server))
    print_server(server);
  json_decref(server);
  return is_whole ? CLI_OK : CLI_FAILED;
}

const struct cli_command cache_stats = {
    .name = "cache stats",
    .summary = "count files and bytes",
    .arguments = "[--json]",
    .about =
        "Counts what is in the cache: entries, and what is damaged, not to be read or trusted, left behind by\n"
        "a writer, or no file of the cache. Says whether the server that machines share kernels on answers; what is\n"
        "on it is not counted.",
    .options = json_options,
    .run = run_stats,
};

/* ------------------------------------------------------------------------------------------------ verify */

struct check {
  struct count counts[STATES];
  bool repair;
};

static bool check_file(void *user, const struct cache_walk_file *file) {
  struct check *check = user;
  count_file(check->counts, file);
  if (file->state == CACHE_WALK_DAMAGED || file->state == CACHE_WALK_UNREADABLE)
    complain("%s: %s", file->path, file->why);
  return check->repair && file->state == CACHE_WALK_DAMAGED;
}

static int run_verify(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct cache_walk_result result;
  struct check check = {.repair = false};
  const int code = parse(command, argc, argv, &choice);
  if (code >= 0)
    return code;
  check.repair = choice.repair;
  const bool is_whole = cache_go_through(check_file, &check, &result);
  if (!result.is_open)
    return CLI_FAILED;
  print_counts(check.counts, "flashjit.cache.verify", choice.json, result.deleted, json_object());
  const uint64_t left = check.counts[CACHE_WALK_DAMAGED].files - result.deleted;
  return left || check.counts[CACHE_WALK_UNREADABLE].files || !is_whole ? CLI_FAILED : CLI_OK;
}

static const struct cli_option verify_options[] = {
    {"repair", 0, NULL, "delete what is damaged", OPTION_REPAIR},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command cache_verify_command = {
    .name = "cache verify",
    .summary = "check every byte of the cache",
    .arguments = "[--repair] [--json]",
    .about = "Checks every file of the cache as the library does before it uses one: checksum, key, image, owner\n"
             "and permissions. Exits with 1 when one is damaged or cannot be read.",
    .options = verify_options,
    .run = run_verify,
};

/* ------------------------------------------------------------------------------------------------ rm */

enum { FEWEST_DIGITS = 8 };

struct removal {
  char **keys;
  int count;
  bool all;
};

static bool is_named(void *user, const struct cache_walk_file *file) {
  const struct removal *removal = user;
  const char *name = strrchr(file->path, '/') + 1;
  if (file->state == CACHE_WALK_FOREIGN || file->state == CACHE_WALK_TEMPORARY)
    return false;
  for (int i = 0; i < removal->count; i++) {
    if (strncmp(name, removal->keys[i], strlen(removal->keys[i])) == 0)
      return true;
  }
  return removal->all;
}

static int check_keys(const struct cli_command *command, const struct removal *removal) {
  for (int i = 0; i < removal->count; i++) {
    const size_t size = strlen(removal->keys[i]);
    if (size < FEWEST_DIGITS || size > CACHE_KEY_DIGITS || strspn(removal->keys[i], "0123456789abcdef") != size)
      return usage_error(command->name, "\"%s\" is no key: 8 to 32 hex digits, as 'cache ls' prints them",
                         removal->keys[i]);
  }
  if (removal->all == (removal->count > 0))
    return usage_error(command->name, "give either keys or --all");
  return CLI_OK;
}

static int run_rm(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.json = false};
  struct cache_walk_result result;
  int first;
  int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  struct removal removal = {.keys = argv + first, .count = argc - first, .all = choice.all};
  code = check_keys(command, &removal);
  if (code != CLI_OK)
    return code;
  const bool is_whole = cache_go_through(is_named, &removal, &result);
  if (!result.is_open)
    return CLI_FAILED;
  if (choice.json)
    document_print("flashjit.cache.rm", json_pack("{s:I}", "deleted", (json_int_t)result.deleted));
  else
    printf("%" PRIu64 " files deleted\n", result.deleted);
  return result.undeleted || !is_whole || (removal.count && !result.deleted) ? CLI_FAILED : CLI_OK;
}

static const struct cli_option rm_options[] = {
    {"all", 0, NULL, "all kernels", OPTION_ALL},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command cache_rm = {
    .name = "cache rm",
    .summary = "delete kernels from the cache",
    .arguments = "KEY... [--json]\n--all [--json]",
    .about = "Deletes the kernels whose keys begin with these digits, of all compilers. Exits with 1 when there\n"
             "is none.",
    .options = rm_options,
    .run = run_rm,
};
