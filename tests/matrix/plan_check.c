/*
 * Items are put in the order of heads, rows and KV. Then those of one unit (rows on a head) follow each
 * other, and each must begin where the one before it ends.
 */
#include "tests/matrix/plan_check.h"

#include "tests/matrix/batch_case.h"
#include "tests/matrix/plan_items.h"
#include "tests/reference.h"

#include <stdlib.h>
#include <string.h>

#define LAUNCH_BIT 0x80000000u /* of counts that launches change in turn */

static int kv_base_of(const struct check *check, uint32_t request) {
  return check->planned->kv_indptr ? check->planned->kv_indptr[request] : (int)request;
}

/* ------------------------------------------------------------------------------------------------ rows */

static bool check_header(const struct check *check) {
  const struct fi_plan_header *header = check->view.host.header;
  if (header->tokens != (int)check->tokens)
    return trial_fail(check->trial, "the plan has %d rows for %u tokens", header->tokens, check->tokens);
  if (header->fault != FI_FAULT_NONE)
    return trial_fail(check->trial, "the plan tells fault %u of request %u, value %lld", header->fault,
                      header->fault_request, header->fault_value);
  if (header->page_table != check->planned->page_table)
    return trial_fail(check->trial, "the plan has another page table than the batch");
  return true;
}

/* What the row at a place of its request's KV sees: without masks that need it, the obvious, which is quick. */
static struct fi_interval find_seen(const struct check *check, uint32_t request, int place) {
  const struct planned *planned = check->planned;
  const int kv_len = (int)planned->kv_len[request];
  int64_t first, end;
  if (!planned->masks)
    return (struct fi_interval){0, planned->spec->mask == FI_MASK_CAUSAL ? most(0, least(kv_len, place + 1)) : kv_len};
  reference_seen(planned->spec, planned->masks, request, kv_len, place, &first, &end);
  return (struct fi_interval){(int)first, (int)end};
}

static bool check_rows(const struct check *check) {
  uint32_t token = check->planned->first_token;
  for (uint32_t i = 0; i < token; i++) {
    if (check->view.host.rows[i].position >= 0)
      return trial_fail(check->trial, "row %u, which belongs to no request, is at %d", i,
                        check->view.host.rows[i].position);
  }
  for (uint32_t request = 0; request < check->planned->requests; request++) {
    const uint32_t q_len = check->planned->q_len[request];
    for (uint32_t i = 0; i < q_len; i++, token++) {
      const struct fi_row *row = &check->view.host.rows[token];
      const int position = (int)(check->planned->kv_len[request] - q_len + i);
      check->request_of[token] = request;
      check->seen[token] = find_seen(check, request, position);
      if (row->token != (int)token || row->position != position || row->kv_base != kv_base_of(check, request))
        return trial_fail(check->trial, "row %u of the plan is token %d at %d of KV %d, expected %u at %d of %d", token,
                          row->token, row->position, row->kv_base, token, position, kv_base_of(check, request));
    }
  }
  return true;
}

/* ----------------------------------------------------------------------------------------------- members */

/* A request that one item is of is the plan's own, and of no other member. */
static bool take_request(struct check *check, const struct fi_item *item) {
  if (item->row_begin < (int)check->planned->first_token || item->row_begin >= (int)check->tokens)
    return trial_fail(check->trial, "an item begins with row %d of %u", item->row_begin, check->tokens);
  const uint32_t request = check->request_of[item->row_begin];
  for (uint32_t row = check->planned->first_token; row < check->tokens; row++) {
    if (check->request_of[row] != request)
      continue;
    if (check->owner_of[row] > 0 && check->owner_of[row] != check->member + 1)
      return trial_fail(check->trial, "request %u is in the plans of members %u and %u", request,
                        check->owner_of[row] - 1, check->member);
    check->is_own[row] = true;
    check->owner_of[row] = check->member + 1;
  }
  return true;
}

static bool take_queued(struct check *check) {
  const int count = check->view.host.queue->count;
  for (int i = 0; i < count; i++) {
    if ((uint64_t)i >= check->view.shape.items)
      return trial_fail(check->trial, "the queue has %d of %llu items", count,
                        (unsigned long long)check->view.shape.items);
    if (!take_request(check, &check->view.host.items[i]))
      return false;
  }
  return true;
}

