/* A kernel of its own, in PTX, which needs no compiler. */
#include "tools/bench/ceiling.h"

#include "tools/bench/statistics.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  THREADS = 256,
  CTAS_OF_SM = 8,
  AT_ONCE = 4, /* loads of 16 bytes that a thread has in flight */
  REPEATS = 9,
  LARGE_BYTES = 1 << 30
};

/* Thread i reads words of 16 bytes i, i + threads, ..., and leaves the exclusive or of them at sums[i]. */
static const char image[] = ".version 7.0\n"
                            ".target sm_80\n"
                            ".address_size 64\n"
                            ".visible .entry read_all(.param .u64 data, .param .u64 rounds, .param .u64 sums)\n"
                            "{\n"
                            ".reg .pred %p<2>;\n"
                            ".reg .b32 %r<24>;\n"
                            ".reg .b64 %rd<16>;\n"
                            "ld.param.u64 %rd1, [data];\n"
                            "ld.param.u64 %rd2, [rounds];\n"
                            "ld.param.u64 %rd3, [sums];\n"
                            "mov.u32 %r1, %ctaid.x;\n"
                            "mov.u32 %r2, %ntid.x;\n"
                            "mov.u32 %r3, %tid.x;\n"
                            "mov.u32 %r4, %nctaid.x;\n"
                            "mad.lo.s32 %r5, %r1, %r2, %r3;\n" /* this thread */
                            "mul.lo.s32 %r6, %r4, %r2;\n"      /* threads */
                            "mul.wide.u32 %rd4, %r5, 16;\n"
                            "add.s64 %rd5, %rd1, %rd4;\n"
                            "mul.wide.u32 %rd6, %r6, 16;\n" /* from a thread's word to its next */
                            "mul.wide.u32 %rd7, %r5, 4;\n"
                            "add.s64 %rd8, %rd3, %rd7;\n"
                            "mov.u32 %r7, 0;\n"
                            "mov.u64 %rd9, 0;\n"
                            "again:\n"
                            "add.s64 %rd10, %rd5, %rd6;\n"
                            "add.s64 %rd11, %rd10, %rd6;\n"
                            "add.s64 %rd12, %rd11, %rd6;\n"
                            "ld.global.v4.u32 {%r8, %r9, %r10, %r11}, [%rd5];\n"
                            "ld.global.v4.u32 {%r12, %r13, %r14, %r15}, [%rd10];\n"
                            "ld.global.v4.u32 {%r16, %r17, %r18, %r19}, [%rd11];\n"
                            "ld.global.v4.u32 {%r20, %r21, %r22, %r23}, [%rd12];\n"
                            "xor.b32 %r7, %r7, %r8;\n"
                            "xor.b32 %r7, %r7, %r9;\n"
                            "xor.b32 %r7, %r7, %r10;\n"
                            "xor.b32 %r7, %r7, %r11;\n"
                            "xor.b32 %r7, %r7, %r12;\n"
                            "xor.b32 %r7, %r7, %r13;\n"
                            "xor.b32 %r7, %r7, %r14;\n"
                            "xor.b32 %r7, %r7, %r15;\n"
                            "xor.b32 %r7, %r7, %r16;\n"
                            "xor.b32 %r7, %r7, %r17;\n"
                            "xor.b32 %r7, %r7, %r18;\n"
                            "xor.b32 %r7, %r7, %r19;\n"
                            "xor.b32 %r7, %r7, %r20;\n"
                            "xor.b32 %r7, %r7, %r21;\n"
                            "xor.b32 %r7, %r7, %r22;\n"
                            "xor.b32 %r7, %r7, %r23;\n"
                            "add.s64 %rd5, %rd12, %rd6;\n"
                            "add.s64 %rd9, %rd9, 1;\n"
                            "setp.lt.u64 %p1, %rd9, %rd2;\n"
                            "@%p1 bra again;\n"
                            "st.global.u32 [%rd8], %r7;\n"
                            "ret;\n"
                            "}\n";

struct reading {
  struct device *device;
  void *kernel;
  void *data;
  void *sums;
  unsigned ctas;
  uint64_t rounds;
};

static void launch(struct reading *reading) {
  void *parameters[] = {&reading->data, &reading->rounds, &reading->sums};
  device_launch(reading->device, reading->kernel, reading->ctas, THREADS, parameters);
}

/* Milliseconds of one launch, the median. */
static double time_reading(struct reading *reading) {
  double samples[REPEATS];
  void *begin = device_event_create(reading->device);
  void *end = device_event_create(reading->device);
  launch(reading);
  for (int i = 0; i < REPEATS; i++) {
    device_event_record(reading->device, begin, NULL);
    launch(reading);
    device_event_record(reading->device, end, NULL);
    samples[i] = device_event_elapsed(reading->device, begin, end);
  }
  device_event_destroy(reading->device, begin);
  device_event_destroy(reading->device, end);
  return statistics_summary(samples, REPEATS).median;
}

static uint32_t add_sums(struct reading *reading) {
  const size_t count = (size_t)reading->ctas * THREADS;
  uint32_t *sums = calloc(count, sizeof *sums);
  uint32_t sum = 0;
  if (sums)
    device_download(reading->device, sums, reading->sums, count * sizeof *sums);
  for (size_t i = 0; i < count && sums; i++)
    sum ^= sums[i];
  free(sums);
  return sum;
}

/* A buffer is cut to whole rounds of all threads, one at least. */
static double read_buffer(struct reading *reading, size_t bytes, const uint32_t ends[2], uint32_t *sum) {
  struct device *device = reading->device;
  const size_t threads = (size_t)reading->ctas * THREADS;
  const size_t round = threads * AT_ONCE * 16;
  reading->rounds = bytes / round > 0 ? bytes / round : 1;
  const size_t whole = reading->rounds * round;
  reading->data = device_alloc(device, whole);
  reading->sums = device_alloc(device, threads * sizeof(uint32_t));
  device_fill(device, reading->data, 0, whole);
  device_upload(device, reading->data, &ends[0], sizeof ends[0]);
  device_upload(device, (char *)reading->data + whole - sizeof ends[1], &ends[1], sizeof ends[1]);
  const double milliseconds = time_reading(reading);
  *sum = add_sums(reading);
  device_free(device, reading->data);
  device_free(device, reading->sums);
  return device_failed(device) ? 0 : (double)whole / milliseconds * 1e3;
}

double ceiling_read(struct device *device, size_t bytes, const uint32_t ends[2], uint32_t *sum) {
  char log[256] = "";
  void *library = device_library_load(device, image, log, sizeof log);
  struct reading reading = {.device = device, .ctas = (unsigned)(device->sms * CTAS_OF_SM)};
  double rate = 0;
  *sum = 0;
  if (library) {
    reading.kernel = device_kernel(device, library, "read_all");
    rate = read_buffer(&reading, bytes, ends, sum);
    device_library_unload(device, library);
  } else if (!device_failed(device)) {
    snprintf(device->error, sizeof device->error, "the kernel that reads: %.200s", log);
  }
  return rate;
}

double ceiling_of(struct device *device) {
  static const uint32_t ends[2] = {1, 2};
  uint32_t sum;
  const double rate = device->simulated ? 0 : ceiling_read(device, LARGE_BYTES, ends, &sum);
  const bool is_known = !device_failed(device) && rate > 0 && sum == 3;
  device_recover(device);
  return is_known ? rate : 0;
}
