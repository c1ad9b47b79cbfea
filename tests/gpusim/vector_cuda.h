/* Cases in CUDA C++, by the compiler and with the options of the library. */
#ifndef GPUSIM_VECTOR_CUDA_H
#define GPUSIM_VECTOR_CUDA_H

#include "vectors.h"

/* Whether there is a compiler: FLASHJIT_NVRTC, else one that the loader finds. */
bool vector_cuda_available(void);

/* The text of the case as a whole kernel; its length, as snprintf counts it. */
size_t vector_cuda_source(const struct vector_case *vector, char *text, size_t bytes);

/* The source as a library on the device; NULL with the reason in why. */
void *vector_cuda_load(struct device *device, const char *source, char *why, size_t why_bytes);

#endif
