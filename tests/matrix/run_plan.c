/* Plans of random batches that are too large to compute with: only the plan kernel runs. */
#include "tests/matrix/runs.h"

#include "generator/family.h"
#include "tests/matrix/inside.h"
#include "tests/matrix/plan_check.h"
#include "tools/common/mirror.h"

#include <stdlib.h>

enum {
  PLANS = 9,
  SPLIT_TOKENS = 768, /* a multiple of every step */
  PROMPT_TILES = 3,   /* of a request at least, where a queue pays; at most twice as many */
  QUEUED_UNITS = 4,   /* of a CTA, there */
  CHUNK_TILES = 8,    /* of a request at most, behind KV of so many steps: units are about as long */
  CHUNK_STEPS = 64,
  LARGE_ROWS = 64,          /* of the least tile whose even shares have sections */
  MOST_SECTIONS = 4,        /* of a plan */
  SECTION_BYTES = 24 << 20, /* of KV in a section */
  SECTION_STEPS = 128       /* a CTA's share of a section is on average no smaller */
};

/* How large batches are. */
struct scale {
  uint32_t least_requests;
  uint32_t requests;
  uint32_t q_len;
  uint32_t kv_len;
  uint32_t kv_heads;
};

static const struct scale even = {1, 500, 200, 50000, 16};

/* Fixed pieces have a partial each, whose memory is reserved. */
static const struct scale fixed = {1, 40, 200, 5000, 3};

/* Some tiles a request, and no KV before its query tokens: where CTAs claim items, a queue pays. */
static const struct scale prompts = {4, 20, 0, 2 * PROMPT_TILES * 128, 8};

/* Tiles behind more KV than they have themselves, in about as many units as CTAs. */
static const struct scale chunks = {1, 3, 0, (CHUNK_STEPS + CHUNK_TILES) * 128, 8};

/* So little KV that a step for each CTA would be too short a share. */
static const struct scale little = {1, 8, 200, 4000, 2};

/* More requests and tiles than shared memory holds the lengths of. */
static const struct scale many = {20000, 30000, 20, 300, 2};

struct plan_run {
  struct trial *trial;
  const struct scale *scale;
  fi_kernel *kernel;
  struct tile tile;
  struct planned planned;
  fi_workspace workspace;
  uint32_t *q_len;
  uint32_t *kv_len;
  struct mirror q_indptr;
  struct mirror kv_lens;
  struct mirror kv_indptr;
};

/*
 * KV of each request when all are alike, such that a CTA's share of every one of some sections is little more
 * than the least: there plans leave CTAs out if they may.
 */
static uint32_t draw_common_kv(struct plan_run *run, uint32_t requests) {
  struct trial *trial = run->trial;
  const uint64_t share = trial_between(trial, SECTION_STEPS, SECTION_STEPS * 5 / 4);
  const uint64_t steps = share * trial_between(trial, 1, MOST_SECTIONS) * run->workspace.ctas;
  const uint64_t most = (run->workspace.max_kv_len - run->scale->q_len) / tile_step_tokens(&run->tile);
  const uint64_t each = steps / (requests * run->workspace.kv_heads);
  return (uint32_t)(each < most ? each : most) * tile_step_tokens(&run->tile);
}

/* Mostly decode, some prefill, a few without query tokens or KV. */
static void draw_request(struct plan_run *run, uint32_t request, uint32_t longest) {
  struct trial *trial = run->trial;
  run->q_len[request] = trial_chance(trial, 8) ? trial_between(trial, 0, run->scale->q_len) : 1;
  run->kv_len[request] = run->q_len[request] + random_below(&trial->random, longest);
  if (trial_chance(trial, 10))
    run->kv_len[request] = trial_between(trial, 0, 2);
}

static bool reserve(struct plan_run *run, uint32_t requests) {
  struct device *device = &run->trial->device;
  run->q_len = calloc(requests, sizeof *run->q_len);
  run->kv_len = calloc(requests, sizeof *run->kv_len);
  if (!run->q_len || !run->kv_len)
    return trial_fail(run->trial, "no memory for the lengths");
  return (mirror_create(&run->q_indptr, device, (requests + 1) * sizeof(int32_t)) &&
          mirror_create(&run->kv_lens, device, requests * sizeof(int32_t)) &&
          mirror_create(&run->kv_indptr, device, (requests + 1) * sizeof(int32_t))) ||
         trial_ok(run->trial, "the lengths", FI_OK);
}

