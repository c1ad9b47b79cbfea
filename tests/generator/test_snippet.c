/* Texts of callers: which are taken, how they are found, and how a source ends with one. */
#include "generator/render.h"
#include "generator/snippet.h"
#include "generator/spec.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char cap[] = "/* A cap. */\n"
                          "float logit(struct fi_score at, const void *params) {\n"
                          "  return at.score < 5 ? at.score : 5;\n"
                          "}\n";

/* The source of a spec with a text; the caller frees it. */
static struct source source_with(const char *text, uint64_t hash, const char *spec_text) {
  fi_spec spec;
  fi_spec canonical;
  struct source source;
  cr_assert_eq(snippet_keep(text, hash), FI_OK, "%s", fi_last_error());
  cr_assert_eq(fi_spec_parse(spec_text, &spec), FI_OK);
  spec.snippet_hash = hash;
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(render_source(&canonical, target_find("sm_90a"), 0, &source), FI_OK, "%s", fi_last_error());
  return source;
}

static uint32_t line_of(const struct source *source, const char *place) {
  uint32_t line = 1;
  for (const char *at = source->text; at < place; at++)
    line += *at == '\n';
  return line;
}

Test(snippet, the_text_is_in_the_source_as_it_came) {
  static const char *const texts[] = {cap, "\n\n  int x;   \n\n\n/* the end */", "%s %d //@if //# \\"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    char framed[256];
    const struct source source = source_with(texts[i], 100 + i, "attention snippet=logit");
    snprintf(framed, sizeof framed, "\n#line 1 \"snippet\"\n%s\n", texts[i]);
    cr_expect_not_null(strstr(source.text, framed), "%s", texts[i]);
    cr_expect_eq(source.size, strlen(source.text));
    cr_expect_str_eq(source.snippet, texts[i]);
    free(source.text);
  }
}

/* What stands after it has the numbers that the whole source gives it. */
Test(snippet, the_sources_own_lines_go_on_after_the_text) {
  const struct source source = source_with(cap, 1, "attention group=4 snippet=logit");
  const char *text = strstr(source.text, "\n#line 1 \"snippet\"\n");
  cr_assert_not_null(text);
  const char *after = strstr(text + 2, "\n#line ");
  cr_assert_not_null(after);
  unsigned number;
  char name[32];
  cr_assert_eq(sscanf(after, "\n#line %u \"%31[^\"]", &number, name), 2);
  cr_expect_eq(number, line_of(&source, after + 1) + 1);
  cr_expect_str_eq(name, SOURCE_NAME);
  cr_expect_eq(source.lines + 1, line_of(&source, source.text + source.size));
  free(source.text);
}

Test(snippet, each_kind_calls_its_function) {
  const struct source logit = source_with(cap, 1, "attention snippet=logit");
  const struct source weight = source_with(cap, 1, "attention snippet=weight");
  cr_expect_not_null(strstr(logit.text, "return snippet::logit(fi_asked, fi_params);"));
  cr_expect_not_null(strstr(weight.text, "return snippet::weight(fi_asked, fi_params);"));
  free(logit.text);
  free(weight.text);
}

Test(snippet, other_specs_have_nothing_of_it) {
  fi_spec spec;
  fi_spec canonical;
  struct source source;
  fi_spec_init(&spec);
  cr_assert_eq(spec_canonical(&spec, &canonical), FI_OK);
  cr_assert_eq(render_source(&canonical, target_find("sm_90a"), 0, &source), FI_OK);
  cr_expect_null(strstr(source.text, "#line"));
  cr_expect_null(strstr(source.text, "fi_score"));
  cr_expect_null(source.snippet);
  source_free(&source);
}

