/* A libnvrtc of version VERSION that compiles nothing. LACKING: it is of no use, as nvrtcGetCUBIN is not there. */
#include <nvrtc.h>
#include <string.h>

nvrtcResult nvrtcVersion(int *major, int *minor) {
  *major = VERSION;
  *minor = 0;
  return NVRTC_SUCCESS;
}

const char *nvrtcGetErrorString(nvrtcResult result) {
  (void)result;
  return "the fake compiler fails";
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *name, int count,
                               const char *const *headers, const char *const *names) {
  (void)source;
  (void)name;
  (void)count;
  (void)headers;
  (void)names;
  *program = NULL;
  return NVRTC_ERROR_INTERNAL_ERROR;
}

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  (void)program;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char *const *options) {
  (void)program;
  (void)count;
  (void)options;
  return NVRTC_ERROR_COMPILATION;
}

#define RESULT(what)                                                                                                   \
  nvrtcResult nvrtcGet##what##Size(nvrtcProgram program, size_t *size) {                                               \
    (void)program;                                                                                                     \
    *size = 0;                                                                                                         \
    return NVRTC_SUCCESS;                                                                                              \
  }                                                                                                                    \
  nvrtcResult nvrtcGet##what(nvrtcProgram program, char *bytes) {                                                      \
    (void)program;                                                                                                     \
    (void)bytes;                                                                                                       \
    return NVRTC_SUCCESS;                                                                                              \
  }

RESULT(ProgramLog)
RESULT(PTX)
#ifndef LACKING
RESULT(CUBIN)
#endif
