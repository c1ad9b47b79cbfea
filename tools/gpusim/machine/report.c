/* The text of the last fault. */
#include "machine/report.h"

#include "gpusim.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct {
  pthread_mutex_t lock;
  char text[SIM_REPORT_BYTES];
} report = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sim_report_set(const char *text, bool quiet) {
  pthread_mutex_lock(&report.lock);
  snprintf(report.text, sizeof report.text, "%s", text);
  pthread_mutex_unlock(&report.lock);
  if (!quiet)
    fprintf(stderr, "%s\n", text);
}

void sim_report_clear(void) {
  pthread_mutex_lock(&report.lock);
  report.text[0] = '\0';
  pthread_mutex_unlock(&report.lock);
}

__attribute__((visibility("default"))) size_t gpusim_report(char *buffer, size_t bytes) {
  pthread_mutex_lock(&report.lock);
  size_t length = strlen(report.text);
  if (bytes > 0)
    snprintf(buffer, bytes, "%s", report.text);
  pthread_mutex_unlock(&report.lock);
  return length;
}
