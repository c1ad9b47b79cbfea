/* Signs with libcrypto. */
#include "cache/ed25519_sign.h"

#include "cache/crypto.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct signing_key {
  struct crypto crypto;
  void *pkey;
};

static bool sign_with(const struct signing_key *key, void *context, const void *bytes, size_t size,
                      unsigned char *signature) {
  size_t signature_size = CACHE_SIGNATURE_SIZE;
  return context && key->crypto.EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) == 1 &&
         key->crypto.EVP_DigestSign(context, signature, &signature_size, bytes, size) == 1 &&
         signature_size == CACHE_SIGNATURE_SIZE;
}

static bool sign(void *user, const void *bytes, size_t size, unsigned char signature[CACHE_SIGNATURE_SIZE],
                 struct cache_reason *reason) {
  const struct signing_key *key = user;
  void *context = key->crypto.EVP_MD_CTX_new();
  const bool is_signed = sign_with(key, context, bytes, size, signature);
  key->crypto.EVP_MD_CTX_free(context);
  return is_signed || cache_refuse(reason, "libcrypto cannot sign");
}

static bool read_key(struct signing_key *key, const char *pem, unsigned char signer[CACHE_SIGNER_SIZE],
                     struct cache_reason *reason) {
  const size_t size = strlen(pem);
  size_t signer_size = CACHE_SIGNER_SIZE;
  void *bio = size < INT_MAX ? key->crypto.BIO_new_mem_buf(pem, (int)size) : NULL;
  key->pkey = bio ? key->crypto.PEM_read_bio_PrivateKey(bio, NULL, NULL, "") : NULL;
  if (bio)
    key->crypto.BIO_free(bio);
  if (key->pkey && key->crypto.EVP_PKEY_get_raw_public_key(key->pkey, signer, &signer_size) == 1 &&
      signer_size == CACHE_SIGNER_SIZE)
    return true;
  return cache_refuse(reason, "no private Ed25519 key, such as 'openssl genpkey -algorithm ed25519' makes");
}

void cache_signing_close(struct cache_signing *signing) {
  struct signing_key *key = signing->context;
  if (!key)
    return;
  if (key->pkey)
    key->crypto.EVP_PKEY_free(key->pkey);
  free(key);
  signing->context = NULL;
}

bool cache_signing_open(struct cache_signing *signing, const char *pem, struct cache_reason *reason) {
  struct signing_key *key = calloc(1, sizeof *key);
  if (!key)
    return cache_refuse(reason, "no memory for a key");
  *signing = (struct cache_signing){.context = key, .sign = sign};
  if (crypto_open(&key->crypto, reason) && read_key(key, pem, signing->signer, reason))
    return true;
  cache_signing_close(signing);
  return false;
}
