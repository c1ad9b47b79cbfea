/* What the verbs of `flashjit bundle` share. */
#ifndef TOOLS_FLASHJIT_BUNDLE_H
#define TOOLS_FLASHJIT_BUNDLE_H

#include "tools/flashjit/option_table.h"

extern const struct cli_command bundle_create, bundle_ls, bundle_verify, bundle_install;

#endif
