/*
 * Row by row: the items that have a row must follow each other over all KV that it sees, over pages that are its
 * request's; and their partial results must lie where the row's unit merges them, each in a place of its own.
 */
#include "tests/matrix/prefix_check.h"

#include "tests/matrix/batch_shares.h"
#include "tests/matrix/plan_view.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PIECES = 512 /* of a row */ };

enum { MOST_PLANS = 2 /* of kernels that share the prefixes of a batch */ };

struct check {
  struct trial *trial;
  const struct batch_case *batch;
  struct plan_view views[MOST_PLANS];
  uint32_t plans;
  uint32_t *request_of; /* [tokens] by row */
  const struct fi_item **items;
  uint32_t item_count;
  unsigned char *is_taken; /* [partial_rows] */
};

/* Units and partial results of all plans are in the memory of the last. */
static const struct plan_view *last_view(const struct check *check) {
  return &check->views[check->plans - 1];
}

/* The plan that an item is in. */
static const struct plan_view *view_of(const struct check *check, const struct fi_item *item) {
  const struct plan_view *view = check->views;
  while ((const unsigned char *)item < view->memory || (const unsigned char *)item >= view->memory + view->bytes)
    view++;
  return view;
}

/* Where a row's partial result of an item lies. */
static int part_of_row(const struct check *check, const struct fi_item *item, uint32_t row) {
  return item->part + view_of(check, item)->host.rows[row].part;
}

static bool item_fails(const struct check *check, const struct fi_item *item, const char *why) {
  return trial_fail(check->trial, "item of head %d, rows %d + %u, KV %d to %d, units %d + %u, part %d: %s",
                    item->kv_head, item->row_begin, item->row_count, item->kv_begin, item->kv_end, item->unit,
                    item->unit_count, item->part, why);
}

/* ------------------------------------------------------------------------------------------------ rows */

static uint32_t request_of_token(const struct check *check, uint32_t token) {
  const int32_t *q_indptr = batch_case_ints(check->batch, BUFFER_Q_INDPTR);
  uint32_t request = 0;
  while ((int32_t)token >= q_indptr[request + 1])
    request++;
  return request;
}

