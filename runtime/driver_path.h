/* Finds the driver's library. */
#ifndef RUNTIME_DRIVER_PATH_H
#define RUNTIME_DRIVER_PATH_H

#include <stdbool.h>

/*
 * Opens the library at a path; libcuda.so.1 when that is NULL or empty; the simulator when it is "sim":
 * beside this library, beside the program, or wherever the loader finds it. NULL, and dlerror() has the
 * reason, when there is none.
 */
void *driver_path_open(const char *path, bool *simulated);

#endif
