/* What a measurement captures, on the simulator, whose times mean nothing. */
#include "tools/common/timing.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST_LAUNCHES = 64 };

struct calls {
  uint32_t sets[MOST_LAUNCHES]; /* of each launch */
  uint32_t count;
  uint32_t fails_at; /* the launch that fails */
  void *stream;
};

static struct device device;
static void *stream;
static struct calls calls;

static void open_stream(void) {
  cr_assert(device_open(&device, "sim"), "%s", device.error);
  stream = device_stream_create(&device);
  calls = (struct calls){.fails_at = MOST_LAUNCHES};
}

static void close_stream(void) {
  device_stream_destroy(&device, stream);
  device_close(&device);
}

TestSuite(timing, .init = open_stream, .fini = close_stream);

static bool note_launch(void *user, uint32_t set, void *on) {
  struct calls *noted = user;
  noted->sets[noted->count] = set;
  noted->stream = on;
  return noted->count++ != noted->fails_at;
}

static bool measure(uint32_t sets, uint32_t launches, uint32_t replays, struct timing *timing) {
  const struct timed timed = {
      .launch = note_launch, .user = &calls, .sets = sets, .launches = launches, .replays = replays};
  return time_launches(&device, stream, &timed, timing);
}

/* Every set is launched equally often, in turn; replays launch nothing anew. */
Test(timing, sets_take_turns) {
  struct timing timing;
  cr_expect(measure(5, 12, 7, &timing));
  cr_expect_eq(calls.count, 15);
  for (uint32_t i = 0; i < calls.count; i++)
    cr_expect_eq(calls.sets[i], i % 5, "launch %u is of set %u", i, calls.sets[i]);
  cr_expect_eq(calls.stream, stream);
}

Test(timing, median_lies_between) {
  struct timing timing;
  cr_expect(measure(1, 1, 9, &timing));
  cr_expect_gt(timing.least, 0);
  cr_expect_leq(timing.least, timing.median);
  cr_expect_leq(timing.median, timing.most);
  cr_expect_lt(timing.most, 1e6, "%g us for nothing", timing.most);
  cr_expect(measure(1, 1, 1, &timing));
  cr_expect_eq(timing.least, timing.most);
}

/* No further launch follows, and the stream is no longer being captured. */
Test(timing, failed_launch) {
  struct timing timing;
  calls.fails_at = 2;
  cr_expect_not(measure(1, 8, 3, &timing));
  cr_expect_eq(calls.count, 3);
  cr_expect_not(device_failed(&device));
  device_sync(&device, stream);
  cr_expect_not(device_failed(&device), "%s", device.error);
}

Test(timing, failed_device) {
  struct timing timing;
  strcpy(device.error, "an earlier failure");
  cr_expect_not(measure(1, 1, 1, &timing));
  cr_expect_str_eq(device.error, "an earlier failure");
}
