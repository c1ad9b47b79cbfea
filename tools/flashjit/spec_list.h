/* A list of specs for the subcommands that go through many: from a model or from a file. */
#ifndef TOOLS_FLASHJIT_SPEC_LIST_H
#define TOOLS_FLASHJIT_SPEC_LIST_H

#include "tools/flashjit/options.h"

struct spec_list {
  fi_spec *specs;
  size_t count;
  size_t room;
};

void spec_list_free(struct spec_list *list);

/*
 * Each adds to the list and complains on stderr when it cannot; the result is an exit code.
 *
 * The kernels of a model's layers, by role and for any mix of lengths, and their plan kernels, each text once. The
 * kinds of layers are described on stderr, with the reason where one has no kernel; it is a failure when none has.
 */
int spec_list_model(struct spec_list *list, const struct model_options *options, const char *target);

/* One spec a line; empty lines and lines that begin with # are skipped. "-" is standard input. */
int spec_list_file(struct spec_list *list, const char *path);

#endif
