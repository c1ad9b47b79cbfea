/* Where the driver's library is, and where the simulator is. */
#include "runtime/driver_path.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DRIVER_FILE "libcuda.so.1"
#define SIMULATOR_FILE "libflashjit-sim.so"

static void *open_library(const char *path) {
  return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* Opens the simulator in the folder of a file. */
static void *open_beside(const char *file) {
  char path[PATH_MAX];
  const char *slash = strrchr(file, '/');
  const int folder = slash ? (int)(slash - file) : 0;
  if (!slash || snprintf(path, sizeof path, "%.*s/%s", folder, file, SIMULATOR_FILE) >= (int)sizeof path)
    return NULL;
  return access(path, R_OK) == 0 ? open_library(path) : NULL;
}

static void *open_beside_this_library(void) {
  Dl_info info;
  return dladdr((void *)(uintptr_t)driver_path_open, &info) && info.dli_fname ? open_beside(info.dli_fname) : NULL;
}

static void *open_beside_program(void) {
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0)
    return NULL;
  program[length] = '\0';
  return open_beside(program);
}

static void *open_simulator(void) {
  void *library = open_beside_this_library();
  if (!library)
    library = open_beside_program();
  return library ? library : open_library(SIMULATOR_FILE);
}

void *driver_path_open(const char *path, bool *simulated) {
  const bool given = path && *path;
  const bool by_name = given && strcmp(path, "sim") == 0;
  *simulated = by_name || (given && strstr(path, SIMULATOR_FILE));
  if (by_name)
    return open_simulator();
  return open_library(given ? path : DRIVER_FILE);
}
