/* flashjit cache prune: deletes what was used longest ago. */
#include "tools/flashjit/cache.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPTION_BYTES = 1, OPTION_DAYS, OPTION_JSON, SECONDS_OF_DAY = 86400 };

struct choice {
  uint64_t bytes; /* UINT64_MAX: any */
  uint64_t days;  /* likewise */
  bool json;
};

struct candidate {
  char *path;
  uint64_t size;
  int64_t used;
};

struct candidates {
  struct candidate *at;
  size_t count;
  size_t room;
  bool is_short; /* of memory */
};

static bool collect(void *user, const struct cache_walk_file *file) {
  struct candidates *list = user;
  if (file->state != CACHE_WALK_ENTRY && file->state != CACHE_WALK_DAMAGED)
    return false;
  if (list->count == list->room) {
    const size_t room = list->room * 2 + 64;
    struct candidate *at = realloc(list->at, room * sizeof *at);
    list->is_short |= !at;
    if (!at)
      return false;
    list->at = at;
    list->room = room;
  }
  char *path = strdup(file->path);
  list->is_short |= !path;
  if (path)
    list->at[list->count++] = (struct candidate){.path = path, .size = file->size, .used = file->used};
  return false;
}

static int compare_use(const void *left, const void *right) {
  const int64_t a = ((const struct candidate *)left)->used;
  const int64_t b = ((const struct candidate *)right)->used;
  return a < b ? -1 : a > b;
}

static int compare_paths(const void *left, const void *right) {
  return strcmp(((const struct candidate *)left)->path, ((const struct candidate *)right)->path);
}

/* How many of those used longest ago have to go. Puts them first. */
static size_t choose(const struct choice *choice, struct candidates *list) {
  const int64_t now = (int64_t)time(NULL);
  uint64_t total = 0;
  size_t count = 0;
  qsort(list->at, list->count, sizeof *list->at, compare_use);
  for (size_t i = 0; i < list->count; i++)
    total += list->at[i].size;
  for (; count < list->count; total -= list->at[count++].size) {
    const int64_t age = now - list->at[count].used;
    const bool is_old = choice->days != UINT64_MAX && age > (int64_t)choice->days * SECONDS_OF_DAY;
    if (!is_old && total <= choice->bytes)
      break;
  }
  return count;
}

static bool is_chosen(void *user, const struct cache_walk_file *file) {
  const struct candidates *chosen = user;
  char *path = strdup(file->path);
  const struct candidate wanted = {.path = path};
  const bool is_found =
      path && chosen->count && bsearch(&wanted, chosen->at, chosen->count, sizeof wanted, compare_paths);
  free(path);
  return is_found;
}

static int prune(const struct choice *choice) {
  struct candidates list = {.at = NULL};
  struct cache_walk_result result = {0};
  bool is_whole = cache_go_through(collect, &list, &result);
  const bool is_open = result.is_open && !list.is_short;
  if (is_open && list.count) {
    struct candidates chosen = {.at = list.at, .count = choose(choice, &list)};
    qsort(chosen.at, chosen.count, sizeof *chosen.at, compare_paths);
    is_whole = cache_go_through(is_chosen, &chosen, &result) && !result.undeleted;
  }
  if (is_open && choice->json)
    document_print("flashjit.cache.prune",
                   json_pack("{s:I, s:I}", "files", (json_int_t)list.count, "deleted", (json_int_t)result.deleted));
  else if (is_open)
    printf("%" PRIu64 " of %zu files deleted\n", result.deleted, list.count);
  for (size_t i = 0; i < list.count; i++)
    free(list.at[i].path);
  free(list.at);
  return is_open && is_whole ? CLI_OK : CLI_FAILED;
}

static bool take_option(void *user, int code, char *text) {
  struct choice *choice = user;
  choice->json |= code == OPTION_JSON;
  if (code == OPTION_JSON)
    return true;
  if (code == OPTION_BYTES)
    return option_number("cache prune", "--bytes", text, 0, INT64_MAX, &choice->bytes);
  return option_number("cache prune", "--days", text, 0, 100000, &choice->days);
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct choice choice = {.bytes = UINT64_MAX, .days = UINT64_MAX};
  int first;
  const int code = cli_parse(command, argc, argv, take_option, &choice, &first);
  if (code >= 0)
    return code;
  if (first < argc)
    return usage_error(command->name, "unexpected argument \"%s\"", argv[first]);
  if (choice.bytes == UINT64_MAX && choice.days == UINT64_MAX)
    return usage_error(command->name, "give --bytes or --days");
  return prune(&choice);
}

static const struct cli_option options[] = {
    {"bytes", 0, "N", "until no more than this is left", OPTION_BYTES},
    {"days", 0, "N", "what was not used for longer", OPTION_DAYS},
    {"json", 0, NULL, "print JSON", OPTION_JSON},
    {0},
};

const struct cli_command cache_prune = {
    .name = "cache prune",
    .summary = "delete what was used longest ago",
    .arguments = "[--bytes N] [--days N] [--json]",
    .about = "Deletes kernels, those first that were used longest ago. The library notes a use once an hour.",
    .options = options,
    .run = run,
};