static bool take_requests(struct check *check) {
  uint64_t count = 0;
  if (plan_is_queued(check))
    return take_queued(check);
  for (int cta = 0; cta < check->view.shape.ctas; cta++) {
    const struct fi_item *item = &check->view.host.first[cta];
    if (item->row_count == 0)
      continue;
    while (take_request(check, item) && item->next >= 0) {
      if (count++ == check->view.shape.items || (uint64_t)item->next >= check->view.shape.items)
        return trial_fail(check->trial, "an item is followed by item %d of %llu", item->next,
                          (unsigned long long)check->view.shape.items);
      item = &check->view.host.items[item->next];
    }
  }
  return !check->trial->why[0];
}

/* Which rows are the plan's own: all, where it is the only one. */
static bool find_own(struct check *check, uint32_t members) {
  if (members > 1)
    return take_requests(check);
  for (uint32_t row = check->planned->first_token; row < check->tokens; row++) {
    check->is_own[row] = true;
    check->owner_of[row] = 1;
  }
  return true;
}

static bool check_owners(const struct check *check) {
  for (uint32_t row = check->planned->first_token; row < check->tokens; row++) {
    if (check->owner_of[row] == 0)
      return trial_fail(check->trial, "row %u, of request %u, is in no plan", row, check->request_of[row]);
  }
  return true;
}

/* ------------------------------------------------------------------------------------------------ units */

static int compare_items(const void *left, const void *right) {
  const struct fi_item *a = *(const struct fi_item *const *)left;
  const struct fi_item *b = *(const struct fi_item *const *)right;
  if (a->kv_head != b->kv_head)
    return a->kv_head < b->kv_head ? -1 : 1;
  if (a->row_begin != b->row_begin)
    return a->row_begin < b->row_begin ? -1 : 1;
  return (a->kv_begin > b->kv_begin) - (a->kv_begin < b->kv_begin);
}

/* Whether the tokens that an item says all its rows see are seen by all, and are all such tokens of the item. */
static bool has_inner(const struct check *check, const struct fi_item *item) {
  const bool has_list = check->planned->spec->select; /* of which it says what the mask shows */
  struct fi_interval inner = {has_list ? 0 : item->kv_begin, has_list ? INT32_MAX : item->kv_end};
  for (int row = item->row_begin; row < item->row_begin + item->row_count; row++) {
    const struct fi_interval own = check->seen[row];
    inner.first = most(inner.first, own.first);
    inner.end = least(inner.end, own.end);
  }
  const bool none = inner.first >= inner.end;
  return none ? item->inner_begin >= item->inner_end : item->inner_begin == inner.first && item->inner_end == inner.end;
}

/* A unit's rows: consecutive tokens of one request, which fit a tile. */
static bool check_unit_rows(const struct check *check, const struct fi_item *item) {
  const uint32_t begin = (uint32_t)item->row_begin;
  const uint32_t end = begin + item->row_count;
  if (end > check->tokens || item->row_count == 0 || item->row_count > check->view.shape.tile_tokens)
    return plan_item_fails(check, item, "no such rows in a tile");
  if (check->request_of[begin] != check->request_of[end - 1])
    return plan_item_fails(check, item, "rows of two requests");
  if (item->kv_base != kv_base_of(check, check->request_of[begin]))
    return plan_item_fails(check, item, "the KV of another request");
  return true;
}

/* The KV ranges of a unit's items: in order, without gaps, cut at whole steps. */
static bool check_unit_kv(const struct check *check, const struct fi_item *const *items, uint32_t count) {
  const struct fi_interval seen = plan_kv_of(check, items[0]);
  const int first = plan_first_of_steps(check, items[0]);
  int at = seen.first;
  for (uint32_t i = 0; i < count; i++) {
    if (items[i]->kv_begin != at || (i > 0 && (at - first) % plan_step_tokens(check) != 0))
      return plan_item_fails(check, items[i], "its KV does not begin where it should");
    if (items[i]->kv_end < at || (items[i]->kv_end == at && i > 0))
      return plan_item_fails(check, items[i], "its KV is empty");
    if (!has_inner(check, items[i]))
      return plan_item_fails(check, items[i], "its rows have other KV in common");
    if (check->planned->workspace->split_tokens && items[i]->kv_end - at > plan_step_tokens(check))
      return plan_item_fails(check, items[i], "it is larger than a fixed piece");
    at = items[i]->kv_end;
  }
  if (at != seen.end)
    return plan_item_fails(check, items[count - 1], "its rows see another KV length");
  return true;
}

/* The first row of an item's partial result; every row of the plan knows its place after it. */
static int part_of(const struct check *check, const struct fi_item *item) {
  return item->part + check->view.host.rows[item->row_begin].part;
}

