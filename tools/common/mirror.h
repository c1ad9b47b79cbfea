/* Memory that the host and the device both have a copy of. */
#ifndef TOOLS_COMMON_MIRROR_H
#define TOOLS_COMMON_MIRROR_H

#include "tools/common/device.h"

struct mirror {
  void *host;
  void *device;
  size_t bytes;
};

/* What nothing has written reads as NaN in every dtype. */
enum { POISON = 0xff };

/* False when there is no memory for it; both copies hold POISON. Without a device, NULL, there is the host's alone. */
bool mirror_create(struct mirror *mirror, struct device *device, size_t bytes);
void mirror_free(struct mirror *mirror, struct device *device);

/* The first bytes, to the device and back. */
void mirror_upload(const struct mirror *mirror, struct device *device, size_t bytes);
void mirror_download(const struct mirror *mirror, struct device *device, size_t bytes);

/* Bytes from an offset on. */
void mirror_download_part(const struct mirror *mirror, struct device *device, size_t offset, size_t bytes);

/* Whether both copies are equal; else, or when the device has failed, false and the first byte that differs. */
bool mirror_is_equal(const struct mirror *mirror, struct device *device, size_t *offset);

#endif
