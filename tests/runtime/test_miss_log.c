/* The log of misses: each spec that no cache had, once a context; and what cannot be written is told. */
#include "fakes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *directory;
static char path[256];

static void begin(void) {
  fakes_reset();
  directory = make_directory();
  snprintf(path, sizeof path, "%s/misses", directory);
  setenv("FLASHJIT_MISS_LOG", path, 1);
}

static void end(void) {
  unsetenv("FLASHJIT_MISS_LOG");
  remove_directory(directory);
}

TestSuite(miss_log, .init = begin, .fini = end);

/* These lines, in any order: a plan kernel is compiled beside the kernel. */
static void expect_log(const char *expected) {
  char text[1024] = "";
  char line[256];
  FILE *file = fopen(path, "r");
  if (file) {
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
  }
  cr_expect_eq(strlen(text), strlen(expected), "the log is:\n%s", text);
  for (int used; sscanf(expected, "%255[^\n]\n%n", line, &used) == 1; expected += used)
    cr_expect(strstr(text, line), "no %s in the log:\n%s", line, text);
}

Test(miss_log, what_is_compiled) {
  fi_ctx *ctx = make_context(directory);
  kernel_of(ctx, "attention group=4 rows=16 page=16");
  kernel_of(ctx, "attention group=4 rows=16 page=16");
  expect_log("plan\nattention group=4 rows=16 page=16\n");
  fi_ctx_destroy(ctx);
  ctx = make_context(directory);
  kernel_of(ctx, "attention group=4 rows=16 page=16");
  kernel_of(ctx, "merge");
  expect_log("plan\nattention group=4 rows=16 page=16\nmerge\n");
  fi_ctx_destroy(ctx);
}

/* A server that asks again and again does not fill the disk. */
Test(miss_log, what_may_not_be_compiled) {
  fi_ctx *ctx = make_context_with((fi_options){.mode = FI_MODE_LOAD_ONLY});
  for (int i = 0; i < 3; i++)
    cr_expect_eq(get(ctx, "merge"), FI_ERROR_NOT_CACHED);
  expect_log("merge\n");
  fi_ctx_destroy(ctx);
}

static void take_message(void *user, const fi_event *event) {
  if (event->kind == FI_EVENT_CACHE_PROBLEM)
    snprintf(user, 512, "%s", event->message);
}

Test(miss_log, what_cannot_be_written) {
  char message[512] = "";
  setenv("FLASHJIT_MISS_LOG", "/no/such/folder/misses", 1);
  fi_ctx *ctx = make_context_with((fi_options){.on_event = take_message, .user = message});
  kernel_of(ctx, "merge");
  cr_expect(strstr(message, "FLASHJIT_MISS_LOG: cannot open /no/such/folder/misses"), "%s", message);
  fi_ctx_destroy(ctx);
}
