/* Pairs of host and device memory. */
#include "tools/common/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mirror_create(struct mirror *mirror, struct device *device, size_t bytes) {
  mirror->bytes = bytes;
  mirror->host = malloc(bytes + 1);
  mirror->device = device_alloc(device, bytes);
  if (!mirror->host && device && !device_failed(device))
    snprintf(device->error, sizeof device->error, "no host memory for %zu bytes", bytes);
  if (!mirror->host || device_failed(device))
    return false;
  memset(mirror->host, POISON, bytes);
  device_fill(device, mirror->device, POISON, bytes);
  return !device_failed(device);
}

void mirror_free(struct mirror *mirror, struct device *device) {
  free(mirror->host);
  device_free(device, mirror->device);
  *mirror = (struct mirror){0};
}

void mirror_upload(const struct mirror *mirror, struct device *device, size_t bytes) {
  device_upload(device, mirror->device, mirror->host, bytes);
}

void mirror_download(const struct mirror *mirror, struct device *device, size_t bytes) {
  device_download(device, mirror->host, mirror->device, bytes);
}

void mirror_download_part(const struct mirror *mirror, struct device *device, size_t offset, size_t bytes) {
  device_download(device, (char *)mirror->host + offset, (char *)mirror->device + offset, bytes);
}

static size_t first_difference(const unsigned char *a, const unsigned char *b, size_t bytes) {
  size_t at = 0;
  if (memcmp(a, b, bytes) == 0)
    return bytes;
  while (a[at] == b[at])
    at++;
  return at;
}

bool mirror_is_equal(const struct mirror *mirror, struct device *device, size_t *offset) {
  enum { PART = 1 << 24 };
  unsigned char *part = malloc(PART);
  if (!part && !device_failed(device))
    snprintf(device->error, sizeof device->error, "out of memory");
  bool is_equal = true;
  *offset = 0;
  while (*offset < mirror->bytes && is_equal && !device_failed(device)) {
    const size_t bytes = mirror->bytes - *offset < PART ? mirror->bytes - *offset : PART;
    device_download(device, part, (const char *)mirror->device + *offset, bytes);
    const size_t same = first_difference(part, (const unsigned char *)mirror->host + *offset, bytes);
    is_equal = same == bytes;
    *offset += same;
  }
  free(part);
  return is_equal && !device_failed(device);
}
