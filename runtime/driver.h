/* What the runtime asks of the CUDA driver. libcuda and the simulator are two; tests bring their own. */
#ifndef RUNTIME_DRIVER_H
#define RUNTIME_DRIVER_H

#include "flashjit.h"

#include <stdbool.h>
#include <stddef.h>

struct device {
  uint32_t major; /* compute capability */
  uint32_t minor;
  uint32_t sms;
  uint32_t shared_per_block; /* most bytes of shared memory that a CTA can ask for */
};

/* A loaded image and its kernel; both are handles of the driver. */
struct module {
  void *library;
  void *kernel;
};

struct image {
  const void *bytes;
  const char *symbol;
  size_t args_size; /* of the kernel's one argument */
};

/* What a launch of the kernel needs of every device. */
struct shape {
  uint32_t threads;
  uint32_t dynamic_shared;
  bool overlaps; /* may begin while the launch in front of it in the stream ends: the kernel waits for that
                    itself */
  bool pairs;    /* CTAs whose numbers are 2n and 2n + 1 read the same, and run next to each other where the grid has
                    no odd one */
};

struct launch {
  uint32_t ctas;
  struct shape shape;
  const void *args;
  void *stream;
};

enum { MOST_TENSOR_RANK = 5 };

/* A tensor of 16-bit elements in memory, and the boxes that a kernel asks of a map of it. Elements of axis 0 are
 * packed. */
struct tensor {
  uint32_t rank;
  const void *data;
  uint64_t extents[MOST_TENSOR_RANK];
  uint64_t strides[MOST_TENSOR_RANK - 1]; /* of the other axes, in bytes */
  uint32_t box[MOST_TENSOR_RANK];
};

/* All functions that return a status set the thread's error text when it is not FI_OK. */
struct driver {
  bool simulated;
  uint32_t version; /* of CUDA, 13000 for 13.0 */

  /* The CUDA context that is current in this thread, NULL for none. */
  void *(*get_context)(struct driver *self);
  void (*set_context)(struct driver *self, void *context);

  /* The ordinal of the device of the current context. */
  fi_status (*current_device)(struct driver *self, int *ordinal);
  fi_status (*describe_device)(struct driver *self, int ordinal, struct device *device);

  /* Sets *rejected when the image, not the circumstances, is to blame. */
  fi_status (*load)(struct driver *self, const struct image *image, struct module *module, bool *rejected);
  void (*unload)(struct driver *self, const struct module *module);

  /* Loads the code on the device, which is current, and tells how many CTAs fit on one SM. */
  fi_status (*prepare)(struct driver *self, const struct module *module, const struct shape *shape, int ordinal,
                       uint32_t *ctas_per_sm);
  fi_status (*is_capturing)(struct driver *self, void *stream, bool *capturing);

  /* Encodes a map of a tensor, 128 bytes at a multiple of 64: on the host alone, nothing is enqueued. */
  fi_status (*map_tensor)(struct driver *self, const struct tensor *tensor, void *map);
  fi_status (*launch)(struct driver *self, const struct module *module, const struct launch *launch);

  void (*close)(struct driver *self);
};

/* Opens libcuda at a path, or libcuda.so.1 when that is NULL or empty, or the simulator when it is "sim". */
fi_status driver_open(const char *path, struct driver **driver);

#endif
