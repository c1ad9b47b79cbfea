/* Single flight between processes, and that nobody ever waits for long. */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cache_lock, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static enum cache_lock_result lock_sample(struct cache_store *store, unsigned number, uint32_t wait_ms,
                                          struct cache_lock *lock) {
  struct cache_key key = sample_key(number);
  struct cache_reason reason;
  return cache_store_lock(store, &key, wait_ms, lock, &reason);
}

/* Also within one store, as between two threads that share it. */
Test(cache_lock, one_holder_per_key) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_lock first, second, other;
  cr_expect_eq(lock_sample(store, 1, 0, &first), CACHE_LOCK_HELD);
  cr_expect_eq(lock_sample(store, 1, 0, &second), CACHE_LOCK_BUSY);
  cache_store_unlock(store, &second);
  cr_expect_eq(lock_sample(store, 1, 0, &second), CACHE_LOCK_BUSY, "unlocking what is not held does nothing");
  cr_expect_eq(lock_sample(store, 2, 0, &other), CACHE_LOCK_HELD);
  cache_store_unlock(store, &first);
  cr_expect_eq(lock_sample(store, 1, 0, &second), CACHE_LOCK_HELD);
  cache_store_unlock(store, &second);
  cache_store_unlock(store, &other);
  cache_store_close(store);
  char *file = scratch_path("flashjit.lock");
  cr_expect(file_exists(file), "never deleted");
  free(file);
}

Test(cache_lock, waiting_ends) {
  struct fault state = {.fake_clock = true};
  struct cache_io io = fault_io(&state);
  struct cache_store *holder = store_on(scratch, &cache_io_posix), *waiter = store_on(scratch, &io);
  struct cache_lock held, wanted;
  cr_assert_eq(lock_sample(holder, 1, 0, &held), CACHE_LOCK_HELD);
  static const uint32_t waits[] = {0, 1, 10, 1000, 123457};
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
    state.clock_ms = 5;
    state.operations = FAULT_LOCK;
    state.calls = 0;
    cr_expect_eq(lock_sample(waiter, 1, waits[i], &wanted), CACHE_LOCK_BUSY);
    cr_expect_eq(state.clock_ms - 5, waits[i], "waited %lu ms of %u", (unsigned long)state.clock_ms - 5, waits[i]);
    cr_expect_leq(state.calls, 9 + waits[i] / 64, "%u tries in %u ms", state.calls, waits[i]);
    cache_store_unlock(waiter, &wanted);
  }
  cache_store_unlock(holder, &held);
  cr_expect_eq(lock_sample(waiter, 1, 0, &wanted), CACHE_LOCK_HELD);
  cache_store_unlock(waiter, &wanted);
  cr_expect_eq(state.open_files, 2, "only the store's own");
  cache_store_close(holder);
  cache_store_close(waiter);
}

Test(cache_lock, file_systems_without_locks) {
  static const int errors[] = {ENOLCK, EOPNOTSUPP, EINVAL, ENOSYS};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    struct fault state = {
        .operations = FAULT_LOCK, .fail_at = 1, .lasting = true, .error = errors[i], .fake_clock = true};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = store_on(scratch, &io);
    struct cache_lock lock;
    cr_expect_eq(lock_sample(store, 1, 10000, &lock), CACHE_LOCK_UNAVAILABLE);
    cr_expect_eq(state.clock_ms, 0, "no use in waiting");
    cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
    cache_store_unlock(store, &lock);
    cache_store_close(store);
    cr_expect_eq(state.open_files, 0);
  }
}

