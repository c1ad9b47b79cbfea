/* Every system call failing in turn: never a wrong result, never an entry that is not one, nothing left open.
 */
#include "fault.h"
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(cache_fault, .init = scratch_begin, .fini = scratch_end);

enum { OLD = 1, DAMAGED = 2, NEW = 3 };

/* A store with a good and a damaged entry. */
static void prepare(const char *root) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  cr_assert(publish_sample(store, OLD) && publish_sample(store, DAMAGED));
  cache_store_close(store);
  struct cache_key old = sample_key(OLD), damaged = sample_key(DAMAGED);
  char *path = entry_file(root, &damaged, SAMPLE_TOOLCHAIN);
  cr_assert_eq(truncate(path, 500), 0);
  free(path);
  path = entry_file(root, &old, SAMPLE_TOOLCHAIN);
  cr_assert(file_set_age(path, 100000));
  free(path);
}

/* A result may be missing but not wrong. */
static void expect_right_if_found(struct cache_store *store, unsigned number, const char *toolchain) {
  struct sample made;
  struct cache_found found;
  struct cache_reason reason;
  struct cache_key key = sample_key(number);
  if (!cache_store_find(store, &key, toolchain, &found, &reason))
    return;
  sample_make(&made, number, 1000);
  cr_expect(sample_equals(&made, &found.entry), "wrong result for sample %u", number);
  sample_free(&made);
  cache_found_free(&found);
}

/* One run through everything that a store does. */
static void use_store(const char *root, const char *read_only, const struct cache_io *io) {
  struct cache_reason reason;
  struct cache_config config = {.user = root, .read_only = read_only, .sync = true, .budget = 256 * 2000};
  struct cache_store *store = cache_store_open(&config, io, &reason);
  cr_assert_not_null(store);
  expect_right_if_found(store, OLD, SAMPLE_TOOLCHAIN);
  expect_right_if_found(store, DAMAGED, SAMPLE_TOOLCHAIN);
  expect_right_if_found(store, NEW, SAMPLE_TOOLCHAIN);
  struct cache_key key = sample_key(NEW);
  struct cache_lock lock;
  cache_store_lock(store, &key, 0, &lock, &reason);
  publish_sample(store, NEW);
  cache_store_unlock(store, &lock);
  expect_right_if_found(store, NEW, SAMPLE_TOOLCHAIN);
  expect_right_if_found(store, OLD, NULL);
  cache_store_close(store);
}

/* After the failure is over, the store is as good as new. */
static void expect_usable(const char *root) {
  struct cache_store *store = store_on(root, &cache_io_posix);
  for (unsigned number = OLD; number <= NEW; number++) {
    expect_right_if_found(store, number, SAMPLE_TOOLCHAIN);
    cr_expect(publish_sample(store, number) && finds_sample(store, number), "sample %u", number);
  }
  cr_expect_leq(cache_store_counters(store).damaged, 1);
  cache_store_close(store);
}

static void fail_each_call(int error, bool lasting) {
  struct fault state;
  unsigned fail_at = 0;
  do {
    char name[64];
    fail_at++;
    snprintf(name, sizeof name, "e%d-%d-%u", error, lasting, fail_at);
    char *root = scratch_path(name), *subdirectory;
    cr_assert(asprintf(&subdirectory, "%s/v1/ab", root) > 0);
    prepare(root);
    state = (struct fault){.operations = FAULT_ALL, .fail_at = fail_at, .lasting = lasting, .error = error};
    struct cache_io io = fault_io(&state);
    use_store(root, root, &io);
    cr_expect_eq(state.open_files, 0, "call %u leaves %d files open", fail_at, state.open_files);
    cr_expect_leq(count_names(subdirectory, cache_is_temporary_name), lasting ? 1 : 0, "call %u leaves temporary files",
                  fail_at);
    expect_usable(root);
    free(subdirectory);
    free(root);
  } while (state.calls >= fail_at);
  cr_log_info("errno %d, %s: %u calls", error, lasting ? "from some call on" : "once", fail_at - 1);
  cr_expect_gt(fail_at, 50, "the run made only %u calls", fail_at);
}

Test(cache_fault, each_call_fails_once) {
  static const int errors[] = {EIO, ENOSPC, EACCES, ESTALE, ENOENT, EINTR, EMFILE};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    fail_each_call(errors[i], false);
}

Test(cache_fault, all_calls_fail_from_some_call_on) {
  static const int errors[] = {EIO, ENOSPC, EROFS, ENOENT, EMFILE};
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    fail_each_call(errors[i], true);
}

