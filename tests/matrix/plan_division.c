/* The division of a plan's items among CTAs: even shares, or a queue. */
#include "tests/matrix/plan_items.h"

#include "tests/matrix/batch_case.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------------ shares */

/* What a CTA has. */
struct share {
  int steps;    /* 0: no work */
  int units;    /* that begin in it */
  int sections; /* that they lie in */
};

/* What the shares have. */
struct balance {
  int shares; /* with work */
  int sections;
  int steps;
  int units;
  int smallest;
  int largest;
};

/* What an item counts in its share: the steps of its KV, and in a unit's first item what the unit costs
 * besides. */
static int steps_of(const struct check *check, const struct fi_item *item) {
  const int step = plan_step_tokens(check);
  const int begins = item->kv_begin == plan_kv_of(check, item).first ? check->view.shape.unit_steps : 0;
  const int first = plan_first_of_steps(check, item);
  return begins + most(1, (item->kv_end - first + step - 1) / step - (item->kv_begin - first) / step);
}

/* Whether an item goes on where the one before it ends, on the line of heads, their rows, and their KV. */
static bool goes_on(const struct check *check, const struct fi_item *before, const struct fi_item *item) {
  const int row_end = before->row_begin + before->row_count;
  if (item->kv_head == before->kv_head && item->row_begin == before->row_begin)
    return item->kv_begin == before->kv_end;
  if (row_end < 1 || row_end > (int)check->tokens || before->kv_end != plan_kv_of(check, before).end ||
      item->kv_begin != plan_kv_of(check, item).first)
    return false;
  const int row = plan_next_own(check, row_end);
  if (row < (int)check->tokens)
    return item->kv_head == before->kv_head && item->row_begin == row;
  return item->kv_head == before->kv_head + 1 &&
         item->row_begin == plan_next_own(check, (int)check->planned->first_token);
}

/* The head whose KV it reads: tiles of several heads of the plan may share one. */
static int kv_head_of(const struct check *check, const struct fi_item *item) {
  return item->kv_head / (int)check->view.shape.group_shares;
}

/*
 * Lists the items of a CTA, and counts their steps and sections: a share of a section is one part of its
 * line, whose heads follow each other where a plan may have sections.
 */
static bool take_share(struct check *check, const struct fi_item *first, struct share *share) {
  const uint64_t items = check->view.shape.items;
  *share = (struct share){.sections = 1};
  if (first->row_count == 0)
    return true;
  for (const struct fi_item *item = first, *next;; item = next) {
    if (check->item_count == items)
      return trial_fail(check->trial, "shares overlap: they have more items than there are");
    check->items[check->item_count++] = item;
    share->steps += steps_of(check, item);
    share->units += item->kv_begin == plan_kv_of(check, item).first;
    if (item->next == -1)
      return true;
    if (item->next < 0 || (uint64_t)item->next >= items)
      return trial_fail(check->trial, "an item is followed by item %d of %llu", item->next, (unsigned long long)items);
    next = &check->view.host.items[item->next];
    const bool begins_section = check->view.shape.most_sections > 1 && !goes_on(check, item, next);
    if (begins_section && kv_head_of(check, item) == kv_head_of(check, next))
      return plan_item_fails(check, next, "two sections have its KV head");
    share->sections += begins_section;
  }
}

/* Every CTA has a share of every section. A CTA alone has all of them in one part. */
static bool check_sections(const struct check *check, const struct balance *balance) {
  const int ctas = check->view.shape.ctas;
  const int due = check->planned->least_sections;
  if (balance->sections > check->view.shape.most_sections)
    return trial_fail(check->trial, "a share is in %d parts, for at most %d sections", balance->sections,
                      check->view.shape.most_sections);
  if (balance->sections > 1 && balance->shares < ctas)
    return trial_fail(check->trial, "only %d of %d CTAs have shares of %d sections", balance->shares, ctas,
                      balance->sections);
  if (ctas > 1 && balance->sections < due)
    return trial_fail(check->trial, "the plan has %d sections, fewer than %d", balance->sections, due);
  return true;
}

