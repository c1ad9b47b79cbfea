/*
 * The renderer. A template is CUDA C++ with directives, which are comment lines:
 *
 *   //@use NAME      pastes NAME.cuh, of which NAME is the path in templates/, or the header NAME.h of records, unless
 * it was pasted before; {axis} in it stands for the name of the axis's value
 *   //@if EXPR       keeps the lines up to //@else or //@end when EXPR is not 0 (expression.h)
 *   //@else
 *   //@end
 *   //@emit NAME     adds generated text (emit.h)
 *   //# ...          a note to maintainers, left out
 *
 * The source is the shared argument records, the constants of spec and tile, and the kernel's template,
 * without the definitions that the kernel does not use; then the caller's snippet as it came. Directives inside a block
 * that is left out are checked all the same.
 */
#include "render.h"

#include "emit.h"
#include "error.h"
#include "expression.h"
#include "family.h"
#include "prune.h"
#include "snippet.h"
#include "spec.h"
#include "tidy.h"
#include "tile_choice.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST_IF = 16, LONGEST_NAME = 128 };

struct renderer {
  const struct template_set *set;
  struct facts facts;
  struct text text;
  bool *pasted; /* for each file of the set */
};

/* One //@if that is open. */
struct branch {
  bool outer; /* the lines around it are kept */
  bool holds;
  bool in_else;
  unsigned line;
};

/* A file that is being read. */
struct reader {
  struct renderer *renderer;
  const struct template_file *file;
  unsigned line;
  bool active; /* the current line is kept */
  struct branch branches[DEEPEST_IF];
  size_t depth;
};

/* A line, or the argument of a directive. */
struct span {
  const char *text;
  size_t size;
};

static fi_status read_file(struct renderer *renderer, const struct template_file *file);

static fi_status refuse(const struct reader *reader, const char *message, const struct span *about) {
  return error_set(FI_ERROR_COMPILE, "%s:%u: %s%s%.*s", reader->file->name, reader->line, message,
                   about->size > 0 ? " " : "", (int)about->size, about->size > 0 ? about->text : "");
}

static const struct template_file *find_file(const struct template_set *set, const struct span *name,
                                             const char *extension) {
  const size_t whole = name->size + strlen(extension);
  for (size_t i = 0; i < set->count; i++) {
    const char *file = set->files[i].name;
    if (strlen(file) == whole && memcmp(file, name->text, name->size) == 0 && strcmp(file + name->size, extension) == 0)
      return &set->files[i];
  }
  return NULL;
}

/* The name of the value of the axis in braces at text[0..size); NULL when it is no axis with names. */
static const char *value_name(const struct renderer *renderer, const char *text, size_t size) {
  struct fact fact;
  if (!facts_find(&renderer->facts, text, size, &fact) || !fact.axis)
    return NULL;
  return axis_value_name(fact.axis, (uint32_t)fact.value);
}

/* The file of a name, in which {axis} stands for the name of the axis's value. */
static const struct template_file *find_fragment(const struct renderer *renderer, const struct span *name) {
  const char *open = memchr(name->text, '{', name->size);
  const char *close = memchr(name->text, '}', name->size);
  const char *end = name->text + name->size;
  const char *value = open && close && close > open ? value_name(renderer, open + 1, (size_t)(close - open - 1)) : NULL;
  char whole[LONGEST_NAME];
  const int size = value ? snprintf(whole, sizeof whole, "%.*s%s%.*s", (int)(open - name->text), name->text, value,
                                    (int)(end - close - 1), close + 1)
                         : snprintf(whole, sizeof whole, "%.*s", (int)name->size, name->text);
  if (size <= 0 || size >= (int)sizeof whole)
    return NULL;
  const struct span found = {whole, (size_t)size};
  const struct template_file *file = find_file(renderer->set, &found, ".cuh");
  return file ? file : find_file(renderer->set, &found, ".h");
}

