/* Pairs of host and device memory. */
#include "tools/common/mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mirror_create(struct mirror *mirror, struct device *device, size_t bytes) {
  mirror->bytes = bytes;
  mirror->host = malloc(bytes + 1);
  mirror->device = device_alloc(device, bytes);
  if (!mirror->host && !device_failed(device))
    snprintf(device->error, sizeof device->error, "no host memory for %zu bytes", bytes);
  if (device_failed(device))
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
