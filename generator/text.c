/* The growing text. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

/* Makes room for `size` more bytes and the closing zero. */
static bool reserve(struct text *text, size_t size) {
  if (text->failed)
    return false;
  const size_t needed = text->size + size + 1;
  if (needed <= text->room)
    return true;
  size_t room = text->room ? text->room : FIRST_ROOM;
  while (room < needed)
    room *= 2;
  char *data = realloc(text->data, room);
  text->failed = !data;
  if (!data)
    return false;
  text->data = data;
  text->room = room;
  return true;
}

void text_add(struct text *text, const char *bytes, size_t size) {
  if (!reserve(text, size))
    return;
  memcpy(text->data + text->size, bytes, size);
  text->size += size;
  text->data[text->size] = '\0';
}

void text_print(struct text *text, const char *format, ...) {
  va_list arguments;
  va_list again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int size = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (size < 0)
    text->failed = true;
  else if (reserve(text, (size_t)size)) {
    vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
    text->size += (size_t)size;
  }
  va_end(again);
}

char *text_take(struct text *text) {
  text_add(text, "", 0);
  char *data = text->failed ? NULL : text->data;
  if (text->failed)
    free(text->data);
  *text = (struct text){0};
  return data;
}

void text_free(struct text *text) {
  free(text->data);
  *text = (struct text){0};
}
