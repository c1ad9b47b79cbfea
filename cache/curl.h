/* The functions of libcurl in use and its numbers, without its headers: they have been the same since 7.32. */
#ifndef FLASHJIT_CACHE_CURL_H
#define FLASHJIT_CACHE_CURL_H

#include "cache/reason.h"

enum {
  CURL_INIT_ALL = 3,      /* CURL_GLOBAL_DEFAULT */
  CURL_WHY_SIZE = 256,    /* CURL_ERROR_SIZE */
  CURL_STATUS = 0x200002, /* CURLINFO_RESPONSE_CODE, a long */
  CURL_HTTP = 1,          /* CURLPROTO_HTTP */
  CURL_HTTPS = 2
};

/* CURLE_*. */
enum { CURL_OK = 0, CURL_REFUSED_BY_STATUS = 22 };

/* CURLOPT_*. Up to 9999 the value is a long, from 10000 a pointer, from 20000 a function, from 30000 an int64_t. */
enum {
  CURL_FAIL_ON_ERROR = 45,
  CURL_FOLLOW_LOCATION = 52,
  CURL_VERIFY_PEER = 64,
  CURL_VERIFY_HOST = 81,
  CURL_NO_SIGNAL = 99,
  CURL_TIMEOUT_MS = 155,
  CURL_CONNECT_TIMEOUT_MS = 156,
  CURL_PROTOCOLS = 181,
  CURL_WRITE_DATA = 10001,
  CURL_URL = 10002,
  CURL_WHY_BUFFER = 10010,
  CURL_POST_FIELDS = 10015,
  CURL_USER_AGENT = 10018,
  CURL_HEADERS = 10023,
  CURL_METHOD = 10036,
  CURL_CA_FILE = 10065,
  CURL_WRITE_FUNCTION = 20011,
  CURL_MOST_BYTES = 30117,
  CURL_POST_SIZE = 30120
};

#define CURL_FUNCTIONS(FUNCTION)                                                                                       \
  FUNCTION(int, curl_global_init, (long flags))                                                                        \
  FUNCTION(void *, curl_easy_init, (void))                                                                             \
  FUNCTION(void, curl_easy_cleanup, (void *handle))                                                                    \
  FUNCTION(int, curl_easy_setopt, (void *handle, int option, ...))                                                     \
  FUNCTION(int, curl_easy_perform, (void *handle))                                                                     \
  FUNCTION(int, curl_easy_getinfo, (void *handle, int info, ...))                                                      \
  FUNCTION(const char *, curl_easy_strerror, (int code))                                                               \
  FUNCTION(void *, curl_slist_append, (void *list, const char *text))                                                  \
  FUNCTION(void, curl_slist_free_all, (void *list))

struct curl {
#define CURL_POINTER(result, name, parameters) result(*name) parameters;
  CURL_FUNCTIONS(CURL_POINTER)
#undef CURL_POINTER
};

/* Opens libcurl at the first call, for the rest of the process. NULL, with the reason, when it cannot be opened. */
const struct curl *curl_open(struct cache_reason *reason);

#endif
