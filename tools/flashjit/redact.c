/* Character by character: known paths wherever they are, what looks like a path, and names that are words. */
#include "tools/flashjit/redact.h"

#include "runtime/options.h"

#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What ends a path; one in quotes goes on to the next of them. */
static const char ends[] = " \t\r\n\"'`()[]{}<>|,;:=";

enum { MOST_VALUES = 64 };

/* What this process knows of its user and machine. */
struct secrets {
  const char *values[MOST_VALUES]; /* that hold paths, one or several with colons between them */
  size_t count;
  char folder[PATH_MAX]; /* the working directory */
  char source[PATH_MAX]; /* FLASHJIT_SOURCE, as compilers name it */
  char host[256];        /* up to its first dot */
  const char *user;
};

struct output {
  char *text;
  size_t size;
  size_t used;
};

/* ------------------------------------------------------------------------------------------------ secrets */

static void add_value(struct secrets *secrets, const char *value) {
  if (value && secrets->count < MOST_VALUES)
    secrets->values[secrets->count++] = value;
}

static void read_secrets(struct secrets *secrets) {
  static const char *const variables[] = {"HOME", "PWD", "XDG_CACHE_HOME", "TMPDIR"};
  const struct passwd *user = getpwuid(getuid());
  const char *source = getenv("FLASHJIT_SOURCE");
  const char *name;
  *secrets = (struct secrets){.user = user ? user->pw_name : ""};
  gethostname(secrets->host, sizeof secrets->host - 1);
  secrets->host[strcspn(secrets->host, ".")] = '\0';
  add_value(secrets, getcwd(secrets->folder, sizeof secrets->folder));
  add_value(secrets, source ? realpath(source, secrets->source) : NULL);
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    add_value(secrets, getenv(variables[i]));
  for (size_t i = 0; (name = options_variable_name(i)); i++)
    add_value(secrets, getenv(name));
}

/* ------------------------------------------------------------------------------------------------ paths */

/* The length, without slashes at its end, of a path that the text begins with; 0 else. */
static size_t match(const char *text, const char *path, size_t length) {
  while (length > 0 && path[length - 1] == '/')
    length--;
  return length > 1 && memchr(path, '/', length) && strncmp(text, path, length) == 0 ? length : 0;
}

static size_t larger(size_t one, size_t other) {
  return one > other ? one : other;
}

/* The length of the longest known path that the text begins with. */
static size_t known_length(const struct secrets *secrets, const char *text) {
  size_t longest = 0;
  for (size_t i = 0; i < secrets->count; i++) {
    const char *part = secrets->values[i];
    longest = larger(longest, match(text, part, strlen(part)));
    while (*part) {
      const size_t length = strcspn(part, ":");
      longest = larger(longest, match(text, part, length));
      part += length + (part[length] == ':');
    }
  }
  return longest;
}

static bool is_letter_or_digit(char character) {
  return isalnum((unsigned char)character);
}

/* The option of one letter that a path may follow without a blank, as in -I/usr/include; else the path itself. */
static const char *option_of(const char *text, const char *path) {
  const bool is_option = path - text >= 2 && isalpha((unsigned char)path[-1]) && path[-2] == '-' &&
                         (path - text == 2 || !is_letter_or_digit(path[-3]));
  return is_option ? path - 2 : path;
}

static bool begins_path(const char *text, const char *at) {
  if (at[0] != '/' || !at[1] || strchr(ends, at[1]))
    return false;
  return at == text || !is_letter_or_digit(at[-1]) || option_of(text, at) != at;
}

/* The length of the path at this place of the text; 0 when there is none. */
static size_t path_length(const struct secrets *secrets, const char *text, const char *at) {
  const size_t known = known_length(secrets, at);
  if (!known && !begins_path(text, at))
    return 0;
  const char *word = option_of(text, at);
  const char before = word > text ? word[-1] : ' ';
  const char *quote = strchr("\"'`", before) ? strchr(at + known, before) : NULL;
  return quote ? (size_t)(quote - at) : known + strcspn(at + known, ends);
}

/* ------------------------------------------------------------------------------------------------ names */

/* The length of a name that is a word; 0 when the text does not begin with it. */
static size_t word_length(const char *text, const char *name) {
  const size_t length = strlen(name);
  return length > 0 && strncmp(text, name, length) == 0 && !is_letter_or_digit(text[length]) ? length : 0;
}

/* With the domain after it. */
static size_t host_length(const char *text, const char *host) {
  size_t length = word_length(text, host);
  while (length > 0 && text[length] == '.' && is_letter_or_digit(text[length + 1])) {
    do
      length++;
    while (is_letter_or_digit(text[length]) || text[length] == '-');
  }
  return length;
}

static size_t name_length(const struct secrets *secrets, const char *text, const char *at) {
  if (at > text && is_letter_or_digit(at[-1]))
    return 0;
  return larger(word_length(at, secrets->user), host_length(at, secrets->host));
}

/* ------------------------------------------------------------------------------------------------ text */

static void put(struct output *output, const char *text, size_t length) {
  const size_t room = output->size - 1 - output->used;
  const size_t taken = length < room ? length : room;
  memcpy(output->text + output->used, text, taken);
  output->used += taken;
  output->text[output->used] = '\0';
}

void redact(const char *text, char *out, size_t size) {
  struct output output = {out, size, 0};
  struct secrets secrets;
  const char *at = text;
  read_secrets(&secrets);
  out[0] = '\0';
  while (*at) {
    const size_t path = path_length(&secrets, text, at);
    const size_t name = path ? 0 : name_length(&secrets, text, at);
    if (path || name)
      put(&output, path ? "PATH" : "NAME", 4);
    else
      put(&output, at, 1);
    at += path || name ? path + name : 1;
  }
}
