/* A program outside the project: compiled and linked against an installed flashjit only. */
#include <flashjit.h>

#include <stdio.h>

int main(void) {
  const uint32_t header = FLASHJIT_VERSION_MAJOR * 1000000 + FLASHJIT_VERSION_MINOR * 1000 + FLASHJIT_VERSION_PATCH;
  fi_spec spec;

  if (fi_library_version() != header) {
    return 1;
  }
  fi_spec_init(&spec);
  if (fi_spec_supported(&spec, "sm_90a") != FI_OK) {
    fprintf(stderr, "%s\n", fi_last_error());
    return 1;
  }
  return 0;
}