static bool has_places(const struct check *check, const struct fi_item *item) {
  const struct fi_row *rows = &check->view.host.rows[item->row_begin];
  for (int i = 0; i < item->row_count; i++) {
    if (rows[i].part != rows[0].part + i * (int)check->view.shape.tile_heads)
      return false;
  }
  return true;
}

/* Whether a merge waits for `count` partials of an item's rows, a stride from each other, the first at `part`. */
static bool merges(const struct check *check, int number, const struct fi_item *item, int part, int stride,
                   uint32_t count) {
  if (number < 0 || (uint64_t)number >= check->view.shape.units)
    return plan_item_fails(check, item, "no such unit");
  const struct fi_unit *unit = &check->view.host.units[number];
  if (unit->row_begin != item->row_begin || unit->row_count != item->row_count || unit->kv_head != item->kv_head)
    return plan_item_fails(check, item, "its unit has other rows");
  if (unit->part_begin != part || unit->part_stride != stride || unit->part_count != (int)count)
    return plan_item_fails(check, item, "its unit has other pieces");
  const unsigned waits = check->view.host.arrivals[number] & ~LAUNCH_BIT;
  return waits == count || plan_item_fails(check, item, "its unit does not wait for all pieces");
}

/*
 * Whether the slices that CTAs take of a unit have a count of their own, after those of the units, and the next launch
 * does not take what the last one has left there for its own.
 */
static bool has_slices(struct check *check, const struct fi_item *item, int number) {
  if (number <= check->items[check->item_count - 1]->unit || (uint64_t)number >= check->view.shape.units)
    return plan_item_fails(check, item, "no such count of slices");
  if (check->counts_slices[number])
    return plan_item_fails(check, item, "its slices are counted with those of another unit");
  check->counts_slices[number] = true;
  const unsigned differing = check->view.host.arrivals[number] ^ check->view.host.arrivals[item->unit];
  return !(differing & LAUNCH_BIT) || plan_item_fails(check, item, "slices of its unit are open before it is");
}

/* A whole unit writes its output itself; the pieces of another have a partial each, which the unit or groups merge. */
static bool check_unit_parts(struct check *check, const struct fi_item *const *items, uint32_t count) {
  const struct fi_item *first = items[0];
  if (count == 1)
    return first->part == -1 || plan_item_fails(check, first, "a whole unit with a partial result");
  const int stride = (int)check->view.shape.tile_rows;
  const int parent = first->unit < 0 || (uint64_t)first->unit >= check->view.shape.units
                         ? 0
                         : check->view.host.units[first->unit].parent;
  const bool together = check->view.shape.merges_together;
  if ((parent != 0) != (together || (count > PARTS_AT_ONCE && !check->planned->workspace->split_tokens)))
    return plan_item_fails(check, first, "its partials are merged at once and should not be, or the other way round");
  const uint32_t group = parent && !together ? (uint32_t)check->view.host.units[first->unit].part_count : count;
  const int begin = part_of(check, first);
  for (uint32_t i = 0; i < count; i++) {
    const struct fi_item *item = items[i];
    const uint32_t in_group = i % group;
    const uint32_t rest = count - (i - in_group);
    const int part = begin + (int)i * stride;
    if (item->part < 0 || part_of(check, item) != part || !has_places(check, item))
      return plan_item_fails(check, item, "its partial is not where it should be");
    if (item->unit_count != 1 || (in_group > 0 && item->unit != items[i - 1]->unit))
      return plan_item_fails(check, item, "it feeds another unit than the pieces before it");
    if (in_group == 0 && !merges(check, item->unit, item, part, stride, rest < group ? rest : group))
      return false;
    if (check->view.host.units[item->unit].parent != parent)
      return plan_item_fails(check, item, "its partials are merged with those of another unit");
    check->partials[check->partial_count++] =
        (struct extent){part, part + item->row_count * (int)check->view.shape.tile_heads};
  }
  if (together)
    return has_slices(check, first, parent - 1);
  return !parent || merges(check, parent - 1, first, begin, (int)group * stride, (count + group - 1) / group);
}

