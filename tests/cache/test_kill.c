/* kill -9 at every call of a publication and of the eviction that follows it: what is found afterwards is right, and
 * the store works on. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cache_kill, .init = scratch_begin, .fini = scratch_end);

enum { OLD = 4, NEW = OLD };

/* Less than the entries have, so that the publication of the last one evicts others. */
static const uint64_t budget = 256 * 4000;

static struct cache_store *open_store(const char *root, const struct cache_io *io) {
  struct cache_reason reason;
  struct cache_config config = {.user = root, .budget = budget, .sync = true};
  struct cache_store *store = cache_store_open(&config, io, &reason);
  cr_assert_not_null(store);
  return store;
}

/* Entries that were not evicted when they were published, for then there was room. */
static void fill(const char *root) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  for (unsigned i = 0; i < OLD; i++) {
    const struct cache_key key = sample_key(i);
    char *path = entry_file(root, &key, SAMPLE_TOOLCHAIN);
    cr_assert(publish_sample(store, i) && file_set_age(path, 1000 - (long)i));
    free(path);
  }
  cache_store_close(store);
}

/* In a child: opens, finds, locks, publishes, evicts. Dies at the call, or returns their count. */
static unsigned publish_until(const char *root, unsigned kill_at) {
  struct fault state = {.operations = FAULT_ALL, .kill_at = kill_at};
  struct cache_io io = fault_io(&state);
  struct cache_store *store = open_store(root, &io);
  struct cache_lock lock;
  struct cache_reason reason;
  const struct cache_key key = sample_key(NEW);
  finds_sample(store, 0);
  cache_store_lock(store, &key, 0, &lock, &reason);
  publish_sample(store, NEW);
  cache_store_unlock(store, &lock);
  const uint64_t evicted = cache_store_counters(store).evicted;
  cache_store_close(store);
  cr_assert_gt(evicted, 0, "nothing was evicted");
  return state.calls;
}

/* Whether the child was killed. */
static bool child_is_killed(const char *root, unsigned kill_at) {
  int status;
  const pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    publish_until(root, kill_at);
    _exit(0);
  }
  cr_assert_eq(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void expect_usable(const char *root, unsigned kill_at) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  for (unsigned i = 0; i <= NEW; i++) {
    finds_sample(store, i);
    cr_expect_eq(cache_store_counters(store).damaged, 0, "call %u: sample %u is damaged", kill_at, i);
    cr_expect(publish_sample(store, i) && finds_sample(store, i), "call %u: sample %u", kill_at, i);
  }
  cache_store_close(store);
}

Test(cache_kill, at_every_call) {
  char *first = scratch_path("none");
  fill(first);
  const unsigned calls = publish_until(first, 0);
  cr_assert_gt(calls, 30, "only %u calls", calls);
  free(first);
  cr_log_info("%u calls", calls);
  for (unsigned kill_at = 1; kill_at <= calls; kill_at++) {
    char name[32];
    snprintf(name, sizeof name, "at-%u", kill_at);
    char *root = scratch_path(name);
    fill(root);
    cr_expect(child_is_killed(root, kill_at), "call %u of %u", kill_at, calls);
    expect_usable(root, kill_at);
    free(root);
  }
}
