/* Reads the settings once, and again when a test asks for it. */
#include "settings.h"

#include "gpusim.h"

#include <pthread.h>
#include <stdlib.h>

enum { DEFAULT_ARCHITECTURE = 90, DEFAULT_MULTIPROCESSORS = 4 };
#define DEFAULT_LIMIT (UINT64_C(1) << 32)

static sim_configuration settings;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t number(const char *name, uint64_t fallback) {
  const char *text = getenv(name);
  return text && *text ? strtoull(text, NULL, 10) : fallback;
}

static void read_settings(void) {
  settings = (sim_configuration){
      .checks = number("FLASHJIT_SIM_CHECKS", 1) != 0,
      .quiet = number("FLASHJIT_SIM_QUIET", 0) != 0,
      .seed = number("FLASHJIT_SIM_SEED", 0),
      .block_limit = number("FLASHJIT_SIM_LIMIT", DEFAULT_LIMIT),
      .architecture = (uint32_t)number("FLASHJIT_SIM_ARCH", DEFAULT_ARCHITECTURE),
      .multiprocessors = (uint32_t)number("FLASHJIT_SIM_SMS", DEFAULT_MULTIPROCESSORS),
  };
}

const sim_configuration *sim_settings(void) {
  pthread_once(&once, read_settings);
  return &settings;
}

__attribute__((visibility("default"))) void gpusim_configure(void) {
  pthread_once(&once, read_settings);
  read_settings();
}
