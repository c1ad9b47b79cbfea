/* The functions of libcrypto in use, without its headers: their types have been the same since OpenSSL 1.1.1. */
#ifndef FLASHJIT_CACHE_CRYPTO_H
#define FLASHJIT_CACHE_CRYPTO_H

#include "cache/reason.h"

#include <stddef.h>

enum { CRYPTO_ED25519 = 1087 }; /* NID_ED25519, for ever */

#define CRYPTO_FUNCTIONS(FUNCTION)                                                                                     \
  FUNCTION(void *, EVP_PKEY_new_raw_public_key, (int type, void *engine, const unsigned char *key, size_t size))       \
  FUNCTION(int, EVP_PKEY_get_raw_public_key, (const void *pkey, unsigned char *key, size_t *size))                     \
  FUNCTION(void, EVP_PKEY_free, (void *pkey))                                                                          \
  FUNCTION(void *, EVP_MD_CTX_new, (void))                                                                             \
  FUNCTION(void, EVP_MD_CTX_free, (void *context))                                                                     \
  FUNCTION(int, EVP_DigestVerifyInit,                                                                                  \
           (void *context, void **pkey_context, const void *type, void *engine, void *pkey))                           \
  FUNCTION(                                                                                                            \
      int, EVP_DigestVerify,                                                                                           \
      (void *context, const unsigned char *signature, size_t signature_size, const unsigned char *bytes, size_t size)) \
  FUNCTION(int, EVP_DigestSignInit, (void *context, void **pkey_context, const void *type, void *engine, void *pkey))  \
  FUNCTION(int, EVP_DigestSign,                                                                                        \
           (void *context, unsigned char *signature, size_t *signature_size, const unsigned char *bytes, size_t size)) \
  FUNCTION(void *, BIO_new_mem_buf, (const void *bytes, int size))                                                     \
  FUNCTION(int, BIO_free, (void *bio))                                                                                 \
  FUNCTION(void *, PEM_read_bio_PrivateKey, (void *bio, void **pkey, void *callback, void *user))

struct crypto {
#define CRYPTO_POINTER(result, name, parameters) result(*name) parameters;
  CRYPTO_FUNCTIONS(CRYPTO_POINTER)
#undef CRYPTO_POINTER
};

/* Opens libcrypto for the rest of the process. */
bool crypto_open(struct crypto *crypto, struct cache_reason *reason);

#endif
