/* What the simulator's tests share: the driver functions it gives out, device buffers and NVRTC. */
#ifndef GPUSIM_FIXTURE_H
#define GPUSIM_FIXTURE_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens the simulator on first use. Unknown functions fail the test. */
void *sim_function(const char *name);

size_t sim_report_text(char *buffer, size_t bytes);
void sim_forget_fault(void);

/* Sets an environment variable and lets the simulator read its settings again. */
void sim_set(const char *name, const char *value);

/* Makes the simulator the GPU that PTX of e.g. "compute_120a" is for. */
void sim_become(const char *architecture);

/* The library is unloaded when the process ends. */
CUresult sim_load(const char *ptx, CUlibrary *library);
CUkernel sim_kernel(CUlibrary library, const char *name);

CUdeviceptr sim_buffer(size_t bytes); /* undefined */
CUdeviceptr sim_upload(const void *data, size_t bytes);
void sim_download(void *data, CUdeviceptr buffer, size_t bytes); /* works after a fault too */

/* Launches with the given parameters and returns what synchronising says. */
CUresult sim_launch(CUkernel kernel, unsigned blocks, unsigned threads, unsigned dynamic_shared, void **parameters);

/* Compiles CUDA C++ for e.g. "compute_80". Returns NULL when there is no NVRTC, after saying so; source
 * errors fail the test. The caller frees the text. `definition` is a -D option or NULL. */
char *compile_cuda(const char *source, const char *architecture, const char *definition);

/* IEEE half as a number, and the nearest half of one, both by definition. */
double half_value(uint16_t bits);
uint16_t half_nearest(double value);

#endif