/* Each head, or each share of the query heads of one, has every row once. */
static bool check_units(struct check *check) {
  const int heads = (int)(check->planned->workspace->kv_heads * check->view.shape.group_shares);
  const int first = plan_next_own(check, (int)check->planned->first_token);
  int head = 0;
  int row = first;
  qsort(check->items, check->item_count, sizeof *check->items, compare_items);
  for (uint32_t i = 0, count; i < check->item_count; i += count) {
    const struct fi_item *const *items = check->items + i;
    count = 1;
    while (i + count < check->item_count && items[count]->kv_head == items[0]->kv_head &&
           items[count]->row_begin == items[0]->row_begin)
      count++;
    if (row == (int)check->tokens) {
      row = first;
      head++;
    }
    if (items[0]->kv_head != head || items[0]->row_begin != row)
      return plan_item_fails(check, items[0], "the rows before it are missing");
    row = plan_next_own(check, row + items[0]->row_count);
    if (!check_unit_rows(check, items[0]) || !check_unit_kv(check, items, count) ||
        !check_unit_parts(check, items, count))
      return false;
  }
  if ((int)check->tokens > first && (head + 1 != heads || row != (int)check->tokens))
    return trial_fail(check->trial, "the plan ends at head %d, row %d", head, row);
  return true;
}

/* ----------------------------------------------------------------------------------------------- partials */

static int compare_extents(const void *left, const void *right) {
  const struct extent *a = left;
  const struct extent *b = right;
  return (a->begin > b->begin) - (a->begin < b->begin);
}

static bool check_partials(struct check *check) {
  int free_from = 0;
  qsort(check->partials, check->partial_count, sizeof *check->partials, compare_extents);
  for (uint32_t i = 0; i < check->partial_count; i++) {
    if (check->partials[i].begin < free_from)
      return trial_fail(check->trial, "two partial results share row %d", check->partials[i].begin);
    free_from = check->partials[i].end;
  }
  if ((uint64_t)free_from > check->view.shape.partial_rows)
    return trial_fail(check->trial, "partial results need %d rows, there are %llu", free_from,
                      (unsigned long long)check->view.shape.partial_rows);
  return true;
}

/* ------------------------------------------------------------------------------------------------ public */

static bool make_room(struct check *check) {
  check->request_of = calloc(check->tokens + 1, sizeof *check->request_of);
  check->seen = calloc(check->tokens + 1, sizeof *check->seen);
  check->is_own = calloc(check->tokens + 1, sizeof *check->is_own);
  check->owner_of = calloc(check->tokens + 1, sizeof *check->owner_of);
  return (check->request_of && check->seen && check->is_own && check->owner_of) ||
         trial_fail(check->trial, "no memory for checking a plan");
}

static void free_room(struct check *check) {
  free(check->request_of);
  free(check->seen);
  free(check->is_own);
  free(check->owner_of);
}

/* Room for what is listed of one plan. */
static bool make_lists(struct check *check) {
  const size_t items = check->view.shape.items;
  const size_t units = check->view.shape.units;
  memset(check->is_own, 0, (check->tokens + 1) * sizeof *check->is_own);
  check->item_count = 0;
  check->partial_count = 0;
  check->items = calloc(items + 1, sizeof *check->items);
  check->partials = calloc(items + 1, sizeof *check->partials);
  check->counts_slices = calloc(units + 1, sizeof *check->counts_slices);
  return (check->items && check->partials && check->counts_slices) ||
         trial_fail(check->trial, "no memory for checking a plan");
}

/* A member without work has no rows, unless it is the first, whose rows append reads. */
static bool must_have_rows(const struct check *check) {
  int cta = 0;
  while (cta < check->view.shape.ctas && check->view.host.first[cta].row_count == 0)
    cta++;
  return check->member == 0 || cta < check->view.shape.ctas;
}

static void free_lists(struct check *check) {
  free(check->items);
  free(check->partials);
  free(check->counts_slices);
  check->items = NULL;
  check->partials = NULL;
  check->counts_slices = NULL;
}

static bool check_member(struct check *check, uint32_t members) {
  const struct planned *planned = check->planned;
  struct trial *trial = check->trial;
  const bool passed = plan_view_open(&check->view, trial, planned->kernel, planned->workspace, check->member) &&
                      plan_view_download(&check->view, trial) && make_lists(check) && check_header(check) &&
                      (!must_have_rows(check) || check_rows(check)) && find_own(check, members) &&
                      plan_check_division(check) && check_units(check) && check_partials(check);
  plan_view_close(&check->view);
  free_lists(check);
  return passed;
}

bool plan_check(struct trial *trial, const struct planned *planned) {
  struct check check = {.trial = trial, .planned = planned, .tokens = planned->first_token};
  const uint32_t members = inside_members(planned->kernel, planned->workspace);
  for (uint32_t request = 0; request < planned->requests; request++)
    check.tokens += planned->q_len[request];
  bool passed = make_room(&check);
  for (; passed && check.member < members; check.member++)
    passed = check_member(&check, members);
  passed = passed && check_owners(&check);
  free_room(&check);
  return passed;
}
