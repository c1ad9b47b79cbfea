/* flashjit explain: what a spec becomes, what its key is made of, and what the cache has of it. */
#include "runtime/compiler.h"

#include "flashjit_args.h"
#include "tools/flashjit/cli.h"
#include "tools/flashjit/commands.h"
#include "tools/flashjit/document.h"
#include "tools/flashjit/environment.h"
#include "tools/flashjit/http_state.h"
#include "tools/flashjit/report.h"
#include "tools/flashjit/roles.h"
#include "tools/flashjit/source_file.h"
#include "tools/flashjit/source_text.h"
#include "tools/flashjit/spec_words.h"
#include "tools/flashjit/version.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ source */

/* The numbers of the tile, as the source has them. */
static json_t *tile_json(const char *source) {
  json_t *tile = json_object();
  char name[64];
  int value;
  while (source_next_number(&source, name, sizeof name, &value))
    json_object_set_new(tile, name, json_integer(value));
  return tile;
}

/* The name of the kernel in its source. */
static json_t *symbol_json(const char *source) {
  const char *kernel = strstr(source, "__global__");
  const char *name = kernel ? strstr(kernel, "flashjit_") : NULL;
  return name ? json_stringn(name, strcspn(name, "(")) : json_null();
}

static json_t *key_parts_json(const char *source, bool is_edited, const char *target) {
  char compiler_options[COMPILE_OPTIONS_TEXT_SIZE];
  const struct target named = {.name = target};
  compile_options_print(&named, is_edited, compiler_options);
  return json_pack("{s:I, s:s, s:s, s:o, s:i}", "source_bytes", (json_int_t)strlen(source), "options", compiler_options,
                   "target", target, "symbol", symbol_json(source), "arguments", FLASHJIT_ARGS_VERSION);
}

/* ------------------------------------------------------------------------------------------------ cache */

static void take_problem(void *user, const fi_event *event) {
  if (event->kind == FI_EVENT_CACHE_PROBLEM)
    json_array_append_new(user, json_string(event->message));
}

/* Looks without compiling. NULL after a complaint. */
static json_t *look(const fi_spec *spec, const char *target) {
  fi_ctx *ctx;
  fi_facts facts = {.struct_size = sizeof facts};
  json_t *problems = json_array();
  const fi_options context_options = {.struct_size = sizeof context_options,
                                      .mode = FI_MODE_LOAD_ONLY,
                                      .target = target,
                                      .on_event = take_problem,
                                      .user = problems};
  if (fi_ctx_create(&context_options, &ctx)) {
    complain("%s", fi_last_error());
    json_decref(problems);
    return NULL;
  }
  const fi_status status = fi_precompile(ctx, spec, &facts);
  if (status && status != FI_ERROR_NOT_CACHED) { /* an edited source of another tile */
    complain("%s", fi_last_error());
    fi_ctx_destroy(ctx);
    json_decref(problems);
    return NULL;
  }
  const bool is_found = facts.toolchain[0];
  json_t *cache = json_pack("{s:s, s:b, s:o}", "key", facts.key, "found", is_found, "problems", problems);
  if (is_found)
    json_object_update_new(cache,
                           json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "layer", layer_name(facts.layer), "toolchain",
                                     facts.toolchain, "registers", (json_int_t)facts.registers, "shared",
                                     (json_int_t)facts.static_shared + facts.dynamic_shared, "image_bytes",
                                     (json_int_t)facts.image_bytes, "choice", (json_int_t)facts.choice));
  fi_ctx_destroy(ctx);
  return cache;
}

static json_t *compiler_json(void) {
  const char *path;
  const int version = nvrtc_version(&path);
  char text[32];
  snprintf(text, sizeof text, "%d.%d", version / 1000, version % 1000 / 10);
  return version ? json_pack("{s:s, s:s}", "version", text, "path", path) : json_null();
}

/* The server is asked for a kernel that is not here, before it is compiled. */
static json_t *server_json(void) {
  struct options options;
  if (!environment_read(&options))
    return json_null();
  json_t *server = http_state_json(&options);
  options_free(&options);
  return server;
}

/* ------------------------------------------------------------------------------------------------ text */

static const char *text_of(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "none";
}

static json_int_t number_of(const json_t *object, const char *key) {
  return json_integer_value(json_object_get(object, key));
}

static void print_tile(const json_t *tile) {
  static const char *const names[] = {"Threads", "CtasPerSm", "Rows", "Teams", "TeamTokens", "Stages"};
  static const char *const words[] = {"threads", "CTAs per SM", "rows", "teams of warps", "KV tokens a team and step",
                                      "stages"};
  const char *comma = "";
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (!json_object_get(tile, names[i]))
      continue;
    printf("%s%" JSON_INTEGER_FORMAT " %s", comma, number_of(tile, names[i]), words[i]);
    comma = ", ";
  }
  putchar('\n');
}

static void print_cache(const json_t *cache, const json_t *compiler) {
  const json_t *problem;
  size_t i;
  if (json_is_true(json_object_get(cache, "found")))
    printf("cache    found: %s, of %s, %" JSON_INTEGER_FORMAT " registers, %" JSON_INTEGER_FORMAT
           " bytes of shared memory\n",
           text_of(cache, "layer"), text_of(cache, "toolchain"), number_of(cache, "registers"),
           number_of(cache, "shared"));
  else if (json_is_object(compiler))
    printf("cache    not found: libnvrtc %s would compile it at first use\n", text_of(compiler, "version"));
  else
    puts("cache    not found, and there is no libnvrtc to compile it");
  json_array_foreach(json_object_get(cache, "problems"), i, problem)
    printf("problem  %s\n", json_string_value(problem));
}

