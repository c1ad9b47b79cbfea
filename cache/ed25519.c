/* Opens libcrypto and checks signatures. */
#include "cache/ed25519.h"

#include "cache/crypto.h"

#include <dlfcn.h>
#include <string.h>

static const char *const crypto_names[] = {"libcrypto.so.3", "libcrypto.so.1.1"};

static void *open_library(void) {
  void *library = NULL;
  for (size_t i = 0; !library && i < sizeof crypto_names / sizeof *crypto_names; i++)
    library = dlopen(crypto_names[i], RTLD_NOW | RTLD_LOCAL);
  return library;
}

/* The library stays open: it has state that outlives what is asked of it. */
bool crypto_open(struct crypto *crypto, struct cache_reason *reason) {
  void *library = open_library();
  if (!library)
    return cache_refuse(reason, "signatures need libcrypto, which cannot be opened: %s", dlerror());
  void *symbol;
#define FIND(result, name, parameters)                                                                                 \
  symbol = dlsym(library, #name);                                                                                      \
  memcpy(&crypto->name, &symbol, sizeof symbol);                                                                       \
  if (!symbol)                                                                                                         \
    return cache_refuse(reason, "libcrypto lacks " #name);
  CRYPTO_FUNCTIONS(FIND)
#undef FIND
  return true;
}

static bool check_with(const struct crypto *crypto, void *pkey, const void *bytes, size_t size,
                       const unsigned char *signature) {
  void *context = crypto->EVP_MD_CTX_new();
  const bool matches = context && crypto->EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
                       crypto->EVP_DigestVerify(context, signature, CACHE_SIGNATURE_SIZE, bytes, size) == 1;
  crypto->EVP_MD_CTX_free(context);
  return matches;
}

bool cache_ed25519_check(const unsigned char signer[CACHE_SIGNER_SIZE], const void *bytes, size_t size,
                         const unsigned char signature[CACHE_SIGNATURE_SIZE], struct cache_reason *reason) {
  struct crypto crypto;
  if (!crypto_open(&crypto, reason))
    return false;
  void *pkey = crypto.EVP_PKEY_new_raw_public_key(CRYPTO_ED25519, NULL, signer, CACHE_SIGNER_SIZE);
  if (!pkey)
    return cache_refuse(reason, "libcrypto does not take the public key");
  const bool matches = check_with(&crypto, pkey, bytes, size, signature);
  crypto.EVP_PKEY_free(pkey);
  return matches || cache_refuse(reason, "the signature does not match");
}

/* The value of a digit; -1: it is none. */
static int hex_digit(char digit) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *at = digit ? strchr(digits, digit) : NULL;
  return at ? (int)(at - digits) % 16 : -1;
}

bool cache_signer_parse(const char *text, unsigned char signer[CACHE_SIGNER_SIZE]) {
  if (strlen(text) != 2 * CACHE_SIGNER_SIZE)
    return false;
  for (size_t i = 0; i < CACHE_SIGNER_SIZE; i++) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    signer[i] = (unsigned char)(high << 4 | low);
  }
  return true;
}
