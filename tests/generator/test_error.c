/* The thread's last error. */
#include "generator/error.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

Test(error, is_told_with_its_status) {
  cr_expect_eq(error_set(FI_ERROR_SPEC, "group is %d", 65), FI_ERROR_SPEC);
  cr_expect_str_eq(fi_last_error(), "group is 65");
}

Test(error, may_be_said_about_the_last_one) {
  error_set(FI_ERROR_SPEC, "group is 65");
  error_set(FI_ERROR_COMPILE, "line 3: %s, as said", fi_last_error());
  cr_expect_str_eq(fi_last_error(), "line 3: group is 65, as said");
}

Test(error, is_cut_to_its_room) {
  static char text[2 * ERROR_SIZE];
  memset(text, 'x', sizeof text - 1);
  error_set(FI_ERROR_COMPILE, "%s", text);
  cr_expect_eq(strlen(fi_last_error()), ERROR_SIZE - 1);
}

static void *set_another(void *unused) {
  error_set(FI_ERROR_MEMORY, "another");
  return unused;
}

Test(error, belongs_to_its_thread) {
  pthread_t thread;
  error_set(FI_ERROR_SPEC, "mine");
  cr_assert_eq(pthread_create(&thread, NULL, set_another, NULL), 0);
  pthread_join(thread, NULL);
  cr_expect_str_eq(fi_last_error(), "mine");
}
