/* The templates in the library. They are packed, because their texts would be half of its file. */
#include "cache/lz.h"
#include "generator/templates.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_whole;

bool templates_unpack(const struct template_pack *pack) {
  return cache_lz_unpack(pack->packed, pack->packed_size, pack->texts, pack->size);
}

static void unpack_once(void) {
  is_whole = templates_unpack(&templates_packed);
}

const struct template_set *templates_embedded(void) {
  pthread_once(&once, unpack_once);
  return is_whole ? &templates_packed.set : NULL;
}