static fi_status paste(struct reader *reader, const struct span *name) {
  struct renderer *renderer = reader->renderer;
  const struct template_file *file = find_fragment(renderer, name);
  if (!file)
    return refuse(reader, "there is no fragment", name);
  const size_t number = (size_t)(file - renderer->set->files);
  if (!reader->active || renderer->pasted[number])
    return FI_OK;
  renderer->pasted[number] = true;
  text_add(&renderer->text, "\n", 1);
  const fi_status status = read_file(renderer, file);
  text_add(&renderer->text, "\n", 1);
  return status;
}

static fi_status emit(struct reader *reader, const struct span *name) {
  const struct emitter *emitter = emit_find(name->text, name->size);
  if (!emitter)
    return refuse(reader, "there is no emitter", name);
  if (!reader->active)
    return FI_OK;
  struct text *text = &reader->renderer->text;
  text_add(text, "\n", 1);
  emitter->emit(&reader->renderer->facts, text);
  text_add(text, "\n", 1);
  return FI_OK;
}

static fi_status open_branch(struct reader *reader, const struct span *expression) {
  int64_t value;
  if (!expression_evaluate(expression->text, expression->size, &reader->renderer->facts, &value))
    return refuse(reader, fi_last_error(), &(struct span){0});
  if (reader->depth == DEEPEST_IF)
    return refuse(reader, "//@if is nested too deeply", &(struct span){0});
  reader->branches[reader->depth++] =
      (struct branch){.outer = reader->active, .holds = value != 0, .line = reader->line};
  reader->active = reader->active && value != 0;
  return FI_OK;
}

static fi_status turn_branch(struct reader *reader, const struct span *rest) {
  if (rest->size > 0)
    return refuse(reader, "unexpected text:", rest);
  struct branch *branch = reader->depth > 0 ? &reader->branches[reader->depth - 1] : NULL;
  if (!branch || branch->in_else)
    return refuse(reader, "//@else without //@if", rest);
  branch->in_else = true;
  reader->active = branch->outer && !branch->holds;
  return FI_OK;
}

static fi_status close_branch(struct reader *reader, const struct span *rest) {
  if (rest->size > 0)
    return refuse(reader, "unexpected text:", rest);
  if (reader->depth == 0)
    return refuse(reader, "//@end without //@if", rest);
  reader->active = reader->branches[--reader->depth].outer;
  return FI_OK;
}

static const struct {
  const char *word;
  fi_status (*obey)(struct reader *reader, const struct span *argument);
} directives[] = {
    {"use", paste}, {"emit", emit}, {"if", open_branch}, {"else", turn_branch}, {"end", close_branch},
};

static bool is_space(char c) {
  return c == ' ' || c == '\t';
}

static struct span trim(struct span span) {
  while (span.size > 0 && is_space(span.text[0])) {
    span.text++;
    span.size--;
  }
  while (span.size > 0 && is_space(span.text[span.size - 1]))
    span.size--;
  return span;
}

static fi_status obey(struct reader *reader, const struct span *directive) {
  size_t size = 0;
  while (size < directive->size && !is_space(directive->text[size]))
    size++;
  const struct span argument = trim((struct span){directive->text + size, directive->size - size});
  for (size_t i = 0; i < sizeof directives / sizeof *directives; i++) {
    if (strlen(directives[i].word) == size && memcmp(directives[i].word, directive->text, size) == 0)
      return directives[i].obey(reader, &argument);
  }
  return refuse(reader, "there is no directive", &(struct span){directive->text, size});
}

static bool begins(const struct span *line, const char *mark) {
  return line->size >= strlen(mark) && memcmp(line->text, mark, strlen(mark)) == 0;
}

static fi_status read_line(struct reader *reader, const struct span *line) {
  const struct span words = trim(*line);
  if (begins(&words, "//@"))
    return obey(reader, &(struct span){words.text + 3, words.size - 3});
  if (reader->active && !begins(&words, "//#")) {
    text_add(&reader->renderer->text, line->text, line->size);
    text_add(&reader->renderer->text, "\n", 1);
  }
  return FI_OK;
}

