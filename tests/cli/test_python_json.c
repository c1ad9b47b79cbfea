/* JSON that Python writes and reads. */
#include "tools/flashjit/python_json.h"

#include "files.h"
#include "tools/flashjit/problem.h"

#include <criterion/criterion.h>
#include <string.h>

static json_t *parse(const char *text) {
  json_error_t error;
  return python_json_parse(text, strlen(text), &error);
}

static void expect_same(const char *text, const char *other) {
  json_t *a = parse(text);
  json_t *b = parse(other);
  cr_expect(a && b && json_equal(a, b), "%s and %s", text, other);
  json_decref(a);
  json_decref(b);
}

Test(python_json, names_of_numbers_are_strings) {
  expect_same("[NaN, Infinity, -Infinity]", "[\"NaN\", \"Infinity\", \"-Infinity\"]");
  expect_same("{\"a\": NaN}", "{\"a\": \"NaN\"}");
  expect_same("NaN", "\"NaN\"");
}

Test(python_json, strings_are_left_alone) {
  expect_same("[\"NaN\", \"-Infinity\", \"a\\\" NaN \\\\\", NaN]",
              "[\"NaN\", \"-Infinity\", \"a\\\" NaN \\\\\", \"NaN\"]");
  expect_same("{\"Infinity\": 1}", "{\"\\u0049nfinity\": 1}");
}

Test(python_json, a_byte_order_mark_is_left_out) {
  expect_same("\xef\xbb\xbf{\"a\": 1}", "{\"a\": 1}");
}

/* As Python takes them: the last of equal names, integers of any length, text with zeros. */
Test(python_json, python_takes_more) {
  expect_same("{\"a\": 1, \"a\": 2}", "{\"a\": 2}");
  expect_same("[1000000000000000019884624838656]", "[1000000000000000019884624838656.0]");
  expect_same("[32]", "[32.0]");
  json_t *text = parse("[\"a\\u0000b\"]");
  cr_expect_eq(json_string_length(json_array_get(text, 0)), 3);
  json_decref(text);
}

Test(python_json, mistakes) {
  static const char *const wrong[] = {"",      "{",    "[1,]",   "{'a': 1}",  "[NaNa]",
                                      "[nan]", "[+1]", "\"open", "[Infinit]", "1 2"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    cr_expect_null(parse(wrong[i]), "%s", wrong[i]);
}

Test(python_json, files_name_the_place) {
  cr_expect_null(python_json_read("/no/such.json"));
  cr_expect_str_eq(problem_last(), "/no/such.json: No such file or directory");
  cr_expect_null(python_json_read(scratch_folder()));
  cr_expect_not_null(strstr(problem_last(), "Is a directory"), "%s", problem_last());
  cr_expect_null(python_json_read("/dev/zero")); /* without end */
  cr_expect_str_eq(problem_last(), "/dev/zero: File too large");
  const char *path = scratch_file("broken.json", "{\"a\": 1,\n \"b\": }");
  cr_expect_null(python_json_read(path));
  cr_expect_not_null(strstr(problem_last(), "broken.json:2:"), "%s", problem_last());
}