/* Steps of the longest unit, whose items are all those of its rows and head. */
static int longest_unit(const struct check *check) {
  int longest = 0;
  for (uint64_t i = 0; i < check->item_count; i++) {
    int steps = 0;
    for (uint64_t j = 0; j < check->item_count; j++) {
      const struct fi_item *item = check->items[j];
      if (item->row_begin == check->items[i]->row_begin && item->kv_head == check->items[i]->kv_head)
        steps += steps_of(check, item);
    }
    longest = most(longest, steps);
  }
  return longest;
}

/* Whether units of a large tile are to stay whole: the longest is hardly longer than an even share. */
static bool stay_whole(const struct check *check, const struct balance *balance) {
  enum { WORTH = 4 }; /* steps that are worth a partial */
  if (check->view.shape.most_sections == 1 || balance->sections > 1 || balance->units == 0 ||
      balance->units > check->view.shape.ctas)
    return false;
  const int longest = longest_unit(check);
  return longest - balance->steps / check->view.shape.ctas <= least(WORTH, longest / 8);
}

/* Whether no unit is cut, since all are short and fill the SMs: as in templates/plan/shares.cuh. */
static bool has_whole_units(const struct check *check, const struct balance *balance) {
  enum { SHORT_UNIT = 32 };
  const int ctas = check->view.shape.ctas;
  return balance->shares == balance->units && balance->steps <= balance->units * SHORT_UNIT &&
         balance->units * check->view.shape.sm_ctas >= ctas - ctas / 10;
}

/*
 * Shares of a section differ by a step, a cut may be moved by less than the least piece at both ends, and up
 * to a tenth of the shares may be left out, and those that would have few steps. Or they are whole units.
 */
static bool check_balance(const struct check *check, const struct balance *balance) {
  if (stay_whole(check, balance))
    return balance->shares == balance->units ||
           trial_fail(check->trial, "%d units are cut into %d shares", balance->units, balance->shares);
  const int moved = most(check->view.shape.least_piece, 1) - 1;
  const int wanted = least(check->view.shape.ctas, balance->steps / check->view.shape.share_steps);
  if (balance->shares > 0 && balance->largest - balance->smallest > balance->sections * (1 + 4 * moved))
    return trial_fail(check->trial, "the shares of %d sections have %d to %d steps", balance->sections,
                      balance->smallest, balance->largest);
  if (moved == 0 && balance->shares < wanted - wanted / 10 && !has_whole_units(check, balance))
    return trial_fail(check->trial, "only %d of %d CTAs have a share of %d steps", balance->shares,
                      check->view.shape.ctas, balance->steps);
  return true;
}

/*
 * Units are not cut into more pieces than eight unless each is of some steps, or the pieces are merged in groups: there
 * are no more shares than that.
 */
static bool check_count_of_shares(const struct check *check, const struct balance *balance) {
  enum { FEW_PIECES = 8 };
  const int worth = least(check->view.shape.share_steps, balance->steps / (FEW_PIECES * most(balance->units, 1)));
  const bool grouped = least(check->view.shape.ctas, balance->steps) > PARTS_AT_ONCE * balance->units;
  if (grouped || balance->sections > 1 || balance->shares * most(worth, 1) <= most(balance->steps, 1))
    return true;
  return trial_fail(check->trial, "%d shares of %d steps of %d units, less than %d each", balance->shares,
                    balance->steps, balance->units, worth);
}

/*
 * Where tiles divide the query heads of a KV head, CTAs next to each other have shares of one and the other, if there
 * are as many of each: of all CTAs, since shares without steps cannot be told from CTAs without shares.
 */
static bool check_neighbours(const struct check *check, const struct balance *balance) {
  const struct plan_shape *shape = &check->view.shape;
  const int tiles = (int)shape->group_shares;
  if (!shape->merges_together || balance->sections > 1 || balance->shares < shape->ctas ||
      shape->ctas % (tiles * (int)check->planned->workspace->kv_heads) != 0)
    return true;
  for (int cta = 0; cta < shape->ctas; cta++) {
    const struct fi_item *first = &check->view.host.first[cta];
    if (first->kv_head % tiles != cta % tiles)
      return plan_item_fails(check, first, "its CTA is not next to those of the other heads of its KV head");
  }
  return true;
}

