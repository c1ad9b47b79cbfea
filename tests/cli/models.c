/* Reading models, with assertions. */
#include "models.h"

#include "files.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <string.h>

const struct model *read_choice(const struct model_choice *choice) {
  static struct model model;
  cr_assert(model_read(choice, &model), "%s", problem_last());
  return &model;
}

const struct model *read_text(const char *text) {
  const struct model_choice choice = {.path = scratch_file("config.json", text)};
  return read_choice(&choice);
}

void expect_refused_config(const char *text, const char *part) {
  static struct model model;
  const struct model_choice choice = {.path = scratch_file("config.json", text)};
  cr_expect_not(model_read(&choice, &model), "%s should be refused: %s", text, part);
  cr_expect(strncmp(problem_last(), choice.path, strlen(choice.path)) == 0 && strstr(problem_last(), part),
            "\"%s\" is not in \"%s\"", part, problem_last());
}

const struct model_layer *kind_of(const struct model *model, uint32_t number) {
  cr_assert_lt(number, model->kinds, "%u kinds of layers", model->kinds);
  return &model->layers[number];
}

void expect_note(const struct model *model, const char *part) {
  for (uint32_t i = 0; i < model->notes.count; i++) {
    if (strstr(model->notes.text[i], part))
      return;
  }
  cr_expect_fail("no note has \"%s\"; the first is \"%s\"", part, model->notes.count > 0 ? model->notes.text[0] : "");
}
