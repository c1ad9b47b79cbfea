/*
 * A hand-made plan for requests with a shared prefix. Items over the prefix have the rows of all requests and
 * feed a merge unit of each; every request has an item of its own after the prefix. Items are dealt to CTAs
 * in random order.
 */
#include "tests/matrix/runs.h"

#include "tests/matrix/attention_check.h"
#include "tests/matrix/plan_view.h"

enum { CTAS = 12, PREFIX_PIECES = 2, MOST_ITEMS = 64, ROOM = 16 /* requests and tokens in the bounds */ };

struct prefix_plan {
  struct trial *trial;
  struct batch_case batch;
  struct plan_view view;
  struct fi_item items[MOST_ITEMS];
  uint32_t count;
};

static int kv_base_of(const struct batch_case *batch, uint32_t request) {
  const int32_t *kv_indptr = batch->buffers[BUFFER_KV_INDPTR].host;
  return batch->spec.index == FI_INDEX_CSR ? kv_indptr[request] : (int)request;
}

/* Where a request's entries of the page table begin. */
static int32_t *entries_of(const struct batch_case *batch, uint32_t request) {
  int32_t *table = batch->buffers[BUFFER_PAGE_TABLE].host;
  return table + (batch->spec.index == FI_INDEX_CSR ? kv_base_of(batch, request) : request * batch->page_table_stride);
}

/* The first request's pages of the prefix become those of all. */
static void share_pages(const struct batch_case *batch, struct trial *trial) {
  const struct mirror *table = &batch->buffers[BUFFER_PAGE_TABLE];
  for (uint32_t request = 1; request < batch->requests; request++) {
    for (uint32_t page = 0; page < batch->prefix / batch->spec.page_size; page++)
      entries_of(batch, request)[page] = entries_of(batch, 0)[page];
  }
  mirror_upload(table, &trial->device, table->bytes);
}

/* ------------------------------------------------------------------------------------------------ items */

/*
 * The first row of a partial result. The layers of a head follow each other, one for each piece of the prefix
 * and one for all requests' own KV; in a layer every row has its place.
 */
static int part_of(const struct prefix_plan *plan, int head, int layer, int row) {
  const int rows = (int)plan->batch.tile.rows;
  return (head * (PREFIX_PIECES + 1) + layer) * rows + row * (int)plan->batch.tile.heads;
}

static struct fi_item *add_item(struct prefix_plan *plan, int head, uint32_t request) {
  struct fi_item *item = &plan->items[plan->count++];
  *item = (struct fi_item){
      .kv_base = kv_base_of(&plan->batch, request),
      .kv_head = head,
      .unit = head * (int)plan->batch.requests + (int)request,
  };
  return item;
}

/* The prefix in pieces: each has all rows, and feeds the units of all requests from the first on. */
static void add_prefix(struct prefix_plan *plan, int head) {
  const struct batch_case *batch = &plan->batch;
  const int step = (int)tile_step_tokens(&batch->tile);
  const int cuts[PREFIX_PIECES + 1] = {0, step, (int)batch->prefix};
  for (int i = 0; i < PREFIX_PIECES; i++) {
    struct fi_item *item = add_item(plan, head, 0);
    item->kv_begin = cuts[i];
    item->kv_end = cuts[i + 1];
    item->inner_begin = cuts[i];
    item->inner_end = cuts[i + 1];
    item->row_count = (unsigned short)batch->tokens;
    item->unit_count = (unsigned short)batch->requests;
    item->part = part_of(plan, head, i, 0);
  }
}

/* A request's own KV, and the unit that merges it with the request's rows of the prefix's partial results. */
static void add_own(struct prefix_plan *plan, int head, uint32_t request, int first_row) {
  const struct batch_case *batch = &plan->batch;
  struct fi_item *item = add_item(plan, head, request);
  item->kv_begin = (int)batch->prefix;
  item->kv_end = (int)batch->kv_len[request];
  item->inner_begin = item->kv_begin;
  item->inner_end = (int)(batch->kv_len[request] - batch->q_len[request]) + 1;
  item->row_begin = first_row;
  item->row_count = (unsigned short)batch->q_len[request];
  item->unit_count = 1;
  item->part = part_of(plan, head, PREFIX_PIECES, 0);
  plan->view.host.units[item->unit] = (struct fi_unit){
      .row_begin = first_row,
      .row_count = (int)batch->q_len[request],
      .kv_head = head,
      .part_begin = part_of(plan, head, 0, first_row),
      .part_stride = (int)batch->tile.rows,
      .part_count = PREFIX_PIECES + 1,
      .next = -1,
  };
  plan->view.host.arrivals[item->unit] = PREFIX_PIECES + 1;
}