Test(snippet, an_unknown_hash_is_named) {
  fi_spec spec;
  size_t size = 0;
  cr_assert_eq(fi_spec_parse("attention snippet=logit:00000000deadbeef", &spec), FI_OK);
  cr_expect_eq(fi_spec_supported(&spec, NULL), FI_OK, "it needs no text: %s", fi_last_error());
  cr_expect_eq(fi_kernel_source(&spec, NULL, NULL, &size), FI_ERROR_SPEC);
  cr_expect_str_eq(fi_last_error(),
                   "snippet_hash is 00000000deadbeef, and no snippet of this hash is registered in this "
                   "process (fi_register_snippet)");
}

Test(snippet, a_hash_is_of_one_text) {
  cr_expect_eq(snippet_keep("int a;", 5), FI_OK);
  cr_expect_eq(snippet_keep("int a;", 5), FI_OK);
  cr_expect_eq(snippet_keep("int b;", 5), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "text has the hash 0000000000000005 of another snippet; change a comment in it");
  cr_expect_eq(snippet_keep("int b;", 6), FI_OK);
}

Test(snippet, texts_are_copied) {
  char text[] = "int a;";
  const char *found;
  const fi_spec spec = {.snippet = FI_SNIPPET_LOGIT, .snippet_hash = 7};
  cr_assert_eq(snippet_keep(text, 7), FI_OK);
  text[4] = 'b';
  cr_assert_eq(snippet_of(&spec, &found), FI_OK);
  cr_expect_str_eq(found, "int a;");
}

Test(snippet, texts_have_a_size) {
  char *text = malloc(FI_SNIPPET_SIZE + 2);
  cr_assert_not_null(text);
  memset(text, ' ', FI_SNIPPET_SIZE + 1);
  text[FI_SNIPPET_SIZE] = '\0';
  cr_expect_eq(snippet_check(text), FI_OK);
  text[FI_SNIPPET_SIZE] = ' ';
  text[FI_SNIPPET_SIZE + 1] = '\0';
  cr_expect_eq(snippet_check(text), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "text has 1048577 bytes; allowed: 1 to 1048576");
  cr_expect_eq(snippet_check(""), FI_ERROR_ARGUMENT);
  cr_expect_str_eq(fi_last_error(), "text has 0 bytes; allowed: 1 to 1048576");
  cr_expect_eq(snippet_check(NULL), FI_ERROR_ARGUMENT);
  free(text);
}

Test(snippet, no_spelling_of_include_is_taken) {
  static const char *const texts[] = {
      "#include <math.h>",
      "int a;\n#include \"a.h\"\n",
      "  #\tinclude \"a.h\"",
      "# /* x */ include \"a.h\"",
      "/* x\n */ #include \"a.h\"",
      "%:include \"a.h\"",
      "#inc\\\nlude \"a.h\"",
      "#\\\r\ninclude \"a.h\"",
      "#include_next <a.h>",
      "#import \"a.h\"",
      "#embed \"a\"",
      "#if __has_include(\"a.h\")\n#endif",
      "#if 0\ndon't\n#endif\n#include \"a.h\"",
      "const char *a = \"/*\";\n#include \"a.h\"",
      "// it's \"\n#include \"a.h\"",
      "char a = '\\'';\n#include \"a.h\"",
      "char a[] = \"\\\\\";\n#include \"a.h\"",
      "int a; #include \"a.h\"",
      "#/*\n*/include \"a.h\"",
      "const char *a = R\"(\n/*\n)\";\n#include \"a.h\"\n// */",
      "int a = 1'0 + '\"'; const char *b = \"/*\";\n#include \"a.h\"\n// */",
      "// #include <math.h>",
      "const char *a = \"#include\";",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(snippet_check(texts[i]), FI_ERROR_ARGUMENT, "%s", texts[i]);
    cr_expect_not_null(strstr(fi_last_error(), "a snippet holds all that it needs, and reads no files"));
  }
}

Test(snippet, what_is_no_include_is_taken) {
  static const char *const texts[] = {
      "int include;",
      "#define x(y) #y\nint include = 3;",
      "int a = 3 % 2; // :include",
      "# // include\nint include;",
      "/* see math.h */",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    cr_expect_eq(snippet_check(texts[i]), FI_OK, "%s: %s", texts[i], fi_last_error());
}