Test(cache_lock, locks_may_live_elsewhere) {
  char *local = scratch_path("local"), *user = scratch_path("user"), *file = scratch_path("local/flashjit.lock");
  struct cache_reason reason;
  struct cache_config config = {.user = user, .lock_directory = local};
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
  struct cache_lock lock, second;
  cr_expect_eq(lock_sample(store, 1, 0, &lock), CACHE_LOCK_HELD);
  cr_expect(file_exists(file));
  free(file);
  file = scratch_path("user/flashjit.lock");
  cr_expect(!file_exists(file));

  struct cache_store *plain = store_on(user, &cache_io_posix);
  cr_expect_eq(lock_sample(plain, 1, 0, &second), CACHE_LOCK_HELD, "another place, another lock");
  cache_store_unlock(plain, &second);
  cache_store_close(plain);
  cache_store_unlock(store, &lock);
  cache_store_close(store);

  config.lock_directory = "/proc/no/such/place";
  store = cache_store_open(&config, &cache_io_posix, &reason);
  cr_expect_str_not_empty(reason.text);
  cr_expect_eq(lock_sample(store, 1, 0, &lock), CACHE_LOCK_UNAVAILABLE);
  cr_expect(publish_sample(store, 1) && finds_sample(store, 1));
  cache_store_close(store);
  free(file);
  free(local);
  free(user);
}

Test(cache_lock, a_dead_holder_holds_nothing) {
  int ready[2];
  cr_assert_eq(pipe(ready), 0);
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    struct cache_store *store = store_on(scratch, &cache_io_posix);
    struct cache_lock lock;
    char result = (char)('0' + lock_sample(store, 1, 0, &lock));
    if (write(ready[1], &result, 1) == 1)
      pause();
    _exit(1);
  }
  char result;
  cr_assert(read(ready[0], &result, 1) == 1 && result == '0' + CACHE_LOCK_HELD);
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_lock lock;
  cr_expect_eq(lock_sample(store, 1, 20, &lock), CACHE_LOCK_BUSY);
  cr_assert(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
  cr_expect_eq(lock_sample(store, 1, 1000, &lock), CACHE_LOCK_HELD);
  cache_store_unlock(store, &lock);
  cache_store_close(store);
}

/* A child forked while the lock is held has the same open file. */
Test(cache_lock, a_forked_child_does_not_keep_the_lock) {
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_lock lock, again;
  cr_assert_eq(lock_sample(store, 1, 0, &lock), CACHE_LOCK_HELD);
  pid_t child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  cache_store_unlock(store, &lock);
  cr_expect_eq(lock_sample(store, 1, 0, &again), CACHE_LOCK_HELD);
  cache_store_unlock(store, &again);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  cache_store_close(store);
}

/* What build code does: find, lock, find again, compile, publish, unlock. */
static void get_kernel(const char *root, atomic_uint *compiled) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  struct cache_lock lock;
  if (!finds_sample(store, 1)) {
    if (lock_sample(store, 1, 30000, &lock) != CACHE_LOCK_HELD)
      _exit(2);
    if (!finds_sample(store, 1)) {
      atomic_fetch_add(compiled, 1);
      usleep(20000);
      if (!publish_sample(store, 1))
        _exit(3);
    }
    cache_store_unlock(store, &lock);
  }
  bool found = finds_sample(store, 1);
  cache_store_close(store);
  _exit(found ? 0 : 4);
}

Test(cache_lock, many_processes_compile_once) {
  enum { ROUNDS = 5, PROCESSES = 16 };
  atomic_uint *compiled = mmap(NULL, sizeof *compiled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(compiled, MAP_FAILED);
  for (unsigned round = 0; round < ROUNDS; round++) {
    char name[16];
    snprintf(name, sizeof name, "round%u", round);
    char *root = scratch_path(name);
    atomic_store(compiled, 0);
    for (int i = 0; i < PROCESSES; i++) {
      pid_t child = fork();
      cr_assert_geq(child, 0);
      if (child == 0)
        get_kernel(root, compiled);
    }
    for (int i = 0; i < PROCESSES; i++) {
      int status;
      cr_assert_gt(wait(&status), 0);
      cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned)status);
    }
    cr_expect_eq(atomic_load(compiled), 1, "%u compiles", atomic_load(compiled));
    free(root);
  }
  munmap(compiled, sizeof *compiled);
}
