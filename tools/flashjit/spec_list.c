/* Collecting specs. */
#include "tools/flashjit/spec_list.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/describe.h"
#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct spec_list *list, const fi_spec *spec) {
  if (list->count == list->room) {
    size_t room = list->room > 0 ? 2 * list->room : 64;
    fi_spec *specs = realloc(list->specs, room * sizeof *specs);
    if (!specs) {
      complain("out of memory");
      return CLI_FAILED;
    }
    list->specs = specs;
    list->room = room;
  }
  list->specs[list->count++] = *spec;
  return CLI_OK;
}

void spec_list_free(struct spec_list *list) {
  free(list->specs);
  *list = (struct spec_list){0};
}

/* ------------------------------------------------------------------------------------------------ model */

static bool is_listed(const struct spec_list *list, const char *text) {
  for (size_t i = 0; i < list->count; i++) {
    char other[FI_SPEC_TEXT_SIZE];
    if (fi_spec_print(&list->specs[i], other, sizeof other) == FI_OK && strcmp(text, other) == 0)
      return true;
  }
  return false;
}

static int add_once(struct spec_list *list, const fi_spec *spec) {
  char text[FI_SPEC_TEXT_SIZE];
  if (fi_spec_print(spec, text, sizeof text)) {
    complain("%s", fi_last_error());
    return CLI_FAILED;
  }
  return is_listed(list, text) ? CLI_OK : add(list, spec);
}

/* The spec of open rows, where it has more kernels than one. */
static int add_mix(struct spec_list *list, const struct model_layer *layer, uint32_t page_size, const char *target) {
  fi_spec wider;
  fi_spec mix = layer->spec;
  mix.page_size = page_size;
  return fi_spec_member(&mix, target, 1, &wider) == FI_OK ? add_once(list, &mix) : CLI_OK;
}

static int add_layer(struct spec_list *list, const struct model_layer *layer, uint32_t page_size, const char *target) {
  const bool has_indexer = layer_indexer_supported(layer, page_size, target);
  int code = CLI_OK;
  for (enum role role = 0; role < ROLE_COUNT && code == CLI_OK; role++) {
    fi_spec spec;
    if (role == ROLE_INDEXER && layer_has_role(layer, ROLE_DECODE))
      code = add_mix(list, layer, page_size, target);
    if (code != CLI_OK || !layer_has_role(layer, role) || (role >= ROLE_INDEXER && !has_indexer))
      continue;
    role_spec(layer, page_size, role, target, &spec);
    code = add_once(list, &spec);
  }
  return code;
}

/* The plan kernels of the list: the plainest, and those that specs need besides. */
static int add_plans(struct spec_list *list, const char *target) {
  const size_t asked = list->count;
  fi_spec plan = plan_spec();
  int code = add_once(list, &plan);
  for (size_t i = 0; i < asked && code == CLI_OK; i++) {
    if (plan_spec_of(&list->specs[i], target, &plan))
      code = add_once(list, &plan);
  }
  return code;
}

int spec_list_model(struct spec_list *list, const struct model_options *options, const char *target) {
  struct model *model = model_load(options);
  int code = model ? CLI_OK : CLI_FAILED;
  const size_t before = list->count;
  for (uint32_t i = 0; code == CLI_OK && i < model->kinds; i++) {
    if (describe_layer(model, &model->layers[i], options->page_size, target))
      code = add_layer(list, &model->layers[i], options->page_size, target);
  }
  if (code == CLI_OK && list->count > before) {
    code = add_plans(list, target);
  } else if (code == CLI_OK) {
    complain("%s: no kind of layer has a kernel", options->model.path);
    code = CLI_FAILED;
  }
  free(model);
  return code;
}

/* ------------------------------------------------------------------------------------------------ file */

static int add_line(struct spec_list *list, const struct input_lines *lines) {
  fi_spec spec;
  char *line = lines->text;
  line[strcspn(line, "\r\n")] = '\0';
  line += strspn(line, " \t");
  if (line[0] == '\0' || line[0] == '#')
    return CLI_OK;
  if (fi_spec_parse(line, &spec)) {
    complain("%s:%zu: %s", lines->path, lines->number, fi_last_error());
    return CLI_FAILED;
  }
  return add(list, &spec);
}

int spec_list_file(struct spec_list *list, const char *path) {
  struct input_lines lines;
  int code = CLI_OK;
  if (input_lines_open(&lines, path)) {
    while (code == CLI_OK && input_lines_next(&lines))
      code = add_line(list, &lines);
  }
  if (input_lines_close(&lines))
    return code;
  complain("%s", problem_last());
  return CLI_FAILED;
}
