/* What an item of a plan should have. */
#include "tests/matrix/plan_items.h"

int plan_step_tokens(const struct check *check) {
  const uint32_t split = check->planned->workspace->split_tokens;
  return split ? (int)split : check->view.shape.step_tokens;
}

/* The KV that items of a row have: what it sees, or all of its list if it sees anything; both where there are two KVs.
 */
static struct fi_interval planned_kv(const struct check *check, int row) {
  const struct planned *planned = check->planned;
  const struct fi_interval seen = check->seen[row];
  const bool has_second = planned->spec->second_page > 0;
  if (!planned->spec->select || (seen.first == seen.end && !has_second))
    return seen;
  const int32_t *lengths = planned->masks->selected_len;
  const uint32_t length = lengths ? (uint32_t)lengths[row] : planned->workspace->max_selected;
  const int beside = has_second ? seen.end - seen.first : 0;
  return (struct fi_interval){0, beside + (int)(length * planned->spec->select)};
}

struct fi_interval plan_kv_of(const struct check *check, const struct fi_item *item) {
  struct fi_interval seen = {INT32_MAX, 0};
  for (int row = item->row_begin; row < item->row_begin + item->row_count; row++) {
    const struct fi_interval own = planned_kv(check, row);
    if (own.first == own.end)
      continue;
    seen.first = least(seen.first, own.first);
    seen.end = most(seen.end, own.end);
  }
  return seen.end > 0 ? seen : (struct fi_interval){0, 0};
}

int plan_first_of_steps(const struct check *check, const struct fi_item *item) {
  const int begin = plan_kv_of(check, item).first;
  return begin - begin % check->view.shape.start_tokens;
}

bool plan_item_fails(const struct check *check, const struct fi_item *item, const char *why) {
  return trial_fail(check->trial, "item of head %d, rows %d + %u, KV %d to %d, unit %d, part %d: %s", item->kv_head,
                    item->row_begin, item->row_count, item->kv_begin, item->kv_end, item->unit, item->part, why);
}

int plan_next_own(const struct check *check, int row) {
  while (row < (int)check->tokens && !check->is_own[row])
    row++;
  return row;
}

bool plan_is_queued(const struct check *check) {
  const struct fi_item *first = check->view.host.first;
  return first->row_count > 0 && first->next == FI_NEXT_CLAIMED;
}
