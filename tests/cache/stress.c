/* Several processes of several threads find and publish the same few kernels in one directory, with a budget
 * too small for all of them, while other processes are killed in the middle of it. Every byte that is found
 * must be right.
 *
 *   stress_cache [seconds]
 *
 * A plain program, so that it also runs under TSan. */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 3, THREADS = 8, KEYS = 50, VICTIM_LIFE_MS = 50, LOCK_WAIT_MS = 5 };

static const size_t image_sizes[] = {100, 5000, 20000, 60000};

struct worker {
  pthread_t thread;
  struct cache_store *store;
  const struct sample *samples;
  uint64_t end_ms;
  uint64_t random;
  unsigned finds, wrong;
};

static uint64_t now_ms(void) {
  return cache_io_posix.monotonic_ms(NULL);
}

static uint32_t next_random(struct worker *worker) {
  worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(worker->random >> 33);
}

static bool find_and_check(struct worker *worker, const struct sample *wanted, const char *toolchain) {
  struct cache_found found;
  struct cache_reason reason;
  if (!cache_store_find(worker->store, &wanted->entry.key, toolchain, &found, &reason))
    return false;
  worker->finds++;
  if (!sample_equals(wanted, &found.entry)) {
    worker->wrong++;
    fprintf(stderr, "wrong bytes in %s\n", found.path);
  }
  cache_found_free(&found);
  return true;
}

static void get_kernel(struct worker *worker, const struct sample *wanted) {
  const char *toolchain = next_random(worker) % 4 == 0 ? NULL : SAMPLE_TOOLCHAIN;
  bool found = find_and_check(worker, wanted, toolchain);
  if (found && next_random(worker) % 8 != 0)
    return;
  struct cache_lock lock;
  struct cache_reason reason;
  cache_store_lock(worker->store, &wanted->entry.key, LOCK_WAIT_MS, &lock, &reason);
  find_and_check(worker, wanted, toolchain);
  if (!cache_store_publish(worker->store, &wanted->entry, &reason)) {
    worker->wrong++;
    fprintf(stderr, "not published: %s\n", reason.text);
  }
  cache_store_unlock(worker->store, &lock);
}

static void *work(void *argument) {
  struct worker *worker = argument;
  while (now_ms() < worker->end_ms)
    get_kernel(worker, &worker->samples[next_random(worker) % KEYS]);
  return NULL;
}

/* Runs the threads of one process. Returns its exit status. */
static int run_process(const struct sample *samples, unsigned number, uint64_t end_ms) {
  struct cache_reason reason;
  struct cache_config config = {.user = scratch, .budget = (uint64_t)CACHE_SUBDIRECTORIES * KEYS * 15000};
  struct cache_store *store = cache_store_open(&config, &cache_io_posix, &reason);
  if (!store || reason.text[0] != '\0')
    return 2;
  struct worker workers[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.store = store, .samples = samples, .end_ms = end_ms};
    workers[i].random = number * THREADS + i;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
      return 3;
  }
  unsigned finds = 0, wrong = 0;
  for (unsigned i = 0; i < THREADS; i++) {
    pthread_join(workers[i].thread, NULL);
    finds += workers[i].finds;
    wrong += workers[i].wrong;
  }
  struct cache_counters counters = cache_store_counters(store);
  cache_store_close(store);
  printf("process %u: %u finds, %u wrong, %llu published, %llu evicted, %llu damaged\n", number, finds, wrong,
         (unsigned long long)counters.published, (unsigned long long)counters.evicted,
         (unsigned long long)counters.damaged);
  fflush(stdout);
  return wrong == 0 && counters.damaged == 0 && finds > 0 ? 0 : 1;
}

static pid_t start_process(const struct sample *samples, unsigned number, uint64_t end_ms) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0)
    _exit(run_process(samples, number, end_ms));
  if (child < 0)
    abort();
  return child;
}

/* Starts processes and kills them, one after the other. */
static unsigned kill_processes(const struct sample *samples, uint64_t end_ms) {
  unsigned killed = 0;
  while (now_ms() + VICTIM_LIFE_MS < end_ms) {
    pid_t victim = start_process(samples, PROCESSES + killed, UINT64_MAX);
    cache_io_posix.pause_ms(NULL, VICTIM_LIFE_MS);
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    killed++;
  }
  return killed;
}

int main(int argument_count, char **arguments) {
  unsigned seconds = argument_count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 3;
  static struct sample samples[KEYS];
  for (unsigned i = 0; i < KEYS; i++)
    sample_make(&samples[i], i, image_sizes[i % (sizeof image_sizes / sizeof *image_sizes)]);
  scratch_begin();

  uint64_t end_ms = now_ms() + seconds * 1000;
  pid_t processes[PROCESSES];
  for (unsigned i = 0; i < PROCESSES; i++)
    processes[i] = start_process(samples, i, end_ms);
  unsigned killed = kill_processes(samples, end_ms), failed = 0;
  for (unsigned i = 0; i < PROCESSES; i++) {
    int status;
    waitpid(processes[i], &status, 0);
    failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  }
  printf("%u processes killed, %u of %u failed\n", killed, failed, PROCESSES);

  scratch_end();
  for (unsigned i = 0; i < KEYS; i++)
    sample_free(&samples[i]);
  return failed == 0 ? 0 : 1;
}
