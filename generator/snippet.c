/* The texts that were registered, and how a source ends with one. */
#include "snippet.h"

#include "axes.h"
#include "error.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The texts form a list that only grows, so that nobody waits: a fork is never in the middle of a change. */
struct kept {
  const struct kept *next;
  uint64_t hash;
  char text[];
};

static _Atomic(const struct kept *) newest;

static const struct kept *find(uint64_t hash) {
  const struct kept *kept = atomic_load_explicit(&newest, memory_order_acquire);
  while (kept && kept->hash != hash)
    kept = kept->next;
  return kept;
}

fi_status snippet_keep(const char *text, uint64_t hash) {
  const size_t size = strlen(text) + 1;
  const struct kept *old = find(hash);
  if (old && strcmp(old->text, text) == 0)
    return FI_OK;
  if (old)
    return error_set(FI_ERROR_ARGUMENT, "text has the hash %016" PRIx64 " of another snippet; change a comment in it",
                     hash);
  struct kept *kept = malloc(sizeof *kept + size);
  if (!kept)
    return error_set(FI_ERROR_MEMORY, "the host is out of memory");
  kept->hash = hash;
  memcpy(kept->text, text, size);
  kept->next = atomic_load_explicit(&newest, memory_order_acquire);
  while (!atomic_compare_exchange_weak_explicit(&newest, &kept->next, kept, memory_order_acq_rel, memory_order_acquire))
    ;
  return FI_OK; /* two threads may have kept one text: the newer one is found */
}

fi_status snippet_of(const fi_spec *canonical, const char **text) {
  *text = NULL;
  if (canonical->snippet == FI_SNIPPET_NONE)
    return FI_OK;
  const struct kept *kept = find(canonical->snippet_hash);
  if (!kept)
    return error_set(FI_ERROR_SPEC,
                     "snippet_hash is %016" PRIx64 ", and no snippet of this hash is registered in this process "
                     "(fi_register_snippet)",
                     canonical->snippet_hash);
  *text = kept->text;
  return FI_OK;
}

/* What C programs take from math.h. */
static const char macros[] = "#define INFINITY __int_as_float(0x7f800000)\n";

static uint32_t count_lines(const struct text *text) {
  uint32_t lines = 0;
  for (size_t i = 0; i < text->size; i++)
    lines += text->data[i] == '\n';
  return lines;
}

/*
 * The text is in a namespace, so that its names are its own, and last, so that its macros are; what follows has names
 * that no text has for anything.
 */
uint32_t snippet_print(const fi_spec *canonical, const char *snippet, const char *source_name, struct text *source) {
  const char *name = axis_value_name(axis_find_field("snippet", strlen("snippet")), canonical->snippet);
  const bool ends_line = snippet[strlen(snippet) - 1] == '\n';
  text_print(source, "\n%s\nnamespace snippet {\n\n#line 1 \"snippet\"\n%s%s\n", macros, snippet,
             ends_line ? "" : "\n"); /* an empty line, should the last one end in a backslash */
  text_print(source, "#line %u \"%s\"\n", count_lines(source) + 2, source_name);
  text_print(source,
             "} // namespace snippet\n\n"
             "float call_snippet(const fi_score &fi_asked, const void *fi_params) {\n"
             "  return snippet::%s(fi_asked, fi_params);\n"
             "}\n",
             name);
  return count_lines(source);
}
