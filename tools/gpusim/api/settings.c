/* Reads the settings once, and again when a test asks for it. */
#include "api/settings.h"

#include "exec/launch.h"
#include "gpusim.h"
#include "tools/common/number.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct variable {
  const char *name;
  size_t offset; /* in sim_configuration */
  uint64_t fallback;
  uint64_t minimum;
  uint64_t maximum;
};

#define VARIABLE(name, field) name, offsetof(struct sim_configuration, field)

static const struct variable variables[] = {
    {VARIABLE("FLASHJIT_SIM_QUIET", quiet), 0, 0, 1},
    {VARIABLE("FLASHJIT_SIM_CHECKS", checks), 1, 0, 1},
    {VARIABLE("FLASHJIT_SIM_SEED", seed), 0, 0, UINT64_MAX},
    {VARIABLE("FLASHJIT_SIM_LIMIT", block_limit), UINT64_C(1) << 32, 1, UINT64_MAX},
    {VARIABLE("FLASHJIT_SIM_ARCH", architecture), 90, 80, 129},
    {VARIABLE("FLASHJIT_SIM_DEVICES", devices), 1, 1, SIM_MAX_DEVICES},
    {VARIABLE("FLASHJIT_SIM_SMS", multiprocessors), 4, 1, 1024},
    {VARIABLE("FLASHJIT_SIM_THREADS", threads), 0, 1, SIM_MAX_WORKERS},
};

static struct sim_configuration settings;
static char problem[256]; /* the first value that is not allowed; its setting has the default */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void refuse(const struct variable *variable, const char *text) {
  if (!problem[0])
    snprintf(problem, sizeof problem, "flashjit simulator: %s is \"%.40s\"; allowed are %" PRIu64 " to %" PRIu64,
             variable->name, text, variable->minimum, variable->maximum);
}

static void read_settings(void) {
  problem[0] = '\0';
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
    const struct variable *variable = &variables[i];
    uint64_t *field = (uint64_t *)(void *)((char *)&settings + variable->offset);
    const char *text = getenv(variable->name);
    const bool given = text && *text;
    if (given && parse_number(text, variable->minimum, variable->maximum, field))
      continue;
    *field = variable->fallback;
    if (given)
      refuse(variable, text);
  }
}

const struct sim_configuration *sim_settings(void) {
  pthread_once(&once, read_settings);
  return &settings;
}

const char *sim_settings_problem(void) {
  sim_settings();
  return problem[0] ? problem : NULL;
}

__attribute__((visibility("default"))) void gpusim_configure(void) {
  pthread_once(&once, read_settings);
  read_settings();
}