static void print_server(const json_t *server, const char *key) {
  char text[HTTP_STATE_TEXT_SIZE];
  if (!json_is_object(server))
    return;
  http_state_print(server, text);
  printf("http     %s\n         asked before a compile, for a name that begins with %s\n", text, key);
}

static void print_text(const json_t *document) {
  const json_t *parts = json_object_get(document, "key_parts");
  const bool is_edited = json_is_true(json_object_get(document, "edited"));
  const json_t *cache = json_object_get(document, "cache");
  printf("spec     %s\ntarget   %s\nkernel   %s\n", text_of(document, "spec"), text_of(document, "target"),
         text_of(parts, "symbol"));
  if (is_edited)
    printf("edited   %s, in place of the generated source; no server is asked for it\n", source_file_path());
  fputs("tile     ", stdout);
  print_tile(json_object_get(document, "tile"));
  printf("key      %s\n         of the source (%" JSON_INTEGER_FORMAT " bytes, %s), target, symbol, "
         "arguments' version %" JSON_INTEGER_FORMAT ",\n         options %s\n",
         text_of(cache, "key"), number_of(parts, "source_bytes"),
         is_edited ? "and where its file is" : "'flashjit show' prints it", number_of(parts, "arguments"),
         text_of(parts, "options"));
  print_cache(cache, json_object_get(document, "compiler"));
  print_server(json_object_get(document, "http"), text_of(cache, "key"));
}

static void print_document(json_t *document, bool is_json) {
  const json_t *other;
  size_t i;
  if (is_json) {
    document_print("flashjit.explain", document);
    return;
  }
  print_text(document);
  json_array_foreach(json_object_get(document, "others"), i, other) {
    putchar('\n');
    print_text(other);
  }
  json_decref(document);
}

/* ------------------------------------------------------------------------------------------------ explain */

/* A spec without a kernel, which has no canonical text, is explained by the reason. */
static int explain_refusal(const struct spec_choice *choice) {
  const char *why = fi_last_error();
  if (choice->json)
    document_print("flashjit.explain", json_pack("{s:s, s:s, s:b, s:s}", "spec", choice->text, "target", choice->target,
                                                 "supported", 0, "why", why));
  else
    printf("spec     %s\ntarget   %s\nno kernel: %s\n", choice->text, choice->target, why);
  return CLI_FAILED;
}

/* What is said of one kernel. NULL after a complaint. */
static json_t *kernel_json(const fi_spec *spec, const struct spec_choice *choice) {
  char text[FI_SPEC_TEXT_SIZE];
  json_t *document = NULL;
  const bool is_edited = fi_spec_print(spec, text, sizeof text) == FI_OK && source_file_is_of(text);
  char *source = is_edited ? source_file_text() : source_text(spec, choice->target);
  json_t *cache = source ? look(spec, choice->target) : NULL;
  if (cache)
    document = json_pack("{s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "spec", text, "target", choice->target,
                         "supported", 1, "edited", is_edited, "tile", tile_json(source), "key_parts",
                         key_parts_json(source, is_edited, choice->target), "cache", cache, "compiler", compiler_json(),
                         "http", is_edited ? json_null() : server_json());
  free(source);
  return document;
}

static bool is_found(const json_t *document) {
  return json_is_true(json_object_get(json_object_get(document, "cache"), "found"));
}

/* What the library does without a plan kernel where it may not compile one. */
static void note_stand_in(json_t *document, const fi_spec *plan, const struct spec_choice *choice) {
  fi_spec other = *plan;
  other.members = PLAN_OF_SEVERAL;
  if (is_found(document) || plan->members == PLAN_OF_SEVERAL || fi_spec_supported(&other, choice->target))
    return;
  json_t *cache = look(&other, choice->target);
  if (json_is_true(json_object_get(cache, "found")))
    json_array_append_new(json_object_get(json_object_get(document, "cache"), "problems"),
                          json_string("where nothing can be compiled, the cached plan kernel with members=2 is used"));
  json_decref(cache);
}

static void add_other(json_t *others, json_t *other) {
  if (other)
    json_array_append_new(others, other);
}

/* Kernels of more rows, and the plan kernel. */
static json_t *others_json(const fi_spec *spec, const struct spec_choice *choice) {
  json_t *others = json_array();
  fi_spec other;
  for (uint32_t i = 1; fi_spec_member(spec, choice->target, i, &other) == FI_OK; i++)
    add_other(others, kernel_json(&other, choice));
  if (!plan_spec_of(spec, choice->target, &other))
    return others;
  json_t *plan = kernel_json(&other, choice);
  if (plan)
    note_stand_in(plan, &other, choice);
  add_other(others, plan);
  return others;
}

/* The kernels that a spec needs: the first one's document has the others. */
static int explain(const struct spec_choice *choice) {
  fi_spec member;
  if (fi_spec_member(&choice->spec, choice->target, 0, &member))
    return explain_refusal(choice);
  json_t *document = kernel_json(&member, choice);
  if (!document)
    return CLI_FAILED;
  json_object_set_new(document, "others", others_json(&choice->spec, choice));
  print_document(document, choice->json);
  return CLI_OK;
}

static int run(const struct cli_command *command, int argc, char **argv) {
  struct spec_choice choice;
  int code;
  return spec_choose(command, argc, argv, &choice, &code) ? explain(&choice) : code;
}

const struct cli_command explain_command = {
    .name = "explain",
    .summary = "what a spec becomes, and what the cache has of it",
    .arguments = "SPEC [options]",
    .about = "Says which kernel and tile a spec gets on a target, or why it has none; what its key is made of;\n"
             "which layer of the cache would serve it, or what would compile it. Compiles nothing, needs no GPU.",
    .options = spec_options,
    .run = run,
};
