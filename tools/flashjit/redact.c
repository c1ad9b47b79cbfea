/* Word by word. */
#include "tools/flashjit/redact.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What ends a word of a message; a path in quotes goes on to the next of them. */
static const char ends[] = " \t\r\n\"'()[];,:=";

struct output {
  char *text;
  size_t size;
  size_t used;
};

static void put(struct output *output, const char *text, size_t length) {
  const size_t room = output->size - 1 - output->used;
  const size_t taken = length < room ? length : room;
  memcpy(output->text + output->used, text, taken);
  output->used += taken;
  output->text[output->used] = '\0';
}

static void put_word(struct output *output, const char *word, size_t length, const char *user, const char *host) {
  if (length > 1 && word[0] == '/')
    put(output, "PATH", 4);
  else if (length > 0 && ((strlen(user) == length && strncmp(word, user, length) == 0) ||
                          (strlen(host) == length && strncmp(word, host, length) == 0)))
    put(output, "NAME", 4);
  else
    put(output, word, length);
}

void redact(const char *text, char *out, size_t size) {
  struct output output = {out, size, 0};
  const struct passwd *user = getpwuid(getuid());
  char host[256] = "";
  char before = ' ';
  gethostname(host, sizeof host - 1);
  out[0] = '\0';
  while (*text) {
    const bool is_quoted = text[0] == '/' && before == '"' && strchr(text, '"');
    const size_t length = strcspn(text, is_quoted ? "\"" : ends);
    put_word(&output, text, length, user ? user->pw_name : "", host);
    text += length;
    before = *text;
    if (*text)
      put(&output, text++, 1);
  }
}
