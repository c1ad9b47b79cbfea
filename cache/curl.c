/* Opens libcurl. */
#include "cache/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static const char *const curl_names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};

/* What the first call found. The library stays open: it has state that outlives what is asked of it. */
static struct curl curl;
static bool is_open;
static struct cache_reason why_not;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find_functions(void *library) {
  void *symbol;
#define FIND(result, name, parameters)                                                                                 \
  symbol = dlsym(library, #name);                                                                                      \
  memcpy(&curl.name, &symbol, sizeof symbol);                                                                          \
  if (!symbol)                                                                                                         \
    return cache_refuse(&why_not, "libcurl lacks " #name);
  CURL_FUNCTIONS(FIND)
#undef FIND
  return true;
}

static void open_once(void) {
  void *library = NULL;
  for (size_t i = 0; !library && i < sizeof curl_names / sizeof *curl_names; i++)
    library = dlopen(curl_names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library)
    cache_refuse(&why_not, "it needs libcurl, which cannot be opened: %s", dlerror());
  else if (find_functions(library))
    is_open = curl.curl_global_init(CURL_INIT_ALL) == CURL_OK || cache_refuse(&why_not, "libcurl cannot be used");
}

const struct curl *curl_open(struct cache_reason *reason) {
  pthread_once(&once, open_once);
  if (is_open)
    return &curl;
  cache_refuse(reason, "%s", why_not.text);
  return NULL;
}