/* The rows are the tokens, each once; those of a request follow each other. */
static bool check_rows(struct check *check) {
  const struct batch_case *batch = check->batch;
  for (uint32_t i = batch->first_token; i < batch->tokens; i++) {
    const struct fi_row *row = &check->views->host.rows[i];
    if (row->token < (int)batch->first_token || row->token >= (int)batch->tokens)
      return trial_fail(check->trial, "row %u of the plan is token %d", i, row->token);
    const uint32_t request = request_of_token(check, (uint32_t)row->token);
    const int left = batch_case_ints(batch, BUFFER_Q_INDPTR)[request + 1] - row->token;
    const int base =
        batch->spec.index == FI_INDEX_CSR ? batch_case_ints(batch, BUFFER_KV_INDPTR)[request] : (int)request;
    check->request_of[i] = request;
    if (row->position != (int)batch->kv_len[request] - left || row->kv_base != base)
      return trial_fail(check->trial, "row %u of the plan, token %d, is at %d of KV %d", i, row->token, row->position,
                        row->kv_base);
    for (uint32_t j = batch->first_token; j < i; j++) {
      if (check->views->host.rows[j].token == row->token)
        return trial_fail(check->trial, "rows %u and %u of the plan are token %d", j, i, row->token);
    }
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ items */

/* Whole units of a batch that shares nothing may be a queue, whose items follow each other. */
static bool list_queued(struct check *check, const struct plan_view *view) {
  const uint64_t count = (uint64_t)view->host.queue->count;
  if (count > view->shape.items)
    return trial_fail(check->trial, "the queue has %llu items of %llu", (unsigned long long)count,
                      (unsigned long long)view->shape.items);
  for (uint64_t i = 0; i < count; i++)
    check->items[check->item_count++] = &view->host.items[i];
  return true;
}

static bool list_items_of(struct check *check, const struct plan_view *view) {
  const uint64_t items = view->shape.items;
  const uint32_t before = check->item_count;
  if (view->host.first->row_count > 0 && view->host.first->next == FI_NEXT_CLAIMED)
    return list_queued(check, view);
  for (int cta = 0; cta < view->shape.ctas; cta++) {
    const struct fi_item *item = &view->host.first[cta];
    while (item->row_count > 0) {
      if (check->item_count - before == items)
        return trial_fail(check->trial, "shares overlap: they have more items than there are");
      check->items[check->item_count++] = item;
      if (item->next == -1)
        break;
      if (item->next < 0 || (uint64_t)item->next >= items)
        return item_fails(check, item, "no such next item");
      item = &view->host.items[item->next];
    }
  }
  return true;
}

static bool list_items(struct check *check) {
  bool passed = true;
  for (uint32_t i = 0; i < check->plans && passed; i++)
    passed = list_items_of(check, &check->views[i]);
  return passed;
}

static uint32_t request_of_base(const struct check *check, int kv_base) {
  const struct batch_case *batch = check->batch;
  uint32_t request = 0;
  if (batch->spec.index == FI_INDEX_DENSE)
    return (uint32_t)kv_base;
  while (request < batch->requests && (batch->q_len[request] == 0 || batch->kv_len[request] == 0 ||
                                       batch_case_ints(batch, BUFFER_KV_INDPTR)[request] != kv_base))
    request++;
  return request;
}

/* Whether the KV that an item reads is that of a request. */
static bool is_kv_of(const struct check *check, const struct fi_item *item, uint32_t request) {
  const uint32_t owner = request_of_base(check, item->kv_base);
  const uint32_t page_size = check->batch->spec.page_size;
  if (item->kv_begin >= item->kv_end || owner == request)
    return true;
  if (owner >= check->batch->requests || (uint32_t)item->kv_end > check->batch->kv_len[request])
    return false;
  for (uint32_t page = (uint32_t)item->kv_begin / page_size; page * page_size < (uint32_t)item->kv_end; page++) {
    if (batch_shares_page(check->batch, owner, page) != batch_shares_page(check->batch, request, page))
      return false;
  }
  return true;
}

/* The KV tokens that a row sees by the reference. */
static void find_seen(const struct check *check, uint32_t row, int64_t *first, int64_t *end) {
  const struct batch_case *batch = check->batch;
  const fi_batch masks = batch_case_lengths(batch, true);
  const uint32_t request = check->request_of[row];
  reference_seen(&batch->spec, &masks, request, batch->kv_len[request], check->views->host.rows[row].position, first,
                 end);
}

static bool is_seen_by_all(const struct check *check, const struct fi_item *item, uint32_t row) {
  int64_t first, end;
  find_seen(check, row, &first, &end);
  return item->inner_begin >= item->inner_end || (first <= item->inner_begin && end >= item->inner_end);
}

/* The item's rows, and their partial results. */
static bool check_item(struct check *check, const struct fi_item *item) {
  const struct batch_case *batch = check->batch;
  const uint32_t begin = (uint32_t)item->row_begin;
  const uint32_t end = begin + item->row_count;
  if (begin < batch->first_token || end > batch->tokens || item->row_count > view_of(check, item)->shape.tile_tokens)
    return item_fails(check, item, "no such rows in a tile");
  if (batch->workspace.split_tokens && item->kv_end - item->kv_begin > (int)batch->workspace.split_tokens)
    return item_fails(check, item, "it is larger than a fixed piece");
  for (uint32_t row = begin; row < end; row++) {
    if (!is_kv_of(check, item, check->request_of[row]))
      return item_fails(check, item, "its KV is not that of all rows");
    if (!is_seen_by_all(check, item, row))
      return item_fails(check, item, "its inner KV is not seen by all rows");
    for (uint32_t i = 0; i < batch->tile.heads && item->part >= 0; i++) {
      const uint64_t at = (uint64_t)part_of_row(check, item, row) + i;
      if (at >= last_view(check)->shape.partial_rows || check->is_taken[at])
        return item_fails(check, item, "its partial result lies where another one does, or outside");
      check->is_taken[at] = 1;
    }
  }
  return true;
}

static int compare_items(const void *left, const void *right) {
  const struct fi_item *a = *(const struct fi_item *const *)left;
  const struct fi_item *b = *(const struct fi_item *const *)right;
  if (a->kv_begin != b->kv_begin)
    return a->kv_begin < b->kv_begin ? -1 : 1;
  return (a->kv_end > b->kv_end) - (a->kv_end < b->kv_end);
}

/* ------------------------------------------------------------------------------------------------ rows on heads */

/* The items of a row on a head, in the order of KV. */
struct pieces {
  const struct fi_item *of[MOST_PIECES];
  uint32_t count;
};

static bool find_pieces(const struct check *check, uint32_t row, int head, struct pieces *pieces) {
  pieces->count = 0;
  for (uint32_t i = 0; i < check->item_count; i++) {
    const struct fi_item *item = check->items[i];
    if (item->kv_head != head || (int)row < item->row_begin || (int)row >= item->row_begin + item->row_count)
      continue;
    if (pieces->count == MOST_PIECES)
      return item_fails(check, item, "its row has too many pieces for this test");
    pieces->of[pieces->count++] = item;
  }
  qsort(pieces->of, pieces->count, sizeof *pieces->of, compare_items);
  return pieces->count > 0 || trial_fail(check->trial, "row %u on head %d has no item", row, head);
}

/* They follow each other, and leave out nothing that the row sees. */
static bool check_kv(const struct check *check, uint32_t row, const struct pieces *pieces) {
  int64_t first, end;
  find_seen(check, row, &first, &end);
  for (uint32_t i = 1; i < pieces->count; i++) {
    if (pieces->of[i]->kv_begin != pieces->of[i - 1]->kv_end)
      return item_fails(check, pieces->of[i], "it does not begin where the one before it ends");
  }
  if (first < end && (pieces->of[0]->kv_begin > first || pieces->of[pieces->count - 1]->kv_end < end))
    return item_fails(check, pieces->of[0], "a row does not see its KV");
  return true;
}

/* Partial results of a row, in the order of KV: the units that they are for, and where they lie. */
struct parts {
  int unit[MOST_PIECES];
  int at[MOST_PIECES];
  uint32_t count;
};

/* Whether a unit has the row, waits for `count` partials, and merges them from `first` of `parts` on. */
static bool merges(const struct check *check, uint32_t row, int number, const struct parts *parts, uint32_t first,
                   uint32_t count) {
  const struct plan_view *view = last_view(check);
  if (number < 0 || (uint64_t)number >= view->shape.units)
    return trial_fail(check->trial, "row %u of the plan: there is no unit %d", row, number);
  const struct fi_unit *unit = &view->host.units[number];
  const int start = unit->part_begin + ((int)row - unit->row_begin) * (int)check->batch->tile.heads;
  if (unit->row_begin > (int)row || unit->row_begin + unit->row_count <= (int)row || unit->part_count != (int)count ||
      view->host.arrivals[number] != count)
    return trial_fail(check->trial, "unit %d has not row %u, or does not wait for its %u partials", number, row, count);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t number_of_part = unit->part_stride < 0 ? count - 1 - i : i; /* two kernels merge from the last on */
    if (parts->at[first + i] != start + (int)number_of_part * unit->part_stride)
      return trial_fail(check->trial, "unit %d does not merge partial %u of row %u", number, first + i, row);
  }
  return true;
}

/* How many partials from number `first` on are for one unit. */
static uint32_t count_alike(const struct parts *parts, uint32_t first) {
  uint32_t count = 1;
  while (first + count < parts->count && parts->unit[first + count] == parts->unit[first])
    count++;
  return count;
}

/* Whether groups merge the partials of a row, and their parent the groups. */
static bool merge_in_groups(const struct check *check, uint32_t row, const struct parts *parts) {
  struct parts groups = {.count = 0};
  for (uint32_t i = 0; i < parts->count; i += count_alike(parts, i)) {
    if (!merges(check, row, parts->unit[i], parts, i, count_alike(parts, i)))
      return false;
    groups.unit[groups.count] = last_view(check)->host.units[parts->unit[i]].parent - 1;
    groups.at[groups.count++] = parts->at[i];
  }
  return count_alike(&groups, 0) == groups.count && merges(check, row, groups.unit[0], &groups, 0, groups.count);
}

/* The partials of a row. An item of several requests feeds the unit that the row's last item feeds alone. */
static bool find_parts(const struct check *check, uint32_t row, const struct pieces *pieces, struct parts *parts) {
  const struct fi_item *last = pieces->of[pieces->count - 1];
  parts->count = pieces->count;
  if (last->unit_count != 1 || last->unit < 0 || (uint64_t)last->unit >= last_view(check)->shape.units ||
      last_view(check)->host.units[last->unit].kv_head != last->kv_head)
    return item_fails(check, last, "no such unit");
  for (uint32_t i = 0; i < pieces->count; i++) {
    const struct fi_item *item = pieces->of[i];
    const bool feeds_several = item->unit_count > 1;
    if (item->part < 0)
      return item_fails(check, item, "it has no partial result");
    if (feeds_several && (last->unit < item->unit || last->unit >= item->unit + item->unit_count))
      return item_fails(check, item, "it does not feed the unit of a row");
    parts->unit[i] = feeds_several ? last->unit : item->unit;
    parts->at[i] = part_of_row(check, item, row);
  }
  return true;
}

/* Partials are merged in the order of KV, at once or, where a request that shares nothing has many, in groups. */
static bool check_merge(const struct check *check, uint32_t row, const struct pieces *pieces) {
  const struct fi_item *last = pieces->of[pieces->count - 1];
  struct parts parts;
  if (pieces->count == 1 && last->part == -1)
    return true;
  if (!find_parts(check, row, pieces, &parts))
    return false;
  const bool is_grouped = last_view(check)->host.units[last->unit].parent > 0;
  const bool shares = pieces->of[0]->unit_count > 1;
  if (is_grouped != (!shares && pieces->count > PARTS_AT_ONCE && !check->batch->workspace.split_tokens))
    return item_fails(check, last, "its partials are merged at once and should not be, or the other way round");
  if (is_grouped)
    return merge_in_groups(check, row, &parts) || item_fails(check, last, "groups are not merged");
  return count_alike(&parts, 0) == parts.count ? merges(check, row, last->unit, &parts, 0, parts.count)
                                               : item_fails(check, last, "its partials feed several units");
}

static bool check_row(const struct check *check, uint32_t row, int head, struct prefix_cost *cost) {
  struct pieces pieces;
  uint32_t depth = 0;
  if (!find_pieces(check, row, head, &pieces) || !check_kv(check, row, &pieces) || !check_merge(check, row, &pieces))
    return false;
  for (uint32_t i = 0; i < pieces.count; i++) {
    const bool is_new = i == 0 || pieces.of[i]->row_begin != pieces.of[i - 1]->row_begin ||
                        pieces.of[i]->row_count != pieces.of[i - 1]->row_count;
    depth += pieces.of[i]->unit_count > 1 && is_new;
  }
  cost->deepest = depth > cost->deepest ? depth : cost->deepest;
  return true;
}

/* An item feeds as many units as requests that it has rows of. */
static bool count_cost(const struct check *check, struct prefix_cost *cost) {
  for (uint32_t i = 0; i < check->item_count; i++) {
    const struct fi_item *item = check->items[i];
    uint32_t requests = 1;
    for (int row = item->row_begin + 1; row < item->row_begin + item->row_count; row++)
      requests += check->request_of[row] != check->request_of[row - 1];
    if (item->unit_count != requests)
      return item_fails(check, item, "it feeds other units than those of its requests");
    cost->widest = requests > cost->widest ? requests : cost->widest;
    if (item->kv_head == 0) {
      cost->read += (uint64_t)(item->kv_end - item->kv_begin);
      cost->unshared += (uint64_t)(item->kv_end - item->kv_begin) * requests;
    }
  }
  return true;
}

/*
 * A prefix that two requests have in common is read once where it is long enough: as many whole steps, of all kernels,
 * as 128 tokens.
 */
static bool check_found(const struct check *check, const struct prefix_cost *cost) {
  int64_t step = check->views->shape.step_tokens;
  while (step % last_view(check)->shape.step_tokens > 0)
    step += check->views->shape.step_tokens;
  const int64_t least = (LEAST_SHARED + step - 1) / step * step;
  const int64_t tokens = batch_shares_most(check->batch);
  if (tokens < least || cost->widest > 1)
    return true;
  return trial_fail(check->trial, "two requests have %lld KV tokens in common, and no item has rows of both",
                    (long long)tokens);
}

/* ------------------------------------------------------------------------------------------------ public */

static bool make_room(struct check *check) {
  uint64_t items = 1;
  for (uint32_t i = 0; i < check->plans; i++)
    items += check->views[i].shape.items;
  check->request_of = calloc(check->batch->tokens + 1, sizeof *check->request_of);
  check->items = calloc(items, sizeof *check->items);
  check->is_taken = calloc(last_view(check)->shape.partial_rows + 1, 1);
  return (check->request_of && check->items && check->is_taken) ||
         trial_fail(check->trial, "no memory for checking a plan");
}

static bool check_plan(struct check *check, struct prefix_cost *cost) {
  const struct batch_case *batch = check->batch;
  const struct fi_plan_header *header = check->views->host.header;
  if (header->tokens != (int)batch->tokens)
    return trial_fail(check->trial, "the plan has %d rows for %u tokens", header->tokens, batch->tokens);
  bool passed = check_rows(check) && list_items(check);
  for (uint32_t i = 0; i < check->item_count && passed; i++)
    passed = check_item(check, check->items[i]);
  for (uint32_t row = batch->first_token; row < batch->tokens && passed; row++) {
    for (int head = 0; head < (int)(batch->kv_heads * batch->tile.group_shares) && passed; head++)
      passed = check_row(check, row, head, cost);
  }
  return passed && count_cost(check, cost);
}

/* A plan in which nothing that could be shared is left out. */
static bool check_all(const struct check *check, const struct prefix_cost *cost, const struct fi_fault *fault) {
  if (fault->kind != FI_FAULT_NONE)
    return trial_fail(check->trial, "the plan has fault %u of request %u, value %lld", fault->kind, fault->request,
                      (long long)fault->value);
  return check_found(check, cost);
}

static bool open_views(struct check *check, fi_kernel *kernel) {
  const fi_workspace *workspace = &check->batch->workspace;
  bool passed = true;
  check->plans = inside_members(kernel, workspace);
  for (uint32_t i = 0; i < check->plans && passed; i++)
    passed = plan_view_open(&check->views[i], check->trial, kernel, workspace, i) &&
             plan_view_download(&check->views[i], check->trial);
  return passed;
}

static bool check_opened(struct trial *trial, const struct batch_case *batch, fi_kernel *kernel,
                         struct prefix_cost *cost, struct fi_fault *fault, bool has_all) {
  struct check check = {.trial = trial, .batch = batch};
  *cost = (struct prefix_cost){0};
  bool passed = open_views(&check, kernel) && make_room(&check) && check_plan(&check, cost);
  if (passed) {
    const struct fi_plan_header *header = check.views->host.header;
    *fault = (struct fi_fault){header->fault, header->fault_request, header->fault_value};
    passed = !has_all || check_all(&check, cost, fault);
  }
  for (uint32_t i = 0; i < MOST_PLANS; i++)
    plan_view_close(&check.views[i]);
  free(check.request_of);
  free(check.items);
  free(check.is_taken);
  return passed;
}

bool prefix_check(struct trial *trial, const struct batch_case *batch, fi_kernel *kernel, struct prefix_cost *cost) {
  struct fi_fault fault;
  return check_opened(trial, batch, kernel, cost, &fault, true);
}

bool prefix_check_told(struct trial *trial, const struct batch_case *batch, fi_kernel *kernel, struct prefix_cost *cost,
                       struct fi_fault *fault) {
  return check_opened(trial, batch, kernel, cost, fault, false);
}
