/* Little-endian integers in byte arrays of any alignment. */
#ifndef FLASHJIT_CACHE_BYTES_H
#define FLASHJIT_CACHE_BYTES_H

#include <stddef.h>
#include <stdint.h>

static inline void bytes_put(unsigned char *at, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; i++)
    at[i] = (unsigned char)(value >> (8 * i));
}

/* Two lower-case digits a byte, and the closing zero. */
static inline void bytes_print_hex(const unsigned char *bytes, size_t size, char *hex) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
  hex[2 * size] = '\0';
}

static inline uint64_t bytes_get(const unsigned char *at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++)
    value |= (uint64_t)at[i] << (8 * i);
  return value;
}

static inline uint16_t bytes_get_u16(const unsigned char *at) {
  return (uint16_t)bytes_get(at, 2);
}

static inline uint32_t bytes_get_u32(const unsigned char *at) {
  return (uint32_t)bytes_get(at, 4);
}

static inline uint64_t bytes_get_u64(const unsigned char *at) {
  return bytes_get(at, 8);
}

#endif