/* Takes the next line of the text; false at its end. */
static bool next_line(const char **text, struct span *line) {
  if (**text == '\0')
    return false;
  *line = (struct span){*text, strcspn(*text, "\n")};
  *text += line->size;
  *text += **text == '\n';
  return true;
}

static fi_status read_file(struct renderer *renderer, const struct template_file *file) {
  struct reader reader = {.renderer = renderer, .file = file, .active = true};
  const char *text = file->text;
  struct span line;
  fi_status status = FI_OK;
  while (status == FI_OK && next_line(&text, &line)) {
    reader.line++;
    status = read_line(&reader, &line);
  }
  if (status == FI_OK && reader.depth > 0) {
    reader.line = reader.branches[reader.depth - 1].line;
    return refuse(&reader, "//@if without //@end", &(struct span){0});
  }
  return status;
}

/* Everything that the kernel might use, in order. */
static fi_status read_all(struct renderer *renderer, const struct template_file *records,
                          const struct template_file *kernel) {
  const fi_status status = read_file(renderer, records);
  if (status != FI_OK)
    return status;
  text_add(&renderer->text, "\n", 1);
  facts_print_constants(&renderer->facts, &renderer->text);
  text_add(&renderer->text, "\n", 1);
  return read_file(renderer, kernel);
}

/*
 * Leaves out what is not used, and finishes the lines. The first one names the spec; a kernel of the fewest rows has
 * one text, with the rows named or left at 0.
 */
static bool finish(const struct renderer *renderer, struct source *out) {
  char spec[FI_SPEC_TEXT_SIZE];
  fi_spec named = *renderer->facts.spec;
  if (named.rows == tile_fewest_rows(named.group))
    named.rows = 0;
  spec_print(&named, spec, sizeof spec);
  struct text used = {0};
  text_print(&used, "/* flashjit: %s */\n\n", spec);
  const bool pruned =
      !renderer->text.failed && prune_definitions(renderer->text.data, renderer->text.size, &used) && !used.failed;
  struct text tidy = {0};
  if (pruned)
    out->lines = tidy_lines(used.data, used.size, &tidy);
  text_free(&used);
  if (!pruned)
    return false;
  if (out->snippet)
    out->lines = snippet_print(renderer->facts.spec, out->snippet, SOURCE_NAME, &tidy);
  out->size = tidy.size;
  out->text = text_take(&tidy);
  return out->text;
}

fi_status render_templates(const struct template_set *set, const fi_spec *canonical, const struct target *target,
                           uint32_t choice, struct source *out) {
  *out = (struct source){0};
  if (!set)
    return error_set(FI_ERROR_COMPILE, "the templates in the library are damaged");
  fi_status status = tile_plan(canonical, target, choice, &out->tile);
  if (status == FI_OK)
    status = snippet_of(canonical, &out->snippet);
  if (status != FI_OK)
    return status;
  const struct family *family = out->tile.family;
  const char *name = family->template;
  out->symbol = family->symbol;
  const struct template_file *records = find_file(set, &(struct span){"flashjit_args", 13}, ".h");
  const struct template_file *kernel = find_file(set, &(struct span){name, strlen(name)}, "");
  if (!records || !kernel)
    return error_set(FI_ERROR_COMPILE, "there is no template %s", records ? name : "flashjit_args.h");
  struct renderer renderer = {.set = set, .facts = {canonical, target, &out->tile}};
  renderer.pasted = calloc(set->count, sizeof *renderer.pasted);
  status = FI_ERROR_MEMORY;
  if (renderer.pasted)
    status = read_all(&renderer, records, kernel);
  if (status == FI_OK && !finish(&renderer, out))
    status = FI_ERROR_MEMORY;
  text_free(&renderer.text);
  free(renderer.pasted);
  return status == FI_ERROR_MEMORY ? error_set(status, "the host is out of memory") : status;
}

fi_status render_source(const fi_spec *canonical, const struct target *target, uint32_t choice, struct source *out) {
  return render_templates(templates_embedded(), canonical, target, choice, out);
}

void source_free(struct source *source) {
  free(source->text);
  source->text = NULL;
}
