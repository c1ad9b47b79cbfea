/* Lists of targets. */
#include "tests/matrix/targets.h"
#include "tools/flashjit/problem.h"

#include <stdio.h>
#include <string.h>

static bool add(struct target_list *targets, const struct target *target) {
  if (!target || targets->count == MOST_TARGETS)
    return false;
  targets->of[targets->count++] = target;
  return true;
}

uint32_t targets_find(const struct target_list *targets, const struct target *target) {
  uint32_t number = 0;
  while (number < targets->count && targets->of[number] != target)
    number++;
  return number;
}

void targets_of_form(bool ptx, struct target_list *targets) {
  const struct target *target;
  *targets = (struct target_list){0};
  for (uint32_t i = 0; (target = target_at(i)); i++) {
    if (target->ptx == ptx)
      add(targets, target);
  }
}

/* "compute_90a" is for that architecture alone. */
static bool is_portable(const struct target *target) {
  return target->name[strlen(target->name) - 1] != 'a';
}

bool targets_to_run(const char *own, bool is_simulated, struct target_list *targets) {
  struct target_list all;
  *targets = (struct target_list){0};
  targets_of_form(true, &all);
  if (!add(targets, target_find(own)))
    return false;
  for (uint32_t i = 0; i < all.count; i++) {
    const struct target *target = all.of[i];
    const bool is_older = target->arch < targets->of[0]->arch && is_portable(target);
    if ((is_simulated || is_older) && targets_find(targets, target) == targets->count)
      add(targets, target);
  }
  return true;
}

bool targets_parse(const char *text, struct target_list *targets) {
  *targets = (struct target_list){0};
  while (*text) {
    char name[32];
    const size_t length = strcspn(text, ",");
    snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, text);
    if (!add(targets, target_find(name))) {
      return problem_set("there is no target \"%.*s\"", (int)length, text);
    }
    text += length + (text[length] == ',');
  }
  return true;
}
