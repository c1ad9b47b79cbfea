/* Checks a spec against axes.def and brings it into its canonical form. */
#include "spec.h"

#include "abi.h"
#include "axes.h"
#include "error.h"
#include "tile_choice.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct rule {
  const char *field;
  const char *other;
  bool (*refuses)(const fi_spec *spec);
  const char *reason;
};

/* Functions and rows pair up by the line of their RULE. */
#define NAME(line) refuses_##line
#define REFUSES(line) NAME(line)

#define RULE(field, other, refused, reason)                                                                            \
  static bool REFUSES(__LINE__)(const fi_spec *spec) {                                                                 \
    return refused;                                                                                                    \
  }
#include "axes.def"

static const struct rule rules[] = {
#define RULE(field, other, refused, reason) {#field, #other, REFUSES(__LINE__), reason},
#include "axes.def"
};

void fi_spec_init(fi_spec *spec) {
  *spec = (fi_spec){.struct_size = sizeof *spec};
  const struct axis *axis;
  for (uint32_t i = 0; (axis = axis_at(i)); i++)
    axis_set(axis, spec, axis->constant);
}

static fi_status check_value(const struct axis *axis, uint32_t value) {
  if (axis_allows(axis, value))
    return FI_OK;
  char allowed[ERROR_LIST_SIZE];
  axis_print_allowed(axis, allowed, sizeof allowed);
  return error_set(FI_ERROR_SPEC, "%s is %u; allowed: %s", axis->field, value, allowed);
}

static fi_status settle_axis(const struct axis *axis, fi_spec *spec) {
  const uint32_t value = axis_get(axis, spec);
  if (value != 0 && axis_matters(axis, spec))
    return check_value(axis, value);
  axis_set(axis, spec, axis_default(axis, spec));
  return FI_OK;
}

/* The hash is no axis: it names a text, and is there when the axis `snippet` says so. */
static fi_status settle_snippet(fi_spec *spec) {
  if (spec->op != FI_OP_ATTENTION)
    spec->snippet_hash = 0;
  if ((spec->snippet == FI_SNIPPET_NONE) == (spec->snippet_hash == 0))
    return FI_OK;
  if (spec->snippet_hash)
    return error_set(FI_ERROR_SPEC, "snippet_hash is %016" PRIx64 " with snippet none; allowed: 0", spec->snippet_hash);
  return error_set(FI_ERROR_SPEC, "snippet_hash is 0 with snippet %s; allowed: what fi_register_snippet gives",
                   axis_value_name(axis_find_field("snippet", strlen("snippet")), spec->snippet));
}

static fi_status check_rule(const struct rule *rule, const fi_spec *spec) {
  if (!rule->refuses(spec))
    return FI_OK;
  const struct axis *axis = axis_find_field(rule->field, strlen(rule->field));
  const struct axis *other = axis_find_field(rule->other, strlen(rule->other));
  char value[32];
  char other_value[32];
  axis_print_value(axis, axis_get(axis, spec), value, sizeof value);
  axis_print_value(other, axis_get(other, spec), other_value, sizeof other_value);
  return error_set(FI_ERROR_UNSUPPORTED, "%s is %s with %s %s: %s", rule->field, value, rule->other, other_value,
                   rule->reason);
}

fi_status spec_canonical(const fi_spec *in, fi_spec *out) {
  fi_status status = abi_check(ABI_spec, in);
  if (status != FI_OK)
    return status;
  *out = *in;
  status = check_value(axis_at(0), out->op); /* before anything asks what the op reads */
  const struct axis *axis;
  for (uint32_t i = 1; status == FI_OK && (axis = axis_at(i)); i++)
    status = settle_axis(axis, out);
  if (status == FI_OK)
    status = settle_snippet(out);
  for (size_t i = 0; status == FI_OK && i < sizeof rules / sizeof *rules; i++)
    status = check_rule(&rules[i], out);
  return status;
}

fi_status spec_find_target(const char *name, const struct target **target) {
  *target = target_find(name);
  if (*target)
    return FI_OK;
  char names[ERROR_LIST_SIZE] = "";
  size_t used = 0;
  const struct target *known;
  for (uint32_t i = 0; (known = target_at(i)) && used < sizeof names; i++)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", known->name);
  return error_set(FI_ERROR_UNSUPPORTED, "target is %s; allowed: %s", name, names);
}

fi_status fi_spec_supported(const fi_spec *spec, const char *target) {
  fi_spec canonical;
  fi_status status = spec_canonical(spec, &canonical);
  const struct target *found = NULL;
  if (status == FI_OK && target)
    status = spec_find_target(target, &found);
  struct tile tile;
  if (status == FI_OK)
    status = tile_plan(&canonical, found, 0, &tile);
  return status;
}
