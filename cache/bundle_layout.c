/* What reader and maker of bundles share. */
#include "cache/bundle_layout.h"

const unsigned char bundle_magic[BUNDLE_MAGIC_SIZE] = {'F', 'I', 'B', 'U', 'N', 'D', '\r', '\n'};
