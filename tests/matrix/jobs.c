/* From points to jobs: kernels whose text an earlier point has are not tested again. */
#include "tests/matrix/jobs.h"

#include "cache/hash.h"
#include "tests/matrix/points.h"
#include "tests/matrix/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SOURCE = 1 << 18 };

/* Specs of plan tests: tiles of one token and of many, small and large, both masks, both indexes. */
static const char *const plan_specs[] = {
    "attention",
    "attention group=4 page=16",
    "attention group=12 rows=64 page=1 index=csr mask=none",
    "attention hd=64 group=64 mask=none",
    "attention rows=128 group=4 page=16",
    "attention hd=256 rows=128 index=csr",
};

/* Specs of shared prefixes: at least three tokens fit a tile, and the cache has pages. */
static const char *const prefix_specs[] = {
    "attention page=16",
    "attention group=4 page=16 index=csr lse=1",
    "attention group=5 page=1 kv=e4m3 scale=head",
    "attention hd=64 group=8 rows=32 page=16 mask=none rope=half",
    "attention group=4 rows=64 page=16 rope=half keys=unrotated lse=1",
    "attention hd=256 group=8 rows=128 page=16 kv=e5m2",
};

/* Texts that some job has already. */
struct texts {
  XXH128_hash_t *hashes;
  size_t count;
  size_t capacity;
  char *source;
};

/* ------------------------------------------------------------------------------------------------ lists */

static struct job_class *add_class(struct job_list *list, const struct job_class *class) {
  list->classes[list->class_count] = *class;
  return &list->classes[list->class_count++];
}

/* A job of the last class. */
static bool add_job(struct job_list *list, const fi_spec *canonical) {
  if (list->count == list->capacity) {
    const size_t capacity = list->capacity ? 2 * list->capacity : 1024;
    struct job *jobs = realloc(list->jobs, capacity * sizeof *jobs);
    if (!jobs)
      return false;
    list->jobs = jobs;
    list->capacity = capacity;
  }
  list->jobs[list->count++] = (struct job){.spec = *canonical, .class_number = list->class_count - 1};
  return true;
}

/* A linear table: some thousand texts, and a look-up costs nothing beside rendering one. */
static bool is_new(struct texts *texts, XXH128_hash_t hash) {
  for (size_t i = 0; i < texts->count; i++) {
    if (XXH128_isEqual(texts->hashes[i], hash))
      return false;
  }
  if (texts->count == texts->capacity) {
    const size_t capacity = texts->capacity ? 2 * texts->capacity : 1024;
    XXH128_hash_t *hashes = realloc(texts->hashes, capacity * sizeof *hashes);
    if (!hashes)
      return true; /* tested twice, rather than never */
    texts->hashes = hashes;
    texts->capacity = capacity;
  }
  texts->hashes[texts->count++] = hash;
  return true;
}

static bool open_texts(struct texts *texts) {
  *texts = (struct texts){.source = malloc(MOST_SOURCE)};
  return texts->source;
}

static void close_texts(struct texts *texts) {
  free(texts->hashes);
  free(texts->source);
}

/* Adds the points of a class that have a text which no earlier class of the same texts has. */
static bool add_points(struct job_list *list, struct texts *texts, const struct points *points,
                       const struct job_class *described) {
  struct job_class *class = add_class(list, described);
  class->points = points->count;
  for (size_t i = 0; i < points->count; i++) {
    size_t size = MOST_SOURCE;
    const fi_status status = fi_kernel_source(&points->specs[i], class->target, texts->source, &size);
    class->unsupported += status == FI_ERROR_UNSUPPORTED;
    if (status == FI_ERROR_UNSUPPORTED)
      continue;
    /* A source that cannot be rendered is a job too, and fails there. */
    if (status == FI_OK && !is_new(texts, XXH3_128bits(texts->source, size)))
      continue;
    class->distinct++;
    if (!add_job(list, &points->specs[i]))
      return false;
  }
  return !points->failed;
}

/* ------------------------------------------------------------------------------------------------ to run */

static const struct {
  const char *name;
  uint32_t op;
  void (*enumerate)(const struct dimensions *dimensions, struct points *points);
  bool (*run)(struct trial *trial, const fi_spec *canonical, const struct target *target);
} sources[] = {
    {"attention, full product", FI_OP_ATTENTION, points_product, run_attention},
    {"attention, pairs", FI_OP_ATTENTION, points_cover, run_attention},
    {"append, pairs", FI_OP_APPEND, points_cover, run_append},
    {"merge, pairs", FI_OP_MERGE, points_cover, run_merge},
};

static bool no_memory(char *why, size_t why_size) {
  snprintf(why, why_size, "no memory for the list of jobs");
  return false;
}

