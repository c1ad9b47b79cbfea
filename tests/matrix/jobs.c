/* From points to jobs: kernels whose text an earlier point has are not tested again. */
#include "tests/matrix/jobs.h"

#include "cache/hash.h"
#include "tests/matrix/census.h"
#include "tests/matrix/points.h"
#include "tests/matrix/runs.h"
#include "tests/matrix/special_specs.h"
#include "tools/flashjit/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SOURCE = 1 << 18 };

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
static bool add_job(struct job_list *list, const struct point *point) {
  if (list->count == list->capacity) {
    const size_t capacity = list->capacity ? 2 * list->capacity : 1024;
    struct job *jobs = realloc(list->jobs, capacity * sizeof *jobs);
    if (!jobs)
      return false;
    list->jobs = jobs;
    list->capacity = capacity;
  }
  list->jobs[list->count++] = (struct job){
      .spec = point->spec,
      .target = list->targets.of[point->target],
      .class_number = list->class_count - 1,
  };
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

/* Whether a point's text, compiled for its target or, to run, for any, has a job already. */
static bool has_new_text(struct job_list *list, struct texts *texts, const struct point *point) {
  const char *target = list->targets.of[point->target]->name;
  const bool is_compiled = !list->classes[list->class_count - 1].run;
  size_t size = MOST_SOURCE;
  /* A source that cannot be rendered is a job too, and fails there. */
  return fi_kernel_source(&point->spec, target, texts->source, &size) != FI_OK ||
         is_new(texts, XXH3_128bits_withSeed(texts->source, size, is_compiled ? point->target : 0));
}

/* Adds the points of a class that have a text which no point has that was added before. */
static bool add_points(struct job_list *list, struct texts *texts, const struct points *points,
                       const struct job_class *described) {
  struct job_class *class = add_class(list, described);
  class->points += points->count;
  for (size_t i = 0; i < points->count; i++) {
    if (!has_new_text(list, texts, &points->of[i]))
      continue;
    class->distinct++;
    if (!add_job(list, &points->of[i]))
      return false;
  }
  return !points->failed;
}

static bool no_memory(void) {
  return problem_set("no memory for the list of jobs");
}

/* ------------------------------------------------------------------------------------------------ points */

static const struct source {
  uint32_t op;
  bool (*run)(struct trial *trial, const fi_spec *canonical); /* NULL: compiled only */
  const char *product;
  const char *pairs;
} sources[] = {
    {FI_OP_ATTENTION, run_attention, "attention, full product", "attention, pairs"},
    {FI_OP_APPEND, run_append, NULL, "append, pairs"},
    {FI_OP_MERGE, run_merge, NULL, "merge, pairs"},
    {FI_OP_INDEXER, run_indexer, NULL, "indexer, pairs"},
    {FI_OP_PLAN, NULL, NULL, "plan"},
};

/* The points of an op: all of them to run, the pairs to compile. */
static bool add_source(struct job_list *list, struct texts *texts, const struct source *source, bool to_run) {
  struct dimensions dimensions;
  struct points product = {0};
  struct points pairs = {0};
  if (!dimensions_load(source->op, &list->targets, &dimensions))
    return false;
  const struct job_class full = {.name = source->product, .run = source->run};
  const struct job_class paired = {.name = source->pairs, .run = to_run ? source->run : NULL};
  points_make(&dimensions, to_run ? &product : NULL, &pairs);
  const bool added = (!to_run || !source->product || add_points(list, texts, &product, &full)) &&
                     add_points(list, texts, &pairs, &paired);
  points_free(&product);
  points_free(&pairs);
  return added || no_memory();
}

/*
 * Whether a job of a class may have the filter in its line, "CLASS: SPEC for TARGET". Specs have no ": ", so that text
 * before it is the end of a class's name. Jobs that the filter leaves out need not be made, which takes seconds.
 */
static bool may_match(const char *name, const char *filter) {
  const char *colon = filter ? strstr(filter, ": ") : NULL;
  const size_t size = colon ? (size_t)(colon - filter) : 0;
  return name && size <= strlen(name) && (size == 0 || memcmp(name + strlen(name) - size, filter, size) == 0);
}

static bool source_may_match(const struct source *source, const char *filter) {
  return may_match(source->product, filter) || may_match(source->pairs, filter);
}

static bool add_sources(struct job_list *list, bool to_run, const char *filter) {
  struct texts texts;
  bool added = open_texts(&texts) || no_memory();
  for (size_t i = 0; added && i < sizeof sources / sizeof *sources; i++) {
    if (!to_run || (sources[i].run && source_may_match(&sources[i], filter)))
      added = add_source(list, &texts, &sources[i], to_run);
  }
  close_texts(&texts);
  return added;
}

/* Jobs of one target follow each other; otherwise the order stays. */
static void sort_by_target(struct job_list *list) {
  struct job *sorted = malloc((list->count + 1) * sizeof *sorted);
  size_t count = 0;
  if (!sorted)
    return; /* it costs processes only */
  for (uint32_t target = 0; target < list->targets.count; target++) {
    for (size_t i = 0; i < list->count; i++) {
      if (list->jobs[i].target == list->targets.of[target])
        sorted[count++] = list->jobs[i];
    }
  }
  memcpy(list->jobs, sorted, count * sizeof *sorted);
  free(sorted);
}

/* ------------------------------------------------------------------------------------------------ lists */

#define SPECS(texts) texts, sizeof texts / sizeof *texts

/* The first target, the oldest, the newest, that of least shared memory, or one that multiplies e4m3 by mma.sync. */
enum which_target { ON_FIRST, ON_OLDEST, ON_NEWEST, ON_SMALLEST, ON_NARROW };

/* Tests with specs of their own, in the order of their cost. */
static const struct special {
  const char *name;
  bool (*run)(struct trial *trial, const fi_spec *canonical);
  const char *const *specs;
  size_t count;
  enum which_target which;
} specials[] = {
    {"plans of large batches", run_plan, SPECS(plan_specs), ON_FIRST},
    {"shared prefixes", run_prefix, SPECS(prefix_specs), ON_FIRST},
    {"partials merged in groups", run_pieces, SPECS(piece_specs), ON_FIRST},
    {"shared prefixes, counted", run_counted, SPECS(counted_specs), ON_FIRST},
    {"shared prefixes, found", run_attention, SPECS(found_specs), ON_FIRST},
    {"shared prefixes, told", run_told, SPECS(told_specs), ON_FIRST},
    {"shared prefixes, divided", run_divided, SPECS(divided_specs), ON_FIRST},
    {"shared prefixes, divided, oldest", run_divided, divided_specs, 2, ON_OLDEST},
    {"mixes of lengths", run_mix, SPECS(mix_specs), ON_FIRST},
    {"mixes of lengths, oldest", run_mix, mix_specs, 1, ON_OLDEST},
    {"values at the edges", run_edges, SPECS(edge_specs), ON_FIRST},
    {"values at the edges, oldest", run_edges, SPECS(old_edge_specs), ON_OLDEST},
    {"latents", run_attention, SPECS(latent_specs), ON_FIRST},
    {"latents, least memory", run_attention, SPECS(small_latent_specs), ON_SMALLEST},
    {"products of e4m3", run_attention, SPECS(narrow_specs), ON_FIRST},
    {"e4m3 at the edges", run_edges, SPECS(narrow_edge_specs), ON_FIRST},
    {"products of e4m3 by mma.sync", run_attention, SPECS(narrow_mma_specs), ON_NARROW},
    {"products of e4m3, newest", run_attention, narrow_mma_specs, 4, ON_NEWEST},
    {"e4m3 by mma.sync at the edges", run_edges, SPECS(narrow_mma_edge_specs), ON_NARROW},
    {"lists of blocks", run_attention, SPECS(list_specs), ON_FIRST},
    {"lists of a second KV", run_attention, SPECS(second_specs), ON_FIRST},
    {"indexers", run_indexer, SPECS(index_specs), ON_FIRST},
    {"faults of batches", run_faults, SPECS(fault_specs), ON_FIRST},
    {"threads without a context", run_threads, SPECS(thread_specs), ON_FIRST},
};

static bool comes_first(const struct target *a, const struct target *b, enum which_target which) {
  switch (which) {
  case ON_OLDEST:
    return a->arch < b->arch;
  case ON_NEWEST:
    return a->arch > b->arch;
  case ON_SMALLEST:
    return a->shared_per_block < b->shared_per_block;
  case ON_NARROW:
    return a->narrow_mma && !b->narrow_mma;
  default:
    return false;
  }
}

static uint32_t find_target(const struct target_list *targets, enum which_target which) {
  uint32_t found = 0;
  for (uint32_t i = 1; i < targets->count; i++) {
    if (comes_first(targets->of[i], targets->of[found], which))
      found = i;
  }
  return found;
}

/* A family that the target has not is no fault of the device that is here. */
static bool has_family(const struct target *target, const fi_spec *spec) {
  return spec->family != FI_FAMILY_WGMMA || target->wgmma;
}

static bool add_special(struct job_list *list, const struct special *special) {
  const struct job_class described = {.name = special->name, .run = special->run};
  struct job_class *class = add_class(list, &described);
  for (size_t i = 0; i < special->count; i++) {
    struct point point = {.target = find_target(&list->targets, special->which)};
    struct point canonical;
    const bool is_read = fi_spec_parse(special->specs[i], &point.spec) == FI_OK;
    if (is_read && !has_family(list->targets.of[point.target], &point.spec))
      continue;
    if (!is_read || !points_canonical(&list->targets, &point, &canonical)) {
      return problem_set("\"%s\": %s", special->specs[i], fi_last_error());
    }
    class->points++;
    class->distinct++;
    if (!add_job(list, &canonical))
      return no_memory();
  }
  return true;
}

bool jobs_to_run(struct job_list *list, const char *filter) {
  for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
    if (may_match(specials[i].name, filter) && !add_special(list, &specials[i]))
      return false;
  }
  const bool added = add_sources(list, true, filter);
  sort_by_target(list);
  return added;
}

bool jobs_to_compile(struct job_list *list) {
  const bool added = add_sources(list, false, NULL);
  sort_by_target(list);
  return added;
}

bool jobs_of_census(struct job_list *list, uint32_t specs, uint64_t seed) {
  static const struct job_class accepted = {.name = "census, accepted", .may_spill = true};
  static const struct job_class refused = {.name = "census, refused", .is_refused = true};
  struct texts texts;
  struct points points[2] = {0};
  bool added = open_texts(&texts);
  census_draw(&list->targets, specs, seed, &points[0], &points[1]);
  added = added && add_points(list, &texts, &points[0], &accepted) && add_points(list, &texts, &points[1], &refused);
  points_free(&points[0]);
  points_free(&points[1]);
  close_texts(&texts);
  sort_by_target(list);
  return added || no_memory();
}

/* ------------------------------------------------------------------------------------------------ choice */

void job_print(const struct job_list *list, const struct job *job, char *text, size_t size) {
  char spec[FI_SPEC_TEXT_SIZE];
  fi_spec_print(&job->spec, spec, sizeof spec);
  snprintf(text, size, "%s: %s for %s", list->classes[job->class_number].name, spec, job->target->name);
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