Test(cache_fault, short_reads_and_writes_are_continued) {
  for (size_t chunk = 1; chunk < 9; chunk++) {
    struct fault state = {.chunk = chunk};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = store_on(scratch, &io);
    cr_expect(publish_sample(store, NEW) && finds_sample(store, NEW), "%zu bytes at a time", chunk);
    cache_store_close(store);
  }
}

Test(cache_fault, interrupted_reads_and_writes_are_repeated) {
  for (unsigned fail_at = 1; fail_at <= 6; fail_at++) {
    struct fault state = {.operations = FAULT_READ | FAULT_WRITE, .fail_at = fail_at, .error = EINTR, .chunk = 500};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = store_on(scratch, &io);
    cr_expect(publish_sample(store, NEW) && finds_sample(store, NEW), "call %u", fail_at);
    cr_expect_geq(state.calls, fail_at);
    cache_store_close(store);
  }
}

/* A full disk is met once. After that the process only reads. */
Test(cache_fault, lasting_errors_stop_writing) {
  static const struct {
    int error;
    bool stops;
  } cases[] = {{ENOSPC, true}, {EDQUOT, true}, {EROFS, true}, {EIO, false}, {EACCES, false}, {ESTALE, false}};
  static const unsigned writes[] = {FAULT_WRITE, FAULT_CLOSE, FAULT_RENAME, FAULT_MAKE_DIRECTORY};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t j = 0; j < sizeof writes / sizeof *writes; j++) {
      char name[64];
      snprintf(name, sizeof name, "%zu-%zu", i, j);
      char *root = scratch_path(name);
      struct fault state = {0};
      struct cache_io io = fault_io(&state);
      struct cache_store *store = store_on(root, &io);
      state = (struct fault){.operations = writes[j], .fail_at = 1, .lasting = true, .error = cases[i].error};
      struct sample made;
      struct cache_reason first, second;
      sample_make(&made, NEW, 100);
      cr_expect(!cache_store_publish(store, &made.entry, &first));
      cr_expect_str_not_empty(first.text);
      state.fail_at = 0;
      state.calls = 0;
      bool published = cache_store_publish(store, &made.entry, &second);
      cr_expect_eq(published, !cases[i].stops, "%s: %s", first.text, second.text);
      cr_expect_str_empty(second.text, "told once");
      cr_expect(!cases[i].stops || state.calls == 0, "not tried again");
      cr_expect_eq(cache_store_counters(store).publish_failures, cases[i].stops ? 2 : 1);
      cr_expect(finds_sample(store, NEW) == false || published);
      cache_store_close(store);
      sample_free(&made);
      free(root);
    }
  }
}

/* A reading error says nothing about the bytes. */
Test(cache_fault, unreadable_entries_are_not_deleted) {
  prepare(scratch);
  struct cache_key key = sample_key(OLD);
  char *path = entry_file(scratch, &key, SAMPLE_TOOLCHAIN);
  static const unsigned reads[] = {FAULT_READ, FAULT_OPEN, FAULT_STATUS};
  for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
    struct fault state = {0};
    struct cache_io io = fault_io(&state);
    struct cache_store *store = store_on(scratch, &io);
    state = (struct fault){
        .operations = reads[i], .fail_at = 1, .lasting = true, .error = EIO, .open_files = state.open_files};
    struct cache_found found;
    struct cache_reason reason;
    cr_expect(!cache_store_find_own(store, &key, SAMPLE_TOOLCHAIN, &found, &reason));
    cr_expect(strstr(reason.text, "Input/output error"), "%s", reason.text);
    cr_expect(file_exists(path));
    cr_expect_eq(cache_store_counters(store).damaged, 0);
    cache_store_close(store);
  }
  free(path);
}

/* kill -9 between the temporary file and the rename. */
Test(cache_fault, a_killed_writer_leaves_a_usable_store) {
  char *directory = scratch_path("v1/ab");
  for (unsigned i = 0; i < 5; i++) {
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
      struct fault state = {0};
      struct cache_io io = fault_io(&state);
      struct cache_store *store = store_on(scratch, &io);
      state.kill_at_rename = true;
      publish_sample(store, NEW);
      _exit(1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_expect_eq(count_names(directory, cache_is_temporary_name), i + 1);
    cr_expect_eq(count_names(directory, cache_is_file_name), 0);
  }
  struct cache_store *store = store_on(scratch, &cache_io_posix);
  struct cache_key key = sample_key(NEW);
  struct cache_found found;
  struct cache_reason reason;
  cr_expect(!cache_store_find(store, &key, NULL, &found, &reason) && reason.text[0] == '\0');
  cr_expect(publish_sample(store, NEW) && finds_sample(store, NEW));
  cache_store_close(store);
  free(directory);
}