/* Jobs for specs that are given as texts. */
static bool add_texts(struct job_list *list, const char *const *specs, size_t count, const struct job_class *described,
                      char *why, size_t why_size) {
  struct job_class *class = add_class(list, described);
  for (size_t i = 0; i < count; i++) {
    fi_spec spec;
    fi_spec canonical;
    if (fi_spec_parse(specs[i], &spec) || !points_canonical(&spec, &canonical)) {
      snprintf(why, why_size, "\"%s\": %s", specs[i], fi_last_error());
      return false;
    }
    class->points++;
    class->distinct++;
    if (!add_job(list, &canonical))
      return no_memory(why, why_size);
  }
  return true;
}

static bool add_sources(struct job_list *list, struct texts *texts, const char *target, char *why, size_t why_size) {
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    struct dimensions dimensions;
    struct points points = {0};
    if (!dimensions_load(sources[i].op, &dimensions, why, why_size))
      return false;
    sources[i].enumerate(&dimensions, &points);
    const struct job_class class = {.name = sources[i].name, .target = target, .run = sources[i].run};
    const bool added = add_points(list, texts, &points, &class);
    points_free(&points);
    if (!added)
      return no_memory(why, why_size);
  }
  return true;
}

bool jobs_to_run(struct job_list *list, const char *target, char *why, size_t why_size) {
  const struct job_class plans = {.name = "plans of large batches", .target = target, .run = run_plan};
  const struct job_class prefixes = {.name = "shared prefixes", .target = target, .run = run_prefix};
  struct texts texts;
  *list = (struct job_list){0};
  if (!open_texts(&texts))
    return no_memory(why, why_size);
  const bool added =
      add_sources(list, &texts, target, why, why_size) &&
      add_texts(list, plan_specs, sizeof plan_specs / sizeof *plan_specs, &plans, why, why_size) &&
      add_texts(list, prefix_specs, sizeof prefix_specs / sizeof *prefix_specs, &prefixes, why, why_size);
  close_texts(&texts);
  return added;
}

/* --------------------------------------------------------------------------------------------- to compile */

/* The full product, of head dims, KV types and tiles alone. */
static void add_shapes(struct dimensions *dimensions, struct points *points) {
  static const char *const kept[] = {"hd", "kv", "rows"};
  for (uint32_t d = 0; d < dimensions->count; d++) {
    struct dimension *dimension = &dimensions->of[d];
    bool is_kept = false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
      is_kept |= strcmp(dimension->key, kept[i]) == 0;
    if (!is_kept)
      dimension->product = (struct value_list){.count = 1};
  }
  points_product(dimensions, points);
}

static bool add_compiled(struct points *points, char *why, size_t why_size) {
  static const uint32_t ops[] = {FI_OP_ATTENTION, FI_OP_APPEND, FI_OP_MERGE, FI_OP_PLAN};
  struct dimensions dimensions;
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (!dimensions_load(ops[i], &dimensions, why, why_size))
      return false;
    points_cover(&dimensions, points);
    if (dimensions.count == 0)
      points_product(&dimensions, points); /* one kernel, without axes */
    if (ops[i] == FI_OP_ATTENTION)
      add_shapes(&dimensions, points);
  }
  return !points->failed || no_memory(why, why_size);
}

static bool add_targets(struct job_list *list, const struct points *points) {
  const struct target *target;
  bool added = true;
  for (uint32_t i = 0; added && (target = target_at(i)); i++) {
    const struct job_class class = {.name = target->name, .target = target->name};
    struct texts texts;
    if (target->ptx || list->class_count == MOST_CLASSES)
      continue;
    added = open_texts(&texts) && add_points(list, &texts, points, &class);
    close_texts(&texts);
  }
  return added;
}

bool jobs_to_compile(struct job_list *list, char *why, size_t why_size) {
  struct points points = {0};
  *list = (struct job_list){0};
  bool added = add_compiled(&points, why, why_size);
  if (added && !add_targets(list, &points))
    added = no_memory(why, why_size);
  points_free(&points);
  return added;
}

/* ------------------------------------------------------------------------------------------------ choice */

void job_print(const struct job_list *list, const struct job *job, char *text, size_t size) {
  char spec[FI_SPEC_TEXT_SIZE];
  fi_spec_print(&job->spec, spec, sizeof spec);
  snprintf(text, size, "%s: %s", list->classes[job->class_number].name, spec);
}

static bool is_named(const struct job_list *list, const struct job *job, const char *filter) {
  char text[JOB_TEXT_SIZE];
  job_print(list, job, text, sizeof text);
  return strstr(text, filter);
}

void jobs_choose(struct job_list *list, const struct job_choice *choice) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (!choice->filter || is_named(list, &list->jobs[i], choice->filter))
      list->jobs[kept++] = list->jobs[i];
  }
  list->count = kept;
  kept = 0;
  for (size_t i = choice->shard - 1; i < list->count; i += choice->shards)
    list->jobs[kept++] = list->jobs[i];
  list->count = kept;
  if (choice->limit == 0 || choice->limit >= list->count)
    return;
  for (size_t i = 0; i < choice->limit; i++)
    list->jobs[i] = list->jobs[i * list->count / choice->limit];
  list->count = choice->limit;
}

void jobs_free(struct job_list *list) {
  free(list->jobs);
  *list = (struct job_list){0};
}