static bool check_shares(struct check *check) {
  struct balance balance = {.smallest = INT32_MAX};
  for (int cta = 0; cta < check->view.shape.ctas; cta++) {
    struct share share;
    if (!take_share(check, &check->view.host.first[cta], &share))
      return false;
    if (share.steps == 0)
      continue;
    if (balance.shares > 0 && share.sections != balance.sections)
      return trial_fail(check->trial, "CTA %d has work in %d sections, those before it in %d", cta, share.sections,
                        balance.sections);
    balance.shares++;
    balance.sections = share.sections;
    balance.steps += share.steps;
    balance.units += share.units;
    balance.smallest = least(balance.smallest, share.steps);
    balance.largest = most(balance.largest, share.steps);
  }
  return check_sections(check, &balance) && check_balance(check, &balance) &&
         check_count_of_shares(check, &balance) && check_neighbours(check, &balance);
}

/* ------------------------------------------------------------------------------------------------ queue */

/* What comes last in a queue is short, and units are many, but not requests; as in templates/plan/queue.cuh. */
enum { LAST_STEPS = 16, LEAST_UNITS = 4, MOST_QUEUED = 256 };

/* Every CTA begins with the item of its number. */
static bool check_first(const struct check *check, const struct fi_queue *queue) {
  const struct plan_view *view = &check->view;
  if (queue->first != least(view->shape.ctas, queue->count) || queue->next != queue->first)
    return trial_fail(check->trial, "the queue begins at %d and %d, for %d CTAs and %d items", queue->first,
                      queue->next, view->shape.ctas, queue->count);
  for (int cta = 0; cta < view->shape.ctas; cta++) {
    const struct fi_item *first = &view->host.first[cta];
    if (cta >= queue->first ? first->row_count > 0 : memcmp(first, &view->host.items[cta], sizeof *first) != 0)
      return plan_item_fails(check, first, "a CTA does not begin with its item of the queue");
  }
  return true;
}

/* Of a request's tiles on a head, those further back come first. */
static bool is_in_order(const struct check *check, int number) {
  const struct fi_item *item = &check->view.host.items[number];
  for (int i = number - 1; i >= 0; i--) {
    const struct fi_item *before = &check->view.host.items[i];
    if (before->kv_head == item->kv_head && check->request_of[before->row_begin] == check->request_of[item->row_begin])
      return before->row_begin > item->row_begin;
  }
  return true;
}

/* Takes all items of a queue: whole units, the longest no longer than a share and the last ones short. */
static bool check_queue(struct check *check) {
  const struct plan_view *view = &check->view;
  const struct fi_queue *queue = view->host.queue;
  int64_t steps = 0;
  int longest = 0;
  if (queue->count < 1 || (uint64_t)queue->count > view->shape.items)
    return trial_fail(check->trial, "the queue has %d of %llu items", queue->count,
                      (unsigned long long)view->shape.items);
  for (int i = 0; i < queue->count; i++) {
    const struct fi_item *item = &view->host.items[i];
    if (item->next != FI_NEXT_CLAIMED || item->part != -1 || item->unit < 0 ||
        (uint64_t)item->unit >= view->shape.units)
      return plan_item_fails(check, item, "it is no whole unit of a queue");
    if (!is_in_order(check, i))
      return plan_item_fails(check, item, "it comes after a tile before it");
    check->items[check->item_count++] = item;
    steps += steps_of(check, item);
    longest = most(longest, steps_of(check, item));
  }
  const struct fi_item *last = &view->host.items[queue->count - 1];
  if (longest > steps / view->shape.ctas || steps_of(check, last) > LAST_STEPS ||
      queue->count < LEAST_UNITS * view->shape.ctas || check->planned->requests > MOST_QUEUED)
    return plan_item_fails(check, last, "even shares would be better than a queue");
  return check_first(check, queue);
}

bool plan_check_division(struct check *check) {
  if (plan_is_queued(check))
    return check_queue(check);
  if (check->planned->queue_pays)
    return trial_fail(check->trial, "even shares, where a queue would be better");
  return check_shares(check);
}
