/* The public way to a kernel's text. */
#include "error.h"
#include "render.h"
#include "spec.h"

#include <string.h>

static fi_status render(const fi_spec *spec, const char *name, struct source *source) {
  fi_spec canonical;
  fi_status status = spec_canonical(spec, &canonical);
  const struct target *target = NULL;
  if (status == FI_OK)
    status = spec_find_target(name ? name : "sm_90a", &target);
  if (status == FI_OK)
    status = render_source(&canonical, target, 0, source);
  return status;
}

fi_status fi_kernel_source(const fi_spec *spec, const char *target, char *text, size_t *size) {
  if (!size)
    return error_set(FI_ERROR_ARGUMENT, "size is NULL");
  struct source source = {0};
  const fi_status status = render(spec, target, &source);
  if (status)
    return status;
  const size_t room = text ? *size : 0;
  *size = source.size + 1;
  if (room >= *size)
    memcpy(text, source.text, *size);
  source_free(&source);
  if (text && room < *size)
    return error_set(FI_ERROR_ARGUMENT, "size is less than the source needs");
  return FI_OK;
}
