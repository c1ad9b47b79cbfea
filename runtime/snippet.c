/* fi_register_snippet. */
#include "generator/snippet.h"

#include "cache/checksum.h"
#include "generator/error.h"

#include <string.h>

fi_status fi_register_snippet(const char *text, uint64_t *hash) {
  if (!hash)
    return error_set(FI_ERROR_ARGUMENT, "hash is NULL");
  fi_status status = snippet_check(text);
  if (status)
    return status;
  const uint64_t found = cache_hash(text, strlen(text));
  if (found == 0)
    return error_set(FI_ERROR_ARGUMENT, "text has the hash 0, which means none; change a comment in it");
  status = snippet_keep(text, found);
  if (!status)
    *hash = found;
  return status;
}
