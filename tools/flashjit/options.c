/* Values of shared options. */
#include "tools/flashjit/options.h"

#include "tests/dtypes.h"
#include "tools/common/number.h"
#include "tools/flashjit/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char model_option_title[] = "Of a model:";

const struct cli_option model_option_rows[] = {
    {"model", 0, "CONFIG.json", "its Hugging Face config, or the folder with it", OPTION_MODEL},
    {"tp", 0, "N", "GPUs that share its heads; default: 1", OPTION_TP},
    {"kv-dtype", 0, "TYPE",
     "auto, f16, bf16, e4m3, e5m2, int8, int4 or nvfp4 in the cache, or types of K and V\n"
     "as in int8/int4; of latents and of K that is V also groups or e8m0: e4m3 with\n"
     "scales of groups, as in tokens of DeepSeek-V3.2 (656 bytes) or V4 (584). Default:\n"
     "auto, which is what the config says, else the model's type",
     OPTION_KV_DTYPE},
    {"page-size", 0, "N", "tokens of a cache page, 0 for none; default: 16", OPTION_PAGE_SIZE},
    {"text-only", 0, NULL, "no images: their positions and masks are left out", OPTION_TEXT_ONLY},
    {"set", 0, "FIELD=VALUE", "a field of the language model, in place of the file's; null takes it out", OPTION_SET},
    {"snippet", 0, "FILE",
     "C text with a function of scores, logit or (weight:FILE) weight, which flashjit.h\n"
     "explains; attention of the model calls it. 'run' has no parameters for it",
     OPTION_SNIPPET},
    {0},
};

/* Types that are named after their scales. */
static uint32_t grouped_scale(const char *text) {
  return strcmp(text, "groups") == 0 ? FI_SCALE_GROUP : strcmp(text, "e8m0") == 0 ? FI_SCALE_E8M0 : FI_SCALE_NONE;
}

/* One type, or those of K and V with a slash between. */
static bool option_kv_dtype(const char *command, const char *text, struct model_choice *model) {
  model->kv_scale = grouped_scale(text);
  model->kv_dtype = model->v_dtype = model->kv_scale ? FI_E4M3 : FI_DTYPE_DEFAULT;
  if (model->kv_scale || strcmp(text, "auto") == 0)
    return true;
  char name[16];
  const char *slash = strchr(text, '/');
  snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
  model->kv_dtype = dtype_find(name);
  model->v_dtype = slash ? dtype_find(slash + 1) : model->kv_dtype;
  if (model->kv_dtype == FI_DTYPE_DEFAULT || model->v_dtype == FI_DTYPE_DEFAULT)
    usage_error(
        command,
        "--kv-dtype is \"%s\"; allowed are auto, f16, bf16, e4m3, e5m2, int8, int4, nvfp4, groups, e8m0, and types "
        "of K and V such as int8/int4",
        text);
  return model->kv_dtype != FI_DTYPE_DEFAULT && model->v_dtype != FI_DTYPE_DEFAULT;
}

/* The library's bound. */
static uint32_t largest_page(void) {
  fi_axis axis = {.struct_size = sizeof axis};
  for (uint32_t i = 0; fi_axis_describe(i, &axis) == FI_OK; i++) {
    if (strcmp(axis.key, "page") == 0)
      return axis.maximum;
  }
  return 0;
}

static bool option_setting(const char *command, const char *text, struct model_options *options) {
  const size_t used = strlen(options->settings);
  if (!strchr(text, '=') || text[0] == '=' || strchr(text, '\n')) {
    usage_error(command, "--set is \"%s\", not FIELD=VALUE", text);
    return false;
  }
  const int length = snprintf(options->settings + used, sizeof options->settings - used, "%s\n", text);
  if ((size_t)length < sizeof options->settings - used)
    return true;
  usage_error(command, "--set: more than %zu characters together", sizeof options->settings);
  return false;
}

static bool number_option(const char *command, const char *name, const char *text, uint64_t minimum, uint64_t maximum,
                          uint32_t *value) {
  uint64_t number = 0;
  const bool is_number = option_number(command, name, text, minimum, maximum, &number);
  *value = (uint32_t)number;
  return is_number;
}

void model_options_init(struct model_options *options) {
  *options = (struct model_options){.page_size = 16};
}

bool model_option(const char *command, int code, const char *text, struct model_options *options) {
  switch (code) {
  case OPTION_MODEL:
    options->model.path = text;
    return true;
  case OPTION_TP:
    return number_option(command, "--tp", text, 1, 1024, &options->model.devices);
  case OPTION_KV_DTYPE:
    return option_kv_dtype(command, text, &options->model);
  case OPTION_PAGE_SIZE:
    return number_option(command, "--page-size", text, 0, largest_page(), &options->page_size);
  case OPTION_SNIPPET:
    return snippet_option(command, text, &options->snippet);
  case OPTION_TEXT_ONLY:
    options->model.text_only = true;
    return true;
  default:
    options->model.settings = options->settings;
    return option_setting(command, text, options);
  }
}

/* By the plan kernel, which every target has. */
bool option_target(const char *command, const char *text) {
  const fi_spec plan = plan_spec();
  const bool known = fi_spec_supported(&plan, text) == FI_OK;
  if (!known)
    usage_error(command, "--target: %s", fi_last_error());
  return known;
}

bool option_number(const char *command, const char *option, const char *text, uint64_t minimum, uint64_t maximum,
                   uint64_t *number) {
  bool is_number = parse_number(text, minimum, maximum, number);
  if (!is_number)
    usage_error(command, "%s is \"%s\"; allowed are %" PRIu64 " to %" PRIu64, option, text, minimum, maximum);
  return is_number;
}
