/* Lines that begin with #. */
#include "tools/flashjit/describe.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/roles.h"

#include <stdio.h>
#include <stdlib.h>

struct model *model_load(const struct model_options *options) {
  struct model *model = malloc(sizeof *model);
  if (!model) {
    complain("out of memory");
    return NULL;
  }
  if (!model_read(&options->model, model)) {
    complain("%s", problem_last());
    free(model);
    return NULL;
  }
  for (uint32_t i = 0; i < model->kinds; i++)
    snippet_set(&options->snippet, &model->layers[i].spec);
  for (uint32_t i = 0; i < model->notes.count; i++)
    fprintf(stderr, "# %s: %s\n", model->name, model->notes.text[i]);
  if (options->model.devices > 1)
    fprintf(stderr, "# %s: heads of one of %u GPUs\n", model->name, options->model.devices);
  return model;
}

bool describe_layer(const struct model *model, const struct model_layer *layer, uint32_t page_size,
                    const char *target) {
  char text[512];
  char numbers[256];
  if (!layer->layer.attends) {
    fprintf(stderr, "# %s: %u layers of %s %s: %s\n", model->name, layer->count, layer->kind,
            layer->layer.is_known ? "need no kernel" : "skipped", layer->layer.reason);
    return false;
  }
  layer_text(&layer->layer, text, sizeof text);
  model_numbers(layer, numbers, sizeof numbers);
  fprintf(stderr, "# %s: %u layers of %s, %s (layers %s)\n", model->name, layer->count, layer->kind, text, numbers);
  if (!layer_indexer_supported(layer, page_size, target))
    fprintf(stderr, "# %s: the indexer of %s has no kernel: %s\n", model->name, layer->kind, problem_last());
  if (layer_supported(layer, page_size, target))
    return true;
  fprintf(stderr, "# %s: %u layers of %s skipped: %s\n", model->name, layer->count, layer->kind, problem_last());
  return false;
}
