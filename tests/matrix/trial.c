/* Failures and random numbers of a job. */
#include "tests/matrix/trial.h"

#include <dlfcn.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool trial_fail(struct trial *trial, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  if (!trial->why[0])
    vsnprintf(trial->why, sizeof trial->why, format, arguments);
  va_end(arguments);
  return false;
}

/* Whether a loaded library is the simulator; keeps its path. */
static int is_simulator(struct dl_phdr_info *library, size_t size, void *path) {
  (void)size;
  if (!strstr(library->dlpi_name, "libflashjit-sim.so"))
    return 0;
  *(const char **)path = library->dlpi_name;
  return 1;
}

/* The simulator's account of a fault: "" when another driver is open, or nothing was wrong. */
static void read_fault(char *text, size_t size) {
  size_t (*report)(char *, size_t) = NULL;
  const char *path = NULL;
  text[0] = '\0';
  dl_iterate_phdr(is_simulator, &path);
  void *simulator = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
  if (!simulator)
    return;
  void *symbol = dlsym(simulator, "gpusim_report");
  memcpy(&report, &symbol, sizeof report);
  if (report)
    report(text, size);
  dlclose(simulator);
}

bool trial_ok(struct trial *trial, const char *what, fi_status status) {
  char fault[TRIAL_WHY_SIZE - 512];
  if (status == FI_OK && !device_failed(&trial->device))
    return true;
  read_fault(fault, sizeof fault);
  return trial_fail(trial, "%s: %s%s%s", what, status ? fi_last_error() : trial->device.error, fault[0] ? "\n" : "",
                    fault);
}

bool trial_name_failure(struct trial *trial, const char *name) {
  char why[TRIAL_WHY_SIZE];
  memcpy(why, trial->why, sizeof why);
  snprintf(trial->why, sizeof trial->why, "%s: %.*s", name, TRIAL_WHY_SIZE - 64, why);
  return false;
}

uint32_t trial_between(struct trial *trial, uint32_t least, uint32_t most) {
  return least + random_below(&trial->random, most - least + 1);
}

bool trial_chance(struct trial *trial, uint32_t times) {
  return random_below(&trial->random, times) == 0;
}
