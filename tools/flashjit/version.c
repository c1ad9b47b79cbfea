/* flashjit --version: the library, and which compiler and driver it would find. */
#include "tools/flashjit/version.h"

#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"

#include "flashjit.h"
#include "tools/common/device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*nvrtc_version_function)(int *major, int *minor);
typedef int (*nvrtc_number_function)(int *number);
typedef int (*nvrtc_list_function)(int *archs);

enum { MOST_ARCHS = 256 };

/* The library's own search: FLASHJIT_NVRTC, then these. */
static const char *const nvrtc_names[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

/* Left open: the process ends soon. */
static void *open_nvrtc(const char **path) {
  const char *chosen = getenv("FLASHJIT_NVRTC");
  *path = chosen;
  if (chosen && chosen[0])
    return dlopen(chosen, RTLD_NOW | RTLD_LOCAL);
  void *library = NULL;
  for (size_t i = 0; !library && i < sizeof nvrtc_names / sizeof *nvrtc_names; i++) {
    *path = nvrtc_names[i];
    library = dlopen(*path, RTLD_NOW | RTLD_LOCAL);
  }
  return library;
}

int nvrtc_version(const char **path) {
  void *library = open_nvrtc(path);
  void *symbol = library ? dlsym(library, "nvrtcVersion") : NULL;
  nvrtc_version_function version;
  int major = 0;
  int minor = 0;
  memcpy(&version, &symbol, sizeof symbol);
  return symbol && version(&major, &minor) == 0 ? major * 1000 + minor * 10 : 0;
}

bool nvrtc_compiles(int arch) {
  const char *path;
  void *library = open_nvrtc(&path);
  void *number_symbol = library ? dlsym(library, "nvrtcGetNumSupportedArchs") : NULL;
  void *list_symbol = library ? dlsym(library, "nvrtcGetSupportedArchs") : NULL;
  nvrtc_number_function number;
  nvrtc_list_function list;
  int archs[MOST_ARCHS];
  int count = 0;
  int i = 0;
  memcpy(&number, &number_symbol, sizeof number_symbol);
  memcpy(&list, &list_symbol, sizeof list_symbol);
  if (!number_symbol || !list_symbol || number(&count) || count > MOST_ARCHS || list(archs))
    return false;
  while (i < count && archs[i] != arch)
    i++;
  return i < count;
}

void library_version(char text[LIBRARY_VERSION_SIZE]) {
  const uint32_t version = fi_library_version();
  snprintf(text, LIBRARY_VERSION_SIZE, "%u.%u.%u", version / 1000000, version / 1000 % 1000, version % 1000);
}

static void print_nvrtc(void) {
  const char *path;
  const int version = nvrtc_version(&path);
  if (version)
    printf("nvrtc    %d.%d (%s)\n", version / 1000, version % 1000 / 10, path);
  else
    puts("nvrtc    not found: only cached kernels can be loaded");
}

int command_version(void) {
  char library[LIBRARY_VERSION_SIZE];
  bool simulated;
  int driver = device_driver_version(NULL, &simulated);
  library_version(library);
  printf("flashjit %s\n", library);
  print_nvrtc();
  if (driver == 0)
    puts("driver   not found: kernels can be compiled but not run");
  else
    printf("driver   %d.%d%s\n", driver / 1000, driver % 1000 / 10, simulated ? " (the simulator)" : "");
  return CLI_OK;
}