static void add_items(struct prefix_plan *plan) {
  for (int head = 0; head < (int)(plan->batch.kv_heads * plan->batch.tile.group_shares); head++) {
    int row = 0;
    add_prefix(plan, head);
    for (uint32_t request = 0; request < plan->batch.requests; request++) {
      add_own(plan, head, request, row);
      row += (int)plan->batch.q_len[request];
    }
  }
}

/* ------------------------------------------------------------------------------------------------ plan */

static void write_rows(const struct prefix_plan *plan) {
  const struct batch_case *batch = &plan->batch;
  struct fi_row *row = plan->view.host.rows;
  for (uint32_t request = 0; request < batch->requests; request++) {
    for (uint32_t i = 0; i < batch->q_len[request]; i++, row++)
      *row = (struct fi_row){
          .token = (int)(row - plan->view.host.rows),
          .position = (int)(batch->kv_len[request] - batch->q_len[request] + i),
          .kv_base = kv_base_of(batch, request),
          .part = (int)(row - plan->view.host.rows) * (int)batch->tile.heads,
      };
  }
}

/* Item i of the deal is items[order[i]]: the items of a CTA are linked in an order of their own. */
static void deal_items(const struct prefix_plan *plan) {
  int32_t order[MOST_ITEMS];
  random_permutation(&plan->trial->random, order, plan->count);
  for (uint32_t cta = 0; cta < CTAS; cta++) {
    const uint32_t begin = cta * plan->count / CTAS;
    const uint32_t end = (cta + 1) * plan->count / CTAS;
    for (uint32_t i = begin; i < end; i++) {
      plan->view.host.items[order[i]] = plan->items[order[i]];
      plan->view.host.items[order[i]].next = i + 1 < end ? order[i + 1] : -1;
    }
    plan->view.host.first[cta] = begin < end ? plan->view.host.items[order[begin]] : (struct fi_item){.row_count = 0};
  }
}

static bool write_plan(struct prefix_plan *plan) {
  const fi_batch lengths = batch_case_lengths(&plan->batch, false);
  *plan->view.host.header = (struct fi_plan_header){
      .page_table = lengths.page_table,
      .page_table_stride = lengths.page_table_stride,
      .id = plan->view.shape.id,
      .tokens = (int)plan->batch.tokens,
  };
  write_rows(plan);
  add_items(plan);
  deal_items(plan);
  return plan_view_upload(&plan->view, plan->trial);
}

static bool run_batch(struct prefix_plan *plan, fi_kernel *kernel) {
  struct batch_case *batch = &plan->batch;
  const fi_tensors tensors = batch_case_tensors(batch, false);
  batch->workspace.ctas = CTAS;
  batch->workspace.max_requests += ROOM;
  batch->workspace.max_tokens += ROOM;
  share_pages(batch, plan->trial);
  return batch_case_reserve(batch, plan->trial, kernel) &&
         plan_view_open(&plan->view, plan->trial, kernel, &batch->workspace, 0) && write_plan(plan) &&
         attention_launch(plan->trial, kernel, batch, &tensors) && attention_check(plan->trial, batch);
}

bool run_prefix(struct trial *trial, const fi_spec *canonical) {
  fi_kernel *kernel;
  bool passed = true;
  if (!trial_ok(trial, "fi_get_kernel", fi_get_kernel(trial->ctx, canonical, &kernel)))
    return false;
  const struct tile *tile = inside_tile(kernel);
  for (int i = 0; i < 3 && passed; i++) {
    struct prefix_plan plan = {.trial = trial};
    passed = batch_case_create(&plan.batch, trial, canonical, tile, BATCH_PREFIX) && run_batch(&plan, kernel);
    plan_view_close(&plan.view);
    batch_case_free(&plan.batch, trial);
  }
  return passed;
}