/* Prompts of some tiles each, and so few CTAs that each has some units, of which none is much longer than others. */
static void draw_prompts(struct plan_run *run, uint32_t requests) {
  const uint32_t least = PROMPT_TILES * run->tile.tokens;
  for (uint32_t request = 0; request < requests; request++) {
    run->q_len[request] = trial_between(run->trial, least, 2 * least);
    run->kv_len[request] = run->q_len[request];
  }
  run->workspace.ctas = trial_between(run->trial, 1, requests * PROMPT_TILES * run->workspace.kv_heads / QUEUED_UNITS);
}

/* Chunks of prompts, of which each CTA has one unit, but for a few. */
static void draw_chunks(struct plan_run *run, uint32_t requests) {
  uint32_t units = 0;
  for (uint32_t request = 0; request < requests; request++) {
    const uint32_t tiles = trial_between(run->trial, 1, CHUNK_TILES);
    run->q_len[request] = tiles * run->tile.tokens;
    run->kv_len[request] = run->q_len[request] + CHUNK_STEPS * tile_step_tokens(&run->tile);
    units += tiles * run->workspace.kv_heads;
  }
  run->workspace.ctas = units + units / 20;
}

static void draw_lengths(struct plan_run *run, uint32_t requests, uint32_t longest) {
  if (run->scale == &prompts) {
    draw_prompts(run, requests);
    return;
  }
  if (run->scale == &chunks) {
    draw_chunks(run, requests);
    return;
  }
  const bool alike = run->scale != &many && run->scale != &little && trial_chance(run->trial, 2);
  const uint32_t common_kv = alike ? draw_common_kv(run, requests) : 0;
  for (uint32_t request = 0; request < requests; request++) {
    if (alike) {
      run->q_len[request] = run->tile.tokens;
      run->kv_len[request] = run->tile.tokens + common_kv;
    } else {
      draw_request(run, request, longest);
    }
  }
}

static void fill_lengths(struct plan_run *run, uint32_t requests, uint32_t longest) {
  int32_t *q_indptr = run->q_indptr.host;
  int32_t *kv_lens = run->kv_lens.host;
  int32_t *kv_indptr = run->kv_indptr.host;
  draw_lengths(run, requests, longest);
  q_indptr[0] = (int32_t)run->planned.first_token;
  kv_indptr[0] = 0;
  for (uint32_t request = 0; request < requests; request++) {
    kv_lens[request] = (int32_t)run->kv_len[request];
    q_indptr[request + 1] = q_indptr[request] + (int32_t)run->q_len[request];
    kv_indptr[request + 1] = kv_indptr[request] + kv_lens[request];
  }
  mirror_upload(&run->q_indptr, &run->trial->device, run->q_indptr.bytes);
  mirror_upload(&run->kv_lens, &run->trial->device, run->kv_lens.bytes);
  mirror_upload(&run->kv_indptr, &run->trial->device, run->kv_indptr.bytes);
}

static bool draw_batch(struct plan_run *run) {
  struct trial *trial = run->trial;
  const struct scale *scale = run->scale;
  const uint32_t requests = trial_between(trial, scale->least_requests, scale->requests);
  const uint32_t longest = scale == &little ? scale->kv_len : trial_between(trial, 1, scale->kv_len);
  if (!reserve(run, requests))
    return false;
  run->planned.requests = requests;
  run->planned.first_token = trial_chance(trial, 2) ? trial_between(trial, 1, 1000) : 0;
  run->workspace = (fi_workspace){
      .struct_size = sizeof run->workspace,
      .max_requests = requests + trial_between(trial, 0, 3),
      .max_kv_len = scale->kv_len + scale->q_len,
      .kv_heads = trial_between(trial, 1, scale->kv_heads),
      .ctas = trial_between(trial, 1, 300),
      .split_tokens = scale == &fixed ? SPLIT_TOKENS : 0,
  };
  fill_lengths(run, requests, longest);
  run->workspace.max_tokens = (uint32_t)((int32_t *)run->q_indptr.host)[requests] + trial_between(trial, 1, 20);
  return true;
}

