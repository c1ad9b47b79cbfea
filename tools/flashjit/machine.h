/* What there is on this machine: device, driver, compiler. */
#ifndef TOOLS_FLASHJIT_MACHINE_H
#define TOOLS_FLASHJIT_MACHINE_H

#include "flashjit.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { TARGET_SIZE = sizeof((fi_facts *)NULL)->target };

struct machine {
  char device[128];
  bool simulated;
  int driver; /* 1000 * major + 10 * minor of the CUDA that it is of */
  int sms;
  size_t l2_bytes;
  char target[TARGET_SIZE]; /* that kernels of a context are for */
};

/* The target of a context that is given one; NULL: the library's choice, for which it opens the driver. A status, with
 * its sentence in fi_last_error(). */
fi_status machine_target(const char *given, char target[TARGET_SIZE]);

/*
 * Asks a process of its own, because processes that are started after this one has opened a driver could not use it.
 * `target` is that of the context; NULL: the library's choice. An exit code, after a complaint.
 */
int machine_read(struct machine *machine, const char *target);

/* The members "library", "system", "device" and "nvrtc" of a document: nothing about who or where. */
json_t *machine_json(const struct machine *machine);

#endif