/* Sections that the batch must have: only whole steps count, a request's once, however many tiles it has. */
static int least_sections(const struct plan_run *run) {
  const uint32_t step = tile_step_tokens(&run->tile);
  const uint64_t step_bytes = (uint64_t)step * run->tile.token_bytes;
  uint64_t sections = run->workspace.kv_heads < MOST_SECTIONS ? run->workspace.kv_heads : MOST_SECTIONS;
  uint64_t steps = 0;
  if (run->tile.rows < LARGE_ROWS || run->workspace.split_tokens > 0)
    return 1;
  for (uint32_t request = 0; request < run->planned.requests; request++)
    steps += run->q_len[request] > 0 ? run->kv_len[request] / step : 0;
  steps *= run->workspace.kv_heads;
  if (sections > steps * step_bytes / SECTION_BYTES)
    sections = steps * step_bytes / SECTION_BYTES;
  if (sections > steps / (run->workspace.ctas * SECTION_STEPS))
    sections = steps / (run->workspace.ctas * SECTION_STEPS);
  return (int)sections;
}

static bool plan(struct plan_run *run) {
  struct trial *trial = run->trial;
  const fi_spec *spec = run->planned.spec;
  const bool is_csr = spec->index == FI_INDEX_CSR;
  const fi_batch lengths = {
      .struct_size = sizeof lengths,
      .requests = run->planned.requests,
      .q_indptr = run->q_indptr.device,
      .kv_len = run->kv_lens.device,
      .kv_indptr = is_csr ? run->kv_indptr.device : NULL,
      .page_table = spec->page_size > 0 ? run->kv_lens.device : NULL, /* passed on, never read */
      .page_table_stride = 1ll << 31,
  };
  fi_workspace *workspace = &run->workspace;
  if (!trial_ok(trial, "fi_workspace_size", fi_workspace_size(run->kernel, workspace)))
    return false;
  workspace->memory = device_alloc(&trial->device, workspace->bytes);
  workspace->scratch = device_alloc(&trial->device, workspace->scratch_bytes);
  if (!trial_ok(trial, "the workspace", FI_OK) ||
      !trial_ok(trial, "fi_plan", fi_plan(run->kernel, &lengths, workspace, NULL)))
    return false;
  device_sync(&trial->device, NULL);
  run->planned.workspace = workspace;
  run->planned.page_table = lengths.page_table;
  run->planned.q_len = run->q_len;
  run->planned.kv_len = run->kv_len;
  run->planned.kv_indptr = is_csr ? run->kv_indptr.host : NULL;
  run->planned.least_sections = spec->rows > 0 ? least_sections(run) : 0;
  return trial_ok(trial, "the plan kernel", FI_OK) && plan_check(trial, &run->planned);
}

bool run_plan(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  bool passed = true;
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)))
    return false;
  const struct tile *tile = inside_tile(kernel);
  const struct scale *first[] = {&many, &prompts, &little, &little, &chunks};
  for (size_t i = 0; i < PLANS && passed; i++) {
    const bool is_first = i < sizeof first / sizeof *first;
    const struct scale *scale = is_first ? first[i] : trial_chance(trial, 3) ? &fixed : &even;
    struct plan_run run = {.trial = trial, .scale = scale, .kernel = kernel, .tile = *tile};
    run.planned = (struct planned){.kernel = kernel, .spec = canonical};
    run.planned.queue_pays = scale == &prompts && tile->family->claims;
    passed = draw_batch(&run) && plan(&run);
    mirror_free(&run.q_indptr, &trial->device);
    mirror_free(&run.kv_lens, &trial->device);
    mirror_free(&run.kv_indptr, &trial->device);
    device_free(&trial->device, run.workspace.memory);
    device_free(&trial->device, run.workspace.scratch);
    free(run.q_len);
    free(run.kv_len);
  }
  return passed;
}
